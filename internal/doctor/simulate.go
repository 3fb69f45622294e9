package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// simulator is IAM's own: it knows boundaries and organisation policies.
type simulator interface {
	SimulatePrincipalPolicy(context.Context, *iam.SimulatePrincipalPolicyInput, ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error)
}

// question is whether a principal may do something.
type question struct {
	principal, action string
	resources         []string
	context           map[string]string // condition keys, of type string but for the MFA's
}

const mfaKey = "aws:MultiFactorAuthPresent"

// decision is what the simulator said.
type decision struct {
	allowed    bool
	explicit   bool // an explicit Deny
	statements []Statement
	missing    []string // condition keys whose values it would have had to know
}

// Statement of a policy.
type Statement struct {
	Policy string `json:"policy"`
	Type   string `json:"type,omitempty"`
	Line   int32  `json:"line,omitempty"` // where it begins
	Column int32  `json:"column,omitempty"`
}

// simulate asks one question. How long it may take is the caller's to say:
// IAM is slow, and throttles.
func simulate(ctx context.Context, api simulator, q question) (d decision, err error) {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &q.principal, ActionNames: []string{q.action}, ResourceArns: q.resources}
	for key, value := range q.context {
		kind := types.ContextKeyTypeEnumString
		if key == mfaKey {
			kind = types.ContextKeyTypeEnumBoolean
		}
		in.ContextEntries = append(in.ContextEntries, types.ContextEntry{ContextKeyName: aws.String(key), ContextKeyType: kind, ContextKeyValues: []string{value}})
	}
	out, err := api.SimulatePrincipalPolicy(ctx, in)
	if err != nil {
		return d, err
	}
	for _, r := range out.EvaluationResults {
		d.take(r.EvalDecision, r.MatchedStatements, r.MissingContextValues)
		for _, x := range r.ResourceSpecificResults {
			d.take(x.EvalResourceDecision, x.MatchedStatements, x.MissingContextValues)
		}
	}
	slices.Sort(d.missing)
	d.missing = slices.Compact(d.missing)
	return d, nil
}

// take: allowed on one resource is allowed.
func (d *decision) take(what types.PolicyEvaluationDecisionType, matched []types.Statement, missing []string) {
	d.allowed = d.allowed || what == types.PolicyEvaluationDecisionTypeAllowed
	d.explicit = d.explicit || what == types.PolicyEvaluationDecisionTypeExplicitDeny
	for _, m := range missing {
		if m != "" {
			d.missing = append(d.missing, m)
		}
	}
	if what != types.PolicyEvaluationDecisionTypeAllowed {
		return
	}
	for _, m := range matched {
		s := Statement{Policy: aws.ToString(m.SourcePolicyId), Type: string(m.SourcePolicyType)}
		if m.StartPosition != nil {
			s.Line, s.Column = m.StartPosition.Line, m.StartPosition.Column
		}
		if !slices.Contains(d.statements, s) {
			d.statements = append(d.statements, s)
		}
	}
}

// principalOf is the user or role behind an identity, as the simulator wants
// it; empty: it can't be one.
func principalOf(ctx context.Context, api *iam.Client, arn, configured string) string {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 {
		return ""
	}
	kind, rest, _ := strings.Cut(part[5], "/")
	switch {
	case part[2] == "iam" && kind == "user":
		return arn
	case kind != "assumed-role":
		return ""
	case configured != "":
		return configured
	}
	name, _, _ := strings.Cut(rest, "/")
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	if out, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: &name}); err == nil && out.Role != nil {
		return aws.ToString(out.Role.Arn)
	}
	return "arn:" + part[1] + ":iam::" + part[4] + ":role/" + name // as most are: without a path
}
