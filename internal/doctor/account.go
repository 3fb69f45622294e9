package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"flowkeeper/inventory"
)

// account is the scopes of one account. What IAM allows holds in all of them.
type account struct {
	id       string
	subjects []*subject
	iam      simulator
	self     func() (string, error) // the user or role that we are
}

func newAccount(ctx context.Context, subjects []*subject) *account {
	api := iam.NewFromConfig(subjects[0].cfg)
	a := &account{id: subjects[0].scope.Account, subjects: subjects, iam: api}
	a.self = once(ctx, func(ctx context.Context) (string, error) {
		who, err := subjects[0].identity()
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
func (a *account) flowLogs() (out []target) {
	for _, s := range a.subjects {
		id := "fl-00000000000000000"
		if all, err := s.logs(); err == nil && len(all) > 0 {
			id = all[0].ID
		}
		out = append(out, target{s.scope.Region, fmt.Sprintf("arn:%s:ec2:%s:%s:vpc-flow-log/%s", a.partition(), s.scope.Region, a.id, id)})
	}
	return out
}

// neverDelete asks IAM's simulator. A dry run of DeleteFlowLogs would tell as
// well, but everybody who watches, we ourselves first, would take it for an
// attempt: so it is left to people, and nothing here can delete.
func (a *account) neverDelete(ctx context.Context) []finding {
	if who, err := a.subjects[0].identity(); err == nil && strings.HasSuffix(who.arn, ":root") {
		return one(finding{Fail, "the root user may delete flow logs, unless a service control policy denies it: whoever takes these credentials blinds you with them", leaveRoot})
	}
	who, err := a.self()
	if err != nil || who == "" {
		return one(finding{Unknown, "can't tell, because these credentials are neither a user's nor a role's", a.dryRun()})
	}
	d, err := mayDelete(ctx, a.iam, who, nil, a.flowLogs())
	if err == nil {
		return one(judgeDelete(who, d))
	}
	f := unanswered(err)
	f.fix = strings.TrimPrefix(f.fix+", or "+a.dryRun(), ", or ")
	return one(f)
}

// judgeDelete: an explicit denial is taken for one, for deploy/iam-policy.json
// has it, without conditions.
func judgeDelete(who string, d decision) finding {
	switch {
	case d.allowed > 0:
		return finding{Fail, who + " may delete flow logs" + by(d.statements) + ": whoever takes these credentials blinds you with them", denyTo(who)}
	case d.closed():
		return fine("denied to %s by a service control policy, as far as the simulator was told what that asks for", who)
	case d.explicit > 0 && d.implicit == 0:
		return fine("denied to %s explicitly", who)
	case d.doubt() != "":
		return finding{Unknown, "can't tell whether " + who + " may: " + d.doubt(), denyTo(who)}
	}
	return fine("not allowed to %s", who)
}

const deleteFlowLogs = "ec2:DeleteFlowLogs"

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
