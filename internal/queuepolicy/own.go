package queuepolicy

import (
	"path"
	"slices"
	"strings"

	"flowkeeper/alert"
)

// judgeOwn judges whether the policy keeps ourselves from receiving, or from deleting what was received. A Deny
// that is also about sqs:GetQueueAttributes is not for us, because that call has answered with the policy.
func (p policy) judgeOwn(queueARN string, known Sources) Verdict {
	var denied, unread []string
	for _, s := range p.statements {
		receives := s.about("sqs:ReceiveMessage", queueARN) || s.about("sqs:DeleteMessage", queueARN)
		answered := s.NotAction == nil && s.plain() && s.about("sqs:GetQueueAttributes", queueARN)
		if s.Effect != "Deny" || !receives || answered {
			continue
		}
		switch surely, perhaps := s.isForUs(known); {
		case surely:
			denied = append(denied, s.where)
		case perhaps:
			unread = append(unread, s.where)
		}
	}
	switch {
	case len(denied) > 0:
		where := alert.Clean(strings.Join(denied, " and "), 300)
		return Verdict{Fail, where + " of the policy keeps us from receiving, or from deleting what was received", "take that statement out of the policy, or let it spare us"}
	case len(unread) > 0:
		return readStatements(unread, "does this Deny keep us from receiving?")
	}
	return Verdict{Status: OK}
}

// isForUs judges whether a Deny statement is for what we do: surely, or perhaps.
func (s statement) isForUs(known Sources) (surely, perhaps bool) {
	if s.ifFalse(secureTransport) || slices.ContainsFunc(s.conditions(), func(c condition) bool { return c.spares(known) }) {
		return false, false
	}
	for _, who := range s.Principal["AWS"] {
		of := partsOf(who)
		account := who == known.Self || of.AccountID == known.Self && of.Resource == "root"
		another := of.Service == "iam" && known.Us != "" && path.Base(of.Resource) != path.Base(partsOf(known.Us).Resource)
		surely = surely || who == "*" || who == known.Us || account
		perhaps = perhaps || of.AccountID == known.Self && !another || wild(who)
	}
	plain := s.plain()
	return surely && plain && len(s.Condition) == 0, surely || perhaps || !plain
}

// spares reports whether the condition of a Deny surely does not hold for us, because it names us as an exception.
func (c condition) spares(known Sources) bool {
	positive := strings.Replace(c.operator, "Not", "", 1)
	us := map[string]string{principalArn: known.Us, "aws:principalaccount": known.Self}[c.key]
	if us == "" || positive == c.operator || !compares(positive) {
		return false
	}
	is, clear := condition{positive, c.key, c.values}.has(us)
	return is && clear
}
