package doctor

import (
	"context"
	"fmt"
	"strings"
)

const deleteFlowLogs = "ec2:DeleteFlowLogs"

// neverDelete asks IAM's simulator whether Flowkeeper may delete flow logs. A dry run of
// DeleteFlowLogs would show that too, but Flowkeeper and others would report it as an attempt;
// and so nothing here calls DeleteFlowLogs.
func (a *account) neverDelete(ctx context.Context) finding {
	if who, err := a.subjects[0].identity(); err == nil && strings.HasSuffix(who.arn, ":root") {
		return finding{Fail, "the root user may delete flow logs, unless a service control policy denies it: whoever takes these credentials can delete them all", leaveRoot}
	}
	who, err := a.self()
	if err != nil || who == "" {
		return finding{Unknown, "can't tell, because these credentials are neither a user's nor a role's", a.dryRun()}
	}
	d, err := mayDelete(ctx, a.iam, who, nil, a.flowLogs())
	if err == nil {
		return judgeDelete(who, d)
	}
	f := unanswered(err)
	f.fix = strings.TrimPrefix(f.fix+", or "+a.dryRun(), ", or ")
	return f
}

// judgeDelete takes an explicit denial for unconditional, as in deploy/iam-policy.json.
func judgeDelete(who string, d decision) finding {
	switch {
	case d.allowed > 0:
		return finding{Fail, who + " may delete flow logs" + by(d.statements) + ": whoever takes these credentials can delete them all", denyTo(who)}
	case d.closed():
		return fine("denied to %s by a service control policy, as far as the simulator knows the values of its conditions", who)
	case d.explicit > 0 && d.implicit == 0:
		return fine("denied to %s explicitly", who)
	case d.doubt() != "":
		return finding{Unknown, "can't tell whether " + who + " may: " + d.doubt(), denyTo(who)}
	}
	return fine("not allowed to %s", who)
}

func (a *account) dryRun() string {
	return "try it as the daemon (its alerts and your SIEM will report an attempt): aws ec2 delete-flow-logs --dry-run --flow-log-ids fl-00000000000000000 --region " +
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

// String returns where the statement is.
func (s Statement) String() string {
	text := s.Policy
	if s.Line > 0 {
		text += fmt.Sprintf(" line %d", s.Line)
	}
	return text
}

// denyTo returns the command that denies ec2:DeleteFlowLogs to a user or role.
func denyTo(arn string) string {
	kind, _, _ := strings.Cut(partsOf(arn).Resource, "/")
	return fmt.Sprintf(`aws iam put-%[1]s-policy --%[1]s-name %[2]s --policy-name never-delete-flow-logs --policy-document '{"Version":"2012-10-17","Statement":[{"Sid":"NeverDelete","Effect":"Deny","Action":"ec2:DeleteFlowLogs","Resource":"*"}]}'`,
		kind, arn[strings.LastIndex(arn, "/")+1:])
}
