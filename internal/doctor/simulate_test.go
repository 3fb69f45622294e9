package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

const (
	allowed  = iamtypes.PolicyEvaluationDecisionTypeAllowed
	explicit = iamtypes.PolicyEvaluationDecisionTypeExplicitDeny
	implicit = iamtypes.PolicyEvaluationDecisionTypeImplicitDeny
)

// policies is a policy simulator that answers by the resources, the principal and the condition keys of a request.
type policies func(request map[string]string) iamtypes.EvaluationResult

func (p policies) SimulatePrincipalPolicy(_ context.Context, in *iam.SimulatePrincipalPolicyInput, _ ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error) {
	request := map[string]string{"resources": strings.Join(in.ResourceArns, " "), "principal": aws.ToString(in.PolicySourceArn)}
	for _, c := range in.ContextEntries {
		request[*c.ContextKeyName] = c.ContextKeyValues[0]
	}
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: []iamtypes.EvaluationResult{p(request)}}, nil
}

func simulated(what iamtypes.PolicyEvaluationDecisionType, missing ...string) iamtypes.EvaluationResult {
	return iamtypes.EvaluationResult{EvalDecision: what, MissingContextValues: missing}
}

// deniedBySCP is the denial of a service control policy: the simulator never reports that
// policy's condition keys as missing.
func deniedBySCP() iamtypes.EvaluationResult {
	r := simulated(explicit)
	r.OrganizationsDecisionDetail = &iamtypes.OrganizationsDecisionDetail{}
	return r
}

// onlyIn returns policies with a service control policy that denies all Regions but one. There, then answers.
func onlyIn(region string, then policies) policies {
	return func(request map[string]string) iamtypes.EvaluationResult {
		if request["aws:RequestedRegion"] != region {
			return deniedBySCP()
		}
		return then(request)
	}
}

// where returns a policy that allows a request if a condition key has a value.
func where(key, value string) policies {
	return func(request map[string]string) iamtypes.EvaluationResult {
		switch request[key] {
		case value:
			return simulated(allowed)
		case "":
			return simulated(implicit, key)
		}
		return simulated(implicit)
	}
}

func always(r iamtypes.EvaluationResult) policies {
	return func(map[string]string) iamtypes.EvaluationResult { return r }
}

// TestConditionalGrants: if the doctor does not know the value of a condition key, the result is unknown. A conditional
// Allow must not count as no Allow.
func TestConditionalGrants(t *testing.T) {
	t.Parallel()
	targets := []target{{"eu-west-1", "arn:aws:ec2:eu-west-1:1:vpc-flow-log/fl-1"}, {"us-east-1", "arn:aws:ec2:us-east-1:1:vpc-flow-log/fl-2"}}
	for name, c := range map[string]struct {
		p      policies
		delete Status // of the check whether Flowkeeper's role may delete
		review string // whether `flowkeeper doctor --who-can-delete` names the principal
	}{
		"nothing":                          {always(simulated(implicit)), OK, "no"},
		"everything":                       {always(simulated(allowed)), Fail, "yes"},
		"a denial":                         {always(simulated(explicit)), OK, "no"},
		"in a Region":                      {where("aws:RequestedRegion", "us-east-1"), Fail, "yes"},
		"in a Region, by EC2's key":        {where("ec2:Region", "eu-west-1"), Fail, "yes"},
		"in a Region that is not watched":  {where("aws:RequestedRegion", "us-west-2"), OK, "no"},
		"from an address":                  {where("aws:SourceIp", "192.0.2.1"), Unknown, "maybe aws:SourceIp"},
		"to a tag":                         {where("ec2:ResourceTag/team", "x"), Unknown, "maybe ec2:ResourceTag/team"},
		"to this principal":                {where("aws:PrincipalArn", "arn:aws:iam::1:role/r"), Fail, "yes"},
		"within the account":               {where("aws:ResourceAccount", "1"), Fail, "yes"},
		"with MFA":                         {where(mfaKey, "true"), OK, "yes"},
		"by keys of other actions":         {always(simulated(implicit, "ec2:CreateAction", "iam:PassedToService", "aws:RequestTag/a", "aws:username", mfaKey)), OK, "no"},
		"a denial, with unknown keys":      {always(simulated(explicit, "aws:SourceIp")), OK, "maybe aws:SourceIp"},
		"SCP":                              {always(deniedBySCP()), OK, "organization"},
		"SCP that denies other Regions":    {onlyIn("us-east-1", always(simulated(allowed))), Fail, "yes"},
		"SCP, and nothing granted":         {onlyIn("us-east-1", always(simulated(implicit))), OK, "no"},
		"SCP, and from an address":         {onlyIn("us-east-1", where("aws:SourceIp", "192.0.2.1")), Unknown, "maybe aws:SourceIp"},
		"SCP, and a Region that it denies": {onlyIn("us-east-1", where("aws:RequestedRegion", "eu-west-1")), OK, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := mayDelete(t.Context(), c.p, "arn:aws:iam::1:role/r", nil, targets)
			if f := judgeDelete("r", d); err != nil || f.status != c.delete {
				t.Errorf("%+v, %v, want %s", f, err, c.delete)
			}
			m, closed, err := ask(t.Context(), c.p, "1", "arn:aws:iam::1:role/r", targets)
			got := "no"
			switch {
			case closed:
				got = "organization"
			case m != nil && m.Maybe:
				got = "maybe " + strings.Join(m.Unknown, " ")
			case m != nil:
				got = "yes"
			}
			if err != nil || got != c.review {
				t.Errorf("the review says %s, %v, want %s", got, err, c.review)
			}
		})
	}
}

// TestRegionsAreAskedForOnlyIfTheyMatter: if no policy and no service control policy names a Region, the doctor asks
// the simulator once for all Regions, because IAM throttles.
func TestRegionsAreAskedForOnlyIfTheyMatter(t *testing.T) {
	t.Parallel()
	asked := 0
	_, err := mayDelete(t.Context(), policies(func(request map[string]string) iamtypes.EvaluationResult {
		if asked++; request["aws:RequestedRegion"] != "" || request["resources"] != "a b" {
			t.Errorf("%v", request)
		}
		return simulated(implicit)
	}), "arn:aws:iam::1:user/path/u", nil, []target{{"eu-west-1", "a"}, {"us-east-1", "b"}})
	if err != nil || asked != 1 {
		t.Errorf("the simulator was asked %d times, want once: %v", asked, err)
	}
}

func TestContextEntries(t *testing.T) {
	t.Parallel()
	entries := func(q question) (out []string) {
		for _, e := range q.entries() {
			out = append(out, *e.ContextKeyName+"="+e.ContextKeyValues[0])
		}
		return out
	}
	got := entries(question{principal: "arn:aws:iam::1:user/path/u", region: "eu-west-1", context: map[string]string{mfaKey: "true"}})
	if !slices.Equal(got, []string{mfaKey + "=true", "aws:PrincipalAccount=1", "aws:PrincipalArn=arn:aws:iam::1:user/path/u",
		"aws:RequestedRegion=eu-west-1", "aws:ResourceAccount=1", "aws:username=u", "ec2:Region=eu-west-1"}) {
		t.Errorf("%q", got)
	}
	if got := entries(question{principal: "arn:aws:iam::1:role/r"}); slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "aws:username") }) {
		t.Errorf("a role has no user name: %q", got)
	}
}

// paged is a policy simulator whose decisive result is on the page after this many pages.
type paged int

func (p paged) SimulatePrincipalPolicy(_ context.Context, in *iam.SimulatePrincipalPolicyInput, _ ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error) {
	n := 0
	if in.Marker != nil {
		_, _ = fmt.Sscan(*in.Marker, &n)
	}
	if n == int(p) {
		return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: []iamtypes.EvaluationResult{simulated(allowed)}}, nil
	}
	return &iam.SimulatePrincipalPolicyOutput{IsTruncated: true, Marker: aws.String(fmt.Sprint(n + 1)), EvaluationResults: []iamtypes.EvaluationResult{simulated(implicit)}}, nil
}

func TestSimulatorsPages(t *testing.T) {
	t.Parallel()
	if d, err := simulate(t.Context(), paged(1), question{}); err != nil || d.allowed == 0 {
		t.Errorf("the second page: %+v, %v", d, err)
	}
	if d, err := simulate(t.Context(), paged(1000), question{}); err == nil {
		t.Errorf("pages without an end: %+v", d)
	}
	if d, err := simulate(t.Context(), always(iamtypes.EvaluationResult{}), question{}); err == nil {
		t.Errorf("no decision: %+v", d)
	}
}

// crowd is an IAM with pages of users without end.
type crowd struct{ fakeIAM }

func (c crowd) ListUsers(_ context.Context, in *iam.ListUsersInput, _ ...func(*iam.Options)) (*iam.ListUsersOutput, error) {
	n := 0
	if in.Marker != nil {
		_, _ = fmt.Sscan(*in.Marker, &n)
	}
	page := &iam.ListUsersOutput{IsTruncated: true, Marker: aws.String(fmt.Sprint(n + 1))}
	for u := range maxPrincipals / 5 {
		page.Users = append(page.Users, iamtypes.User{Arn: aws.String(fmt.Sprintf("arn:aws:iam::1:user/%d-%d", n, u))})
	}
	return page, nil
}

func TestReviewThatIsCutSaysSo(t *testing.T) {
	t.Parallel()
	r := Review{}
	all, err := principalsOf(t.Context(), crowd{}, &r)
	if err != nil || len(all) != maxPrincipals || !r.Cut || r.Why() != "there are more than 5000 users and roles: the others were not asked about" {
		t.Errorf("%d: %v, %q", len(all), err, r.Why())
	}
	if why := (Review{}).Why(); why != "" {
		t.Errorf("a complete review says %q, want nothing", why)
	}
}

// TestDeliveryInDoubt: if the simulator denies a permission because of condition keys whose values the doctor does not
// know, the check does not fail: AWS did not refuse the dry runs.
func TestDeliveryInDoubt(t *testing.T) {
	t.Parallel()
	const role = "arn:aws:iam::1:role/flow-logs"
	tried := trial{region: "eu-west-1", target: delivery.Target{Type: inventory.Firehose, Role: role}, answer: succeeded}
	for name, c := range map[string]struct {
		p    policies
		want Status
		says string
	}{
		"allowed":                       {always(simulated(allowed)), OK, ""},
		"not allowed":                   {always(simulated(implicit, "ec2:CreateAction", "aws:TagKeys", mfaKey)), Fail, "arn:aws:iam::1:role/r "},
		"in the Region":                 {where("aws:RequestedRegion", "eu-west-1"), OK, ""},
		"in another Region":             {where("aws:RequestedRegion", "us-east-1"), Fail, "arn:aws:iam::1:role/r "},
		"from an address":               {where("aws:SourceIp", "192.0.2.1"), Unknown, "the dry runs, which did not refuse it: policies have conditions whose values are not known here: aws:SourceIp"},
		"SCP that denies other Regions": {onlyIn("eu-west-1", always(simulated(allowed))), OK, ""},
		"SCP":                           {always(deniedBySCP()), Unknown, "a service control policy denies it"},
	} {
		t.Run(name, func(t *testing.T) {
			a := accountOf(c.p, tried)
			for check, f := range map[string]finding{"pass-role": a.passRoles(t.Context())[0], "log-delivery": a.logDelivery(t.Context())[0]} {
				if f.status != c.want || !strings.Contains(f.detail, c.says) {
					t.Errorf("%s: %+v, want %s", check, f, c.want)
				}
			}
		})
	}
	// A condition on a key that only iam:PassRole has.
	if f := accountOf(where("iam:AssociatedResourceArn", "x"), tried).passRoles(t.Context())[0]; f.status != Unknown {
		t.Errorf("%+v", f)
	}
}
