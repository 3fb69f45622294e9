package queuepolicy

import (
	"slices"
	"strings"

	"flowkeeper/alert"
)

// losses are the actions that take messages out of a queue, hide or delete them, or keep them
// from arriving.
var losses = []string{"ReceiveMessage", "ChangeMessageVisibility", "DeleteMessage", "PurgeQueue", "DeleteQueue",
	"SetQueueAttributes", "AddPermission", "RemovePermission", "StartMessageMoveTask"}

// losses returns those of the losses that the statement is about.
func (s statement) losses(queueARN string) (out []string) {
	for _, action := range losses {
		if s.about("sqs:"+action, queueARN) {
			out = append(out, action)
		}
	}
	return out
}

// judgeReceivers fails if the policy allows everybody, or a whole account that is not one's own,
// to receive from the queue or to change it. A role or user of another account that the policy names one
// by one is meant. What IAM policies allow within the own accounts is not judged.
func (p policy) judgeReceivers(queueARN string, own []string) Verdict {
	var found, unread []string
	for _, s := range p.statements {
		may := s.losses(queueARN)
		who, ok := s.strangers(own)
		onlyOwn := ok && len(who) == 0
		if s.Effect != "Allow" || len(may) == 0 || onlyOwn {
			continue
		}
		switch denying := p.denying(may, queueARN); {
		case len(denying) > 0:
			unread = append(unread, denying...)
		case !ok:
			unread = append(unread, s.where)
		default:
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

// strangers returns the principals of an Allow outside the own accounts. ok is false if there are
// some, and the statement's form is not judged.
func (s statement) strangers(own []string) (out []string, ok bool) {
	source, accounts, ok := s.limits()
	switch {
	case len(source.values)+len(accounts) > 0:
		return nil, true // who calls for himself has no such key
	case !s.plainPrincipals():
		return nil, false
	}
	for _, who := range s.Principal["AWS"] {
		if x := named(who, own); x.status == Fail {
			out = append(out, x.text)
		}
	}
	return out, len(out) == 0 || ok && s.plain()
}

// denying returns the Deny statements that may keep outsiders from some of the actions.
func (p policy) denying(actions []string, queueARN string) (where []string) {
	for _, s := range p.statements {
		onlySome := s.plain() && !s.everybody()
		if s.Effect != "Deny" || s.ifFalse(secureTransport) || onlySome {
			continue
		}
		if slices.ContainsFunc(s.losses(queueARN), func(action string) bool { return slices.Contains(actions, action) }) {
			where = append(where, s.where)
		}
	}
	return where
}
