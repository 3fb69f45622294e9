package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"flowkeeper/inventory"
)

// simulator is what doctor calls of *iam.Client: IAM's policy simulator, which includes
// permissions boundaries and service control policies.
type simulator interface {
	SimulatePrincipalPolicy(context.Context, *iam.SimulatePrincipalPolicyInput, ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error)
}

// question is whether a principal may do something.
type question struct {
	principal, action string
	resources         []string
	region            string            // where it would be asked; empty: not known
	context           map[string]string // more condition keys
}

const (
	mfaKey  = "aws:MultiFactorAuthPresent"
	tagKeys = "aws:TagKeys"
)

// keyTypes are the types of condition keys whose values are no strings.
var keyTypes = map[string]types.ContextKeyTypeEnum{mfaKey: types.ContextKeyTypeEnumBoolean, tagKeys: types.ContextKeyTypeEnumStringList}

// regionKeys are the condition keys that name the request's Region.
var regionKeys = []string{"aws:RequestedRegion", "ec2:Region"}

// entries returns the condition keys whose values are known. The simulator takes any other key
// for absent, so that without them a policy that denies all Regions but some denies
// everything.
func (q question) entries() (out []types.ContextEntry) {
	known := map[string]string{"aws:PrincipalArn": q.principal}
	if of := inventory.ParseARN(q.principal); of.AccountID != "" {
		known["aws:PrincipalAccount"], known["aws:ResourceAccount"] = of.AccountID, of.AccountID
		if strings.HasPrefix(of.Resource, "user/") {
			known["aws:username"] = of.Resource[strings.LastIndex(of.Resource, "/")+1:]
		}
	}
	if q.region != "" {
		for _, key := range regionKeys {
			known[key] = q.region
		}
	}
	maps.Copy(known, q.context)
	for _, key := range slices.Sorted(maps.Keys(known)) {
		out = append(out, types.ContextEntry{ContextKeyName: aws.String(key), ContextKeyValues: []string{known[key]},
			ContextKeyType: cmp.Or(keyTypes[key], types.ContextKeyTypeEnumString)})
	}
	return out
}

// matters reports whether a condition on a key can change the decision about an action. The
// simulator reports missing keys of all statements, also of those about other actions, and
// keys that no request for this action has.
func matters(key, action string) bool {
	key = strings.ToLower(key)
	service, name, _ := strings.Cut(key, ":")
	switch {
	case name == "multifactorauthpresent", name == "username": // we give the simulator its value if there is one
		return false
	case name == "tagkeys", strings.HasPrefix(name, "requesttag/"), name == "createaction": // only requests that create or tag have it
		return false
	}
	return service == "aws" || strings.HasPrefix(strings.ToLower(action), service+":")
}

// decision counts the simulator's answers to one question or several, by kind.
type decision struct {
	allowed      int
	explicit     int // denied by a Deny
	implicit     int // allowed by nothing
	organization int // denied by a service control policy
	statements   []Statement
	missing      []string // condition keys that matter, and whose values are not known
}

// closed reports whether service control policies denied everything.
func (d decision) closed() bool { return d.organization > 0 && d.allowed+d.explicit+d.implicit == 0 }

// Statement of a policy.
type Statement struct {
	Policy string `json:"policy"`
	Type   string `json:"type,omitempty"`
	Line   int32  `json:"line,omitempty"` // where it begins
	Column int32  `json:"column,omitempty"`
}

const maxPages = 10 // of an answer: a page has a hundred results

func simulate(ctx context.Context, api simulator, q question) (d decision, err error) {
	err = d.ask(ctx, api, q)
	return d, err
}

// ask adds the answers to one question. The caller limits its time: IAM is slow, and throttles.
func (d *decision) ask(ctx context.Context, api simulator, q question) error {
	pages := iam.NewSimulatePrincipalPolicyPaginator(api, &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &q.principal, ActionNames: []string{q.action}, ResourceArns: q.resources, ContextEntries: q.entries()})
	for n := 0; pages.HasMorePages(); n++ {
		if n == maxPages {
			return fmt.Errorf("more than %d pages", maxPages)
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, r := range page.EvaluationResults {
			if r.OrganizationsDecisionDetail != nil && !r.OrganizationsDecisionDetail.AllowedByOrganizations {
				d.organization++
				continue
			}
			d.add(q.action, r.EvalDecision, r.MatchedStatements, r.MissingContextValues)
			for _, x := range r.ResourceSpecificResults {
				d.add(q.action, x.EvalResourceDecision, x.MatchedStatements, x.MissingContextValues)
			}
		}
	}
	if d.allowed+d.explicit+d.implicit+d.organization == 0 {
		return errors.New("no decision")
	}
	return nil
}

// add adds one answer.
func (d *decision) add(action string, what types.PolicyEvaluationDecisionType, matched []types.Statement, missing []string) {
	for _, key := range missing {
		if matters(key, action) {
			d.missing = addNew(d.missing, key)
		}
	}
	switch what {
	case types.PolicyEvaluationDecisionTypeExplicitDeny:
		d.explicit++
	case types.PolicyEvaluationDecisionTypeImplicitDeny:
		d.implicit++
	case types.PolicyEvaluationDecisionTypeAllowed:
		d.allowed++
		for _, m := range matched {
			s := Statement{Policy: aws.ToString(m.SourcePolicyId), Type: string(m.SourcePolicyType)}
			if m.StartPosition != nil {
				s.Line, s.Column = m.StartPosition.Line, m.StartPosition.Column
			}
			d.statements = addNew(d.statements, s)
		}
	}
}

// doubt says why a denial may be wrong; empty: it is certain.
func (d decision) doubt() string {
	switch {
	case d.closed():
		return "a service control policy denies it, maybe on a condition whose value is not known here"
	case len(d.missing) > 0:
		return "policies have conditions whose values are not known here: " + strings.Join(slices.Sorted(slices.Values(d.missing)), ", ")
	}
	return ""
}

// target is a flow log to ask about, and its Region.
type target struct{ region, arn string }

// mayDelete asks whether a principal may delete any of the flow logs. It asks for each Region
// only if the answer may depend on it: the simulator never reports condition keys of service
// control policies as missing.
func mayDelete(ctx context.Context, api simulator, principal string, more map[string]string, targets []target) (decision, error) {
	q := question{principal: principal, action: deleteFlowLogs, context: more}
	for _, t := range targets {
		q.resources = append(q.resources, t.arn)
	}
	d, err := simulate(ctx, api, q)
	if err != nil || d.organization == 0 && !slices.ContainsFunc(d.missing, isRegion) {
		return d, err
	}
	d = decision{}
	for _, t := range targets {
		q.region, q.resources = t.region, []string{t.arn}
		if err := d.ask(ctx, api, q); err != nil || d.allowed > 0 {
			return d, err
		}
	}
	return d, nil
}

func isRegion(key string) bool {
	return slices.ContainsFunc(regionKeys, func(k string) bool { return strings.EqualFold(k, key) })
}

// principalOf returns the ARN of the user or role of an identity, which the simulator needs;
// empty: it is neither.
func principalOf(ctx context.Context, api *iam.Client, arn, configured string) string {
	of, role := inventory.ParseARN(arn), inventory.RoleOfSession(arn)
	switch {
	case of.Service == "iam" && strings.HasPrefix(of.Resource, "user/"):
		return arn
	case role == arn:
		return ""
	case configured != "":
		return configured
	}
	name := strings.TrimPrefix(inventory.ParseARN(role).Resource, "role/")
	if out, err := call(ctx, api.GetRole, &iam.GetRoleInput{RoleName: &name}); err == nil && out.Role != nil {
		return aws.ToString(out.Role.Arn)
	}
	return role // most have no path
}
