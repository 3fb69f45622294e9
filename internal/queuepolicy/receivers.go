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

// judgeReceivers fails if the policy allows everybody, or a whole account that is not one of own,
// to receive from the queue or to change it. It accepts roles and users of other accounts that the
// policy names one by one. A service may act for anybody, unless the policy names the account.
// What IAM policies allow within the accounts of own is not judged.
func (p policy) judgeReceivers(queueARN string, own []string) Verdict {
	var found, unread []string
	for _, s := range p.statements {
		may := s.losses(queueARN)
		who, ok := s.strangers(own)
		onlyOwn := ok && len(who) == 0
		if s.Effect != "Allow" || len(may) == 0 || onlyOwn {
			continue
		}
		denied, perhaps := p.denying(caller{}, func(s statement) bool {
			return slices.ContainsFunc(may, func(action string) bool { return s.about("sqs:"+action, queueARN) })
		})
		switch denials := slices.Concat(denied, perhaps); {
		case !ok:
			unread = append(unread, append(denials, s.where)...)
		case len(denials) > 0:
			unread = append(unread, denials...)
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

// losses returns the actions of losses that the statement is about.
func (s statement) losses(queueARN string) (out []string) {
	for _, action := range losses {
		if s.about("sqs:"+action, queueARN) {
			out = append(out, action)
		}
	}
	return out
}

// strangers returns the principals of an Allow outside the accounts of own. ok is false if there are
// strangers, or a service that may act for strangers, and the statement's form is not judged.
func (s statement) strangers(own []string) (out []string, ok bool) {
	l, ok := s.limits()
	services := !s.plainPrincipals() || s.everybody() || len(s.Principal["Service"]) > 0
	switch {
	case len(l.sources)+len(l.accounts) > 0:
		return nil, !services || l.within(own) // users and roles have no such key
	case !s.plainPrincipals():
		return nil, false
	}
	for _, who := range s.Principal["AWS"] {
		if x := named(who, owners{watched: own}); x.status == Fail {
			out = append(out, x.text)
		}
	}
	if len(out) == 0 {
		return nil, !services
	}
	return out, ok && s.plain() && len(l.principals)+len(l.organizations) == 0
}
