package doctor

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"flowkeeper/alert"
)

// losses are the actions by which deletions are lost from a queue: taken, hidden or
// thrown away, or kept from coming.
var losses = []string{"sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:PurgeQueue", "sqs:DeleteQueue",
	"sqs:SetQueueAttributes", "sqs:AddPermission", "sqs:RemovePermission", "sqs:StartMessageMoveTask"}

// judgeTakers: nobody from outside own may take from the queue or change it. Whom
// IAM lets in these accounts is theirs to say.
func (p policy) judgeTakers(queueARN string, own []string) finding {
	var told, maybe, unclear []string
	for _, s := range p.Statement {
		who, _ := s.takers(own)
		if s.Effect != "Allow" || len(who) == 0 {
			continue
		}
		var may, perhaps []string
		for _, action := range losses {
			ended, puzzles := p.barred(action, queueARN)
			switch {
			case !s.about(action, queueARN) || ended:
			case len(puzzles) > 0:
				perhaps, unclear = append(perhaps, strings.TrimPrefix(action, "sqs:")), append(unclear, puzzles...)
			default:
				may = append(may, strings.TrimPrefix(action, "sqs:"))
			}
		}
		if len(may) > 0 {
			told = append(told, strings.Join(who, ", ")+" ("+strings.Join(may, ", ")+")")
		}
		if len(perhaps) > 0 {
			maybe = append(maybe, strings.Join(who, ", ")+" ("+strings.Join(perhaps, ", ")+")")
		}
	}
	slices.Sort(unclear)
	switch {
	case len(told) > 0:
		return finding{Fail, "by the policy these may take deletions out of the queue, or change it: " + alert.Clean(strings.Join(told, "; "), 500), ""}
	case len(maybe) > 0:
		return finding{Unknown, "can't tell: a Deny of the policy is not understood (" + alert.Clean(strings.Join(slices.Compact(unclear), ", "), 200) +
			"); without it these may take deletions out of the queue, or change it: " + alert.Clean(strings.Join(maybe, "; "), 500), ""}
	}
	return finding{status: OK}
}

// takers are the principals of an Allow who are none of the own accounts' and may be
// anybody; all reports that it is for nobody else. A service takes nothing, and who
// calls for himself has no aws:SourceArn.
func (s statement) takers(own []string) (out []string, all bool) {
	if _, held := s.held(sourceArn); held {
		return nil, false
	}
	who := s.whom()
	all = len(who) > 0
	for _, kind := range slices.Sorted(maps.Keys(who)) {
		for _, name := range who[kind] {
			if x := s.principal(name, own...); kind != "Service" && x.status == Fail {
				out = append(out, strings.TrimSuffix(x.text, besideRule))
			} else {
				all = false
			}
		}
	}
	return out, all
}

// robs reports whether the statement lets strangers, and nobody else, take from the
// queue or change it.
func (s statement) robs(queueARN string, own []string) bool {
	_, all := s.takers(own)
	return s.Effect == "Allow" && all && slices.ContainsFunc(losses, func(a string) bool { return s.about(a, queueARN) })
}

// barred reports whether a Deny leaves an action to nobody, and the Denies that are
// not understood and may leave it to nobody from outside.
func (p policy) barred(action, queueARN string) (ended bool, unclear []string) {
	for _, s := range p.Statement {
		switch {
		case s.Effect != "Deny", !s.about(action, queueARN), s.is("aws:SecureTransport", "false"), s.Principal != nil && !s.everybody():
		case s.everybody() && len(s.Condition) == 0:
			ended = true
		default:
			unclear = append(unclear, cmp.Or(s.Sid, "one without a Sid"))
		}
	}
	return ended, unclear
}
