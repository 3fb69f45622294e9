package remediate_test

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/remediate/incident"
)

// TestOwnAccountIsTheRecordsAccount: {account} is the account that the record is
// about, never the one that its actor is of; and no record brings a * into it.
func TestOwnAccountIsTheRecordsAccount(t *testing.T) {
	t.Parallel()
	const own, sso = "arn:aws:iam::{account}:role/terraform", "arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_*"
	for _, x := range []struct {
		pattern, account, principal string
		want                        bool
	}{
		{own, "111122223333", "arn:aws:iam::111122223333:role/terraform", true},
		{own, "222233334444", "arn:aws:iam::222233334444:role/terraform", true},
		{own, "111122223333", "arn:aws:iam::222233334444:role/terraform", false},
		{own, "222233334444", "arn:aws:iam::111122223333:role/terraform", false},
		{own, "111122223333", "arn:aws-cn:iam::111122223333:role/terraform", false},
		{own, "111122223333", "arn:aws:iam::111122223333:role/terraform2", false},
		{own, "111122223333", "arn:aws:iam::111122223333:role/ci/terraform", false},
		{own, "111122223333", "", false},
		{own, "", "arn:aws:iam:::role/terraform", false},
		{own, "*", "arn:aws:iam::222233334444:role/terraform", false},
		{own, "1*2222233333", "arn:aws:iam::111122223333:role/terraform", false},
		{own, "{account}", "arn:aws:iam::{account}:role/terraform", false},
		{"arn:aws:iam::{account}:role/deploy-{account}", "111122223333", "arn:aws:iam::111122223333:role/deploy-111122223333", true},
		{"arn:aws:iam::{account}:role/deploy-{account}", "111122223333", "arn:aws:iam::111122223333:role/deploy-222233334444", false},
		{sso, "111122223333", "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_NetAdmin_0123456789abcdef", true},
		{sso, "111122223333", "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_NetAdmin_0123456789abcdef", true},
		{sso, "111122223333", "arn:aws:iam::222233334444:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_NetAdmin_0123456789abcdef", false},
		{sso, "111122223333", "arn:aws:iam::111122223333:role/AWSReservedSSO_NetAdmin_0123456789abcdef", false},
		{"arn:aws-us-gov:iam::{account}:role/terraform", "111122223333", "arn:aws-us-gov:iam::111122223333:role/terraform", true},
	} {
		if got := (incident.Rule{Principal: x.pattern}).Matches(x.account, x.principal); got != x.want {
			t.Errorf("%s, a record of %s by %s: %v", x.pattern, x.account, x.principal, got)
		}
	}
}

// TestAnotherAccountsPrincipalOfTheSameName is not excused by a rule with
// {account}; the account's own is, for deletions and for tampering.
func TestAnotherAccountsPrincipalOfTheSameName(t *testing.T) {
	t.Parallel()
	const pattern = "arn:aws:iam::{account}:role/terraform"
	for of, ours := range map[string]bool{account: true, "444455556666": false} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			role := strings.Replace(pattern, "{account}", of, 1)
			s := ruled(t, pattern, incident.Wait, 15*time.Minute)
			id := s.protect(1)[0]
			s.now = s.now.Add(5 * time.Minute)
			s.hear(as(s.attack(id), role))
			s.pass(10 * time.Second)
			if ours {
				s.is(id, incident.Open, "")
			} else {
				s.is(id, incident.Restored, "")
			}

			d := dependent(t)
			d.policy.Rules = []incident.Rule{{Principal: pattern, Action: incident.Ignore}}
			d.crash()
			d.hear(d.tampering("logs", "DeleteLogGroup", "/vpc/flow", func(r *cloudtrail.Record) {
				r.Identity = cloudtrail.Identity{Type: "AssumedRole", SessionIssuer: role}
			}))
			if all := d.alerts(alert.Tamper); len(all) != 1 || (all[0].Level == alert.Informational) != ours {
				t.Errorf("%+v", all)
			}
		})
	}
}
