package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert"
)

// Only AWS can evaluate policies. Doctor judges a few exact forms of statements: those that
// deploy/, docs/setup.md and AWS's console make, and the simple ones that open the queue to
// everybody or close it. Of any other that may matter it says "can't tell", and which
// statement to read.

// sources are the known rules that send to the queue itself.
type sources struct {
	rules  []string // ARNs of those that the policy must let send
	byRole []string // ARNs of those that send as a role of theirs
	all    bool     // whether every scope could be asked for its rules
	ours   []string // the accounts that are watched, and the queue's
	self   string   // the account of our own credentials, which receive
}

// sourcesOf returns the sources among the rules of the watched scopes and of the queue's own.
func (q *queue) sourcesOf(all []*subject) sources {
	arn := q.arn()
	who, _ := q.own() // the check is skipped without
	s := sources{all: true, ours: []string{q.Account}, self: who.account}
	for _, x := range all {
		s.ours = append(s.ours, x.scope.Account)
		rules, err := x.rules()
		s.all = s.all && err == nil // event-rule reports the error
		for _, rule := range rules {
			s.add(rule, arn)
			if rule.next == nil {
				continue
			}
			s.all = s.all && rule.next.err == nil
			for _, then := range rule.next.rules {
				s.add(then, arn)
			}
		}
	}
	slices.Sort(s.rules)
	s.rules = slices.Compact(s.rules)
	return s
}

// add one rule, if it sends to the queue itself.
func (s *sources) add(r rule, queueARN string) {
	switch {
	case !r.enabled, aws.ToString(r.target.Arn) != queueARN: // it sends to a topic, or to a bus
	case aws.ToString(r.target.RoleArn) != "":
		s.byRole = append(s.byRole, r.arn)
	default:
		s.rules = append(s.rules, r.arn)
	}
}

// receivers are the accounts whose principals may receive: the queue's, and ours.
func (s sources) receivers(queueARN string) []string {
	return []string{partsOf(queueARN).AccountID, s.self}
}

func (q answered) policy(context.Context) finding {
	text, arn, known := q.attribute("Policy"), q.arn(), q.sources()
	f := judgePolicy(text, arn, known)
	if f.status == Fail || f.status == Warn {
		f.fix = "let nobody but the rule that brings the events send, as deploy/queue-policy.json does, and nobody from outside receive or change anything; keep what else the policy says"
		if better, ok := betterPolicy(text, arn, known); ok {
			f.fix = q.setAttribute("Policy", better)
		}
	}
	return f
}

// judgePolicy judges a queue's policy. It must allow the rules or topics to send that bring
// events, and nobody else, because messages are not authenticated. And nobody outside may
// receive, because Flowkeeper does not receive what others do.
func judgePolicy(text, queueARN string, known sources) finding {
	if text == "" {
		return finding{Fail, "the queue has no policy, so that no rule can send to it", ""}
	}
	p, err := readPolicy(text)
	if err != nil {
		return finding{Unknown, "can't tell: the policy can't be read: " + err.Error(), ""}
	}
	f, taken := p.judgeSenders(queueARN, known), p.judgeReceivers(queueARN, known.receivers(queueARN))
	switch {
	case rank(taken.status) > rank(f.status):
		return taken
	case taken.status == Fail:
		f.detail += "; " + taken.detail
	}
	return f
}

// readStatements names the statements that a person has to read.
func readStatements(statements []string, why string) finding {
	slices.Sort(statements)
	return finding{Unknown, "can't tell: read " + alert.Clean(strings.Join(slices.Compact(statements), " and "), 200) + " of the queue's policy: " + why,
		"compare it with deploy/queue-policy.json, all statements of which are judged"}
}
