package doctor

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/internal/queuepolicy"
)

// sourcesOf returns those of the scopes' rules that send to the queue itself; any other sends to
// a topic, or to a bus.
func (q *queue) sourcesOf(all []*subject) queuepolicy.Sources {
	who, _ := q.own() // the check is skipped without
	known := queuepolicy.Sources{All: true, Ours: []string{q.Account}, Self: who.account}
	var rules []rule
	for _, s := range all {
		known.Ours = append(known.Ours, s.scope.Account)
		some, err := s.rules()
		known.All = known.All && err == nil // event-rule reports the error
		for _, r := range some {
			rules = append(rules, r)
			if r.next != nil {
				known.All = known.All && r.next.err == nil
				rules = append(rules, r.next.rules...)
			}
		}
	}
	for _, r := range rules {
		switch {
		case !r.enabled, aws.ToString(r.target.Arn) != q.arn():
		case aws.ToString(r.target.RoleArn) != "":
			known.ByRole = append(known.ByRole, r.arn)
		default:
			known.Rules = append(known.Rules, r.arn)
		}
	}
	slices.Sort(known.Rules)
	known.Rules = slices.Compact(known.Rules)
	return known
}

// policy judges who may send to the queue, and who may receive from it.
func (q answered) policy(context.Context) finding {
	text, arn, known := q.attribute("Policy"), q.arn(), q.sources()
	v := queuepolicy.Judge(text, arn, known)
	f := finding{Status(v.Status), v.Text, v.Fix}
	if f.status == Fail || f.status == Warn {
		f.fix = "let nobody but the rule that brings the events send, as deploy/queue-policy.json does, and nobody from outside receive or change anything; keep what else the policy says"
		if better, ok := queuepolicy.Better(text, arn, known); ok {
			f.fix = q.setAttribute("Policy", better)
		}
	}
	return f
}
