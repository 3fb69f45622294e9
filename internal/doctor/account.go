package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"flowkeeper/inventory"
)

// account is the scopes of one account. What IAM allows holds in all of them.
type account struct {
	id       string
	subjects []*subject
	iam      simulator
	self     *memo[string] // the user or role that we are
}

func newAccount(subjects []*subject) *account {
	api := iam.NewFromConfig(subjects[0].cfg)
	a := &account{id: subjects[0].scope.Account, subjects: subjects, iam: api}
	a.self = remember(func(ctx context.Context) (string, error) {
		who, err := subjects[0].identity.get(ctx)
		if err != nil {
			return "", err
		}
		return principalOf(ctx, api, who.arn, subjects[0].account.RoleARN), nil
	})
	return a
}

func (a *account) partition() string { return inventory.Partition(a.subjects[0].scope.Region) }

// flowLogs are those to ask about, one a Region: real ones where there are
// any, for a policy may name them.
func (a *account) flowLogs(ctx context.Context) (out []target) {
	for _, s := range a.subjects {
		id := "fl-00000000000000000"
		if all, err := s.logs.get(ctx); err == nil && len(all) > 0 {
			id = all[0].ID
		}
		out = append(out, target{s.scope.Region, fmt.Sprintf("arn:%s:ec2:%s:%s:vpc-flow-log/%s", a.partition(), s.scope.Region, a.id, id)})
	}
	return out
}

const askSimulator = "iam:SimulatePrincipalPolicy"

// neverDelete asks IAM's simulator. A dry run of DeleteFlowLogs would tell as
// well, but everybody who watches, we ourselves first, would take it for an
// attempt: so it is left to people, and nothing here can delete.
func (a *account) neverDelete(ctx context.Context) finding {
	if who, err := a.subjects[0].identity.get(ctx); err == nil && strings.HasSuffix(who.arn, ":root") {
		return finding{Fail, "the root user may delete flow logs, unless a service control policy denies it: whoever takes these credentials blinds you with them", leaveRoot}
	}
	who, err := a.self.get(ctx)
	if err != nil || who == "" {
		return a.tryYourself("these credentials are neither a user's nor a role's")
	}
	d, err := mayDelete(ctx, a.iam, who, nil, a.flowLogs(ctx))
	if err == nil {
		return judgeDelete(who, d)
	}
	f := unheard(err, askSimulator)
	if f.fix == "" {
		return a.tryYourself(strings.TrimPrefix(f.detail, "can't tell, because "))
	}
	f.fix += ", or " + a.dryRun()
	return f
}

// judgeDelete: an explicit denial is taken for one, for deploy/iam-policy.json
// has it, without conditions.
func judgeDelete(who string, d decision) finding {
	switch {
	case d.allowed:
		return finding{Fail, who + " may delete flow logs" + by(d.statements) + ": whoever takes these credentials blinds you with them", denyTo(who)}
	case d.organization:
		return fine("denied to %s by a service control policy, as far as the simulator was told what that asks for", who)
	case d.explicit && !d.implicit:
		return fine("denied to %s explicitly", who)
	case d.doubt() != "":
		return finding{Unknown, "can't tell whether " + who + " may: " + d.doubt(), denyTo(who)}
	}
	return fine("not allowed to %s", who)
}

const deleteFlowLogs = "ec2:DeleteFlowLogs"

func (a *account) tryYourself(why string) finding {
	return finding{Unknown, "can't tell, because " + why, a.dryRun()}
}

func (a *account) dryRun() string {
	return "try it as the daemon (its alerts and your SIEM will tell it as an attempt): aws ec2 delete-flow-logs --dry-run --flow-log-ids fl-00000000000000000 --region " +
		a.subjects[0].scope.Region + " should answer UnauthorizedOperation"
}

func by(all []Statement) string {
	var names []string
	for _, s := range all {
		names = append(names, s.String())
	}
	if len(names) == 0 {
		return ""
	}
	return ", by " + strings.Join(names, ", ")
}

// String is where to find it.
func (s Statement) String() string {
	text := s.Policy
	if s.Line > 0 {
		text += fmt.Sprintf(" line %d", s.Line)
	}
	return text
}

// denyTo is the command that denies it to a user or role.
func denyTo(arn string) string {
	kind, _, _ := strings.Cut(arn[strings.LastIndex(arn, ":")+1:], "/")
	return fmt.Sprintf(`aws iam put-%[1]s-policy --%[1]s-name %[2]s --policy-name never-delete-flow-logs --policy-document '{"Version":"2012-10-17","Statement":[{"Sid":"NeverDelete","Effect":"Deny","Action":"ec2:DeleteFlowLogs","Resource":"*"}]}'`,
		kind, arn[strings.LastIndex(arn, "/")+1:])
}

// deliveryServices take a delivery role over.
var deliveryServices = []string{"vpc-flow-logs.amazonaws.com", "delivery.logs.amazonaws.com"}

// passRole asks of each delivery role: the dry runs first, then the simulator,
// for a dry run need not go so far.
func (a *account) passRole(ctx context.Context, trials map[*subject]*trial) (out []finding) {
	refused, in, roles := map[string]run{}, map[string]string{}, []string{}
	var untried error
	for _, s := range a.subjects {
		runs, err := trials[s].get(ctx)
		untried = cmp.Or(untried, err)
		for _, r := range runs {
			if r.needs.Role == "" || r.needs.Type == "s3" {
				continue
			}
			if !slices.Contains(roles, r.needs.Role) {
				roles, in[r.needs.Role] = append(roles, r.needs.Role), s.scope.Region
			}
			if r.lacks == "iam:PassRole" {
				refused[r.needs.Role] = r
			}
		}
	}
	switch {
	case len(roles) == 0 && untried != nil:
		return one(finding{Skipped, words(untried), ""})
	case len(roles) == 0:
		return one(fine("no protected flow log has a delivery role"))
	}
	for _, role := range roles {
		if r, no := refused[role]; no {
			out = append(out, finding{Fail, "a restore with " + role + " would be refused: " + r.verdict.Message, a.allowPass(role)})
			continue
		}
		out = append(out, a.mayPass(ctx, role, in[role]))
	}
	return out
}

func (a *account) mayPass(ctx context.Context, role, region string) finding {
	who, err := a.self.get(ctx)
	if err != nil || who == "" {
		return finding{Unknown, "can't tell of " + role + " beyond the dry runs, which did not refuse it: these credentials are neither a user's nor a role's", ""}
	}
	doubt := ""
	for _, service := range deliveryServices {
		d, err := simulate(ctx, a.iam, question{principal: who, action: "iam:PassRole", resources: []string{role}, region: region, context: map[string]string{"iam:PassedToService": service}})
		if err != nil {
			f := unheard(err, askSimulator)
			f.detail += "; the dry runs did not refuse " + role
			return f
		}
		if d.allowed {
			return fine("%s to %s", role, service)
		}
		doubt = cmp.Or(doubt, d.doubt())
	}
	if doubt != "" {
		return finding{Unknown, "can't tell of " + role + " beyond the dry runs, which did not refuse it: " + doubt, ""}
	}
	return finding{Fail, who + " may not pass " + role + " to log delivery", a.allowPass(role)}
}

func (a *account) allowPass(role string) string {
	return fmt.Sprintf(`allow: {"Effect":"Allow","Action":"iam:PassRole","Resource":%q,"Condition":{"StringEquals":{"iam:PassedToService":["%s"]}}}`, role, strings.Join(deliveryServices, `","`))
}

// logDelivery is a permission that EC2 asks for on our behalf when it creates.
func (a *account) logDelivery(ctx context.Context, trials map[*subject]*trial) finding {
	const action = "logs:CreateLogDelivery"
	needed, region := false, a.subjects[0].scope.Region
	var untried error
	for _, s := range a.subjects {
		runs, err := trials[s].get(ctx)
		untried = cmp.Or(untried, err)
		for _, r := range runs {
			if !needed && (r.needs.Type == "s3" || r.needs.Type == "kinesis-data-firehose") {
				needed, region = true, s.scope.Region
			}
			if r.lacks == action {
				return finding{Fail, "a restore of " + r.id + " would be refused: " + r.verdict.Message, "allow " + action + " on * (SetUpDelivery in deploy/iam-policy.json)"}
			}
		}
	}
	if untried != nil && !needed {
		return finding{Skipped, words(untried), ""}
	}
	who, err := a.self.get(ctx)
	if err != nil || who == "" {
		return finding{Unknown, "can't tell beyond the dry runs: these credentials are neither a user's nor a role's", ""}
	}
	d, err := simulate(ctx, a.iam, question{principal: who, action: action, resources: []string{"*"}, region: region})
	switch {
	case err != nil:
		return unheard(err, askSimulator)
	case d.allowed:
		return fine("%s may", who)
	case d.doubt() != "":
		return finding{Unknown, "can't tell beyond the dry runs, which did not refuse it: " + d.doubt(), ""}
	}
	f := finding{Fail, who + " may not set up log delivery, which restores to S3 and Firehose need", "allow " + action + " on * (SetUpDelivery in deploy/iam-policy.json)"}
	if !needed {
		f.status, f.detail = Warn, f.detail+"; none that is protected goes there by now"
	}
	return f
}
