package configs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Parts of the warnings about the principal of a rule.
const (
	anyRole  = "iam:CreateRole"
	anyUser  = "iam:CreateUser"
	everyone = "everybody"
	never    = "never matches"
)

// TestRulesThatOthersCanUse: if a rule is less strict for a principal with a *, somebody who may create roles or users
// can give one a matching name. So there is a warning, unless only AWS can create roles with this path. There is also a
// warning about an ARN that no record ever has.
func TestRulesThatOthersCanUse(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string][]string{
		"role/terraform":     nil,
		"role/ci/terraform":  nil,
		"user/alice":         nil,
		"root":               nil,
		"role/terraform-*":   {anyRole},
		"role/*":             {anyRole},
		"role/*/terraform":   {anyRole},
		"role/ci/*":          {anyRole},
		"role/aws-*":         {anyRole},
		"role/aws-reserved*": {anyRole},
		"role/x{account}*":   {anyRole},
		"role/*AWSReservedSSO_NetAdmin_0123456789abcdef": {anyRole},
		"user/ci-*": {anyUser},
		"*":         {everyone},
		"role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_0123456789abcdef":          nil,
		"role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_*":                         nil,
		"role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_NetAdmin_0123456789abcdef": nil,
		"role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_NetAdmin_0123456789abcdef":           nil, // the path if Identity Center is in us-east-1
		"role/aws-reserved/sso.amazonaws.com/*":                                                  {everyone},
		"role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_*":                                  {everyone},
		"role/aws-reserved/*":                                                          {everyone},
		"role/aws-service-role/*":                                                      {everyone},
		"role/aws-service-role/*AWSServiceRoleForAutoScaling":                          nil,
		"role/AWSReservedSSO_NetAdmin_0123456789abcdef":                                {never},
		"role/AWSReservedSSO_NetAdmin_*":                                               {never, anyRole},
		"role/aws-reserved/AWSReservedSSO_NetAdmin_0123456789abcdef":                   {never},
		"role/AWSServiceRoleForAutoScaling":                                            {never},
		"role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling": nil,
	} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			for _, action := range []string{"wait", "alert", "ignore", "restore"} {
				for _, account := range []string{"arn:aws-us-gov:iam::111122223333:", "arn:aws:iam::{account}:"} {
					wait := ""
					if action == "wait" {
						wait = ", wait: 15m"
					}
					_, warnings, err := Load(write(t, t.TempDir(), "c.yaml", "remediate: {rules: [{principal: '"+account+resource+"', action: "+action+wait+"}]}\n"), Options{})
					if err != nil {
						t.Fatal(err)
					}
					var expected []string
					for _, w := range want {
						if action != "restore" || w == never {
							expected = append(expected, w)
						}
					}
					if action == "ignore" {
						expected = append(expected, "ignore lets")
					}
					if len(warnings) != len(expected) {
						t.Errorf("%s: warnings %v, want %q", action, warnings, expected)
						continue
					}
					for n, w := range expected {
						if !strings.Contains(string(warnings[n]), w) || !strings.HasPrefix(string(warnings[n]), "remediate.rules[0]") {
							t.Errorf("%s: warnings %v, want %q", action, warnings, expected)
						}
					}
				}
			}
		})
	}
}

// TestASessionsRoleIsAdvisedAsRecordsNameIt: if a rule names a session, the error advises the ARN of its role as
// records have it. A rule with the advised ARN has no error and no warning.
func TestASessionsRoleIsAdvisedAsRecordsNameIt(t *testing.T) {
	t.Parallel()
	load := func(t *testing.T, principal string) ([]Warning, error) {
		_, warnings, err := Load(write(t, t.TempDir(), "c.yaml", "remediate: {rules: [{principal: '"+principal+"', action: alert}]}\n"), Options{})
		return warnings, err
	}
	for session, advised := range map[string]string{
		"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_NetAdmin_0123456789abcdef/jdoe@example.com":    "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_0123456789abcdef",
		"arn:aws-us-gov:sts::111122223333:assumed-role/AWSReservedSSO_NetAdmin_0123456789abcdef/jdoe@example": "arn:aws-us-gov:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_0123456789abcdef",
		"arn:aws:sts::{account}:assumed-role/AWSReservedSSO_NetAdmin_0123456789abcdef/x":                      "arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_0123456789abcdef",
		"arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling":                     "arn:aws:iam::111122223333:role/aws-service-role/*AWSServiceRoleForAutoScaling",
		"arn:aws:sts::111122223333:assumed-role/terraform/ci":                                                 "arn:aws:iam::111122223333:role/terraform",
	} {
		t.Run(session, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, session)
			if err == nil || !strings.Contains(err.Error()+" ", advised+" ") && !strings.Contains(err.Error()+" ", advised+" (") {
				t.Error(err)
			}
			if warnings, err := load(t, advised); err != nil || len(warnings) > 0 {
				t.Errorf("the advice %s: %v, %v", advised, warnings, err)
			}
		})
	}
	warnings, err := load(t, "arn:aws:iam::111122223333:role/AWSReservedSSO_NetAdmin_0123456789abcdef")
	if err != nil || len(warnings) != 1 || !strings.HasSuffix(string(warnings[0]), " write arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_0123456789abcdef") {
		t.Errorf("%v, %v", warnings, err)
	}
}

// TestPrincipalsOfRules: the account of a principal is one of accounts, or {account}. Other forms are errors.
func TestPrincipalsOfRules(t *testing.T) {
	t.Parallel()
	for principal, want := range map[string]string{
		"arn:aws:iam::{account}:role/terraform":          "",
		"arn:aws:iam::{account}:role/deploy-{account}":   "",
		"arn:aws:iam::222233334444:role/terraform":       "is not one of accounts",
		"arn:aws:iam::{acct}:role/terraform":             "only {account} is known",
		"arn:aws:iam::{account:role/terraform":           "only {account} is known",
		"arn:aws:iam::111122223333:role/{name}":          "only {account} is known",
		"arn:aws:iam::{account}{account}:role/terraform": "twelve digits",
		"arn:{account}:iam::111122223333:role/terraform": "write the ARN of a role or user",
		"arn:aws:iam:eu-west-1:{account}:role/terraform": "write the ARN of a role or user",
		"arn:aws:iam::*:role/terraform":                  "* never stands for an account",
		"arn:aws:iam::{account}:group/ops":               "write the ARN of a role or user",
		"{account}":                                      "write the ARN of a role or user",
		"arn:aws:sts::111122223333:federated-user/alice": "write the ARN of a role or user",
		"arn:aws:sts::111122223333:assumed-role/":        "write the ARN of a role or user",
	} {
		t.Run(principal, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(write(t, t.TempDir(), "c.yaml", "accounts: [{id: '111122223333'}]\nremediate: {rules: [{principal: '"+principal+"', action: alert}]}\n"), Options{})
			if (want == "") != (err == nil) || want != "" && !strings.Contains(err.Error(), want) {
				t.Error(err)
			}
		})
	}
}

// TestDocsTeachNoRuleForEverybody: people copy rules from the documentation. So it has no principal with a * that
// somebody with iam:CreateRole could match by the name of a new role.
func TestDocsTeachNoRuleForEverybody(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	principal, found := regexp.MustCompile(`arn:aws[a-z-]*:iam::[^\s"'`+"`"+`)]+`), 0
	for _, file := range append(files, "../README.md", "../deploy/README.md", "flowkeeper.yaml", "../packaging/man/flowkeeper.yaml.5") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range principal.FindAllString(strings.ReplaceAll(string(text), `\-`, "-"), -1) {
			part, err := parseARN(p)
			if err != nil {
				continue
			}
			found++
			if who := openTo(part.Resource); who != "" {
				t.Errorf("%s: %s is open to %s", file, p, who)
			}
			if role := neverRecorded(part.Resource); role != "" {
				t.Errorf("%s: no record has %s, records have %s", file, p, role)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d principals found, want 5 at least", found)
	}
}
