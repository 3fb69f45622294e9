package queuepolicy

import (
	"strings"

	"flowkeeper/alert"
)

// losses are the actions that take messages out of a queue, hide or delete them, or keep them
// from arriving.
var losses = []string{"sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:PurgeQueue", "sqs:DeleteQueue",
	"sqs:SetQueueAttributes", "sqs:AddPermission", "sqs:RemovePermission", "sqs:StartMessageMoveTask"}

// judgeReceivers fails if the policy allows principals outside the own accounts to receive from
// the queue or to change it. What IAM policies allow within these accounts is not judged.
func (p policy) judgeReceivers(queueARN string, own []string) Verdict {
	var found, unread []string
	for _, s := range p.statements {
		who, _, ok := s.strangers(own)
		if s.Effect != "Allow" || ok && len(who) == 0 {
			continue
		}
		var may []string
		for _, action := range losses {
			if !s.about(action, queueARN) {
				continue
			}
			switch denies := p.denying(action, queueARN); {
			case len(denies) > 0:
				unread = append(unread, denies...)
			case !ok:
				unread = append(unread, s.where)
			default:
				may = append(may, strings.TrimPrefix(action, "sqs:"))
			}
		}
		if len(may) > 0 {
			found = append(found, strings.Join(who, ", ")+" ("+strings.Join(may, ", ")+")")
		}
	}
	switch {
	case len(found) > 0:
		return Verdict{Fail, "by the policy these may take deletions out of the queue, or change it: " + alert.Clean(strings.Join(found, "; "), 500), ""}
	case len(unread) > 0:
		return readStatements(unread, "can strangers take deletions out of the queue, or change it?")
	}
	return Verdict{Status: OK}
}

// strangers returns the principals of an Allow outside the own accounts; only reports whether
// it has no others. ok is false if there are some and its conditions may exclude them.
func (s statement) strangers(own []string) (out []string, only, ok bool) {
	arns, accounts, ok := s.limits()
	if len(arns)+len(accounts) > 0 {
		return nil, false, true // who calls for himself has no such key
	}
	if s.NotPrincipal != nil && len(s.Condition) == 0 {
		return []string{theWorld}, true, true
	}
	only = len(s.Principal["Service"]) == 0
	for _, who := range s.Principal["AWS"] {
		switch x := named(who, own); {
		case who == "*":
			out = append(out, theWorld)
		case x.status == Fail:
			out = append(out, strings.TrimSuffix(x.text, besidesRule))
		default:
			only = false
		}
	}
	return out, only && len(out) > 0, s.says() && (ok || len(out) == 0)
}

// denying returns the Deny statements that may keep outsiders from an action.
func (p policy) denying(action, queueARN string) (where []string) {
	for _, s := range p.statements {
		if s.Effect == "Deny" && s.about(action, queueARN) && !s.ifFalse(secureTransport) && (s.everybody() || !s.plain()) {
			where = append(where, s.where)
		}
	}
	return where
}
