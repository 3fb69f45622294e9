package queuepolicy

import (
	"cmp"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Status of a policy. The doctor's checks have the same, and some more.
type Status string

const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Unknown Status = "unknown" // a person has to read it
)

// Worse reports whether s is worse than t, from OK by Unknown and Warn to Fail. Any other status is better than these.
func (s Status) Worse(t Status) bool {
	order := []Status{OK, Unknown, Warn, Fail}
	return slices.Index(order, s) > slices.Index(order, t)
}

// Verdict about a policy.
type Verdict struct {
	Status    Status
	Text, Fix string // Fix is empty where Better may have one
}

// Sources are what is known of those who use the queue.
type Sources struct {
	Rules    []string          // ARNs of the rules that the policy must let send
	ByRole   map[string]string // the role's ARN by the rule's ARN, for rules that send as a role
	All      bool              // whether every scope could be asked for its rules
	Ours     []string          // the accounts that are watched, and the queue's
	LogFiles []string          // the accounts of buckets with log files: their buckets and topics may announce these
	Self     string            // the account of our own credentials, which receive
	Us       string            // their user, or their role without its path
}

// Judge judges a queue's policy. The policy must allow exactly those rules or topics to send that
// bring events, because messages are not authenticated. No principal outside our own accounts
// may receive, because Flowkeeper does not get a message that another principal receives. And the
// policy must not deny us to receive.
func Judge(text, queueARN string, known Sources) Verdict {
	if text == "" {
		return Verdict{Fail, "the queue has no policy, so that no rule can send to it", ""}
	}
	p, err := readPolicy(text)
	if err != nil {
		return Verdict{Unknown, "can't tell: the policy can't be read: " + err.Error(), ""}
	}
	v := p.judgeSenders(queueARN, known)
	for _, x := range []Verdict{p.judgeReceivers(queueARN, []string{inventory.ParseARN(queueARN).AccountID, known.Self}), p.judgeOwn(queueARN, known)} {
		switch {
		case x.Status.Worse(v.Status):
			v = x
		case x.Status == Fail:
			v.Text += "; " + x.Text
		}
	}
	return v
}

// judgeSenders judges who may send.
func (p policy) judgeSenders(queueARN string, known Sources) Verdict {
	d := p.sending(queueARN, owners{known.Ours, known.LogFiles})
	status, texts, separator, fix := OK, []string{}, ", ", ""
	for _, s := range d.all {
		if s.status.Worse(status) {
			status, texts, separator, fix = s.status, nil, "; ", s.fix
		}
		if s.status == status && !slices.Contains(texts, s.text) {
			texts = append(texts, s.text)
			if s.fix != fix {
				fix = ""
			}
		}
	}
	who := alert.Clean(strings.Join(texts, separator), 500)
	missing := missingSender(d.all, who, known)
	byRole := p.judgeRoles(queueARN, d, known)
	if missing != "" && len(d.denials) > 0 {
		missing += " (denied by " + alert.Clean(strings.Join(d.denials, ", "), 300) + ")"
	}
	switch {
	case d.denyAll != "":
		return Verdict{Fail, "the policy lets nobody send: " + d.denyAll + " denies it to everybody", ""}
	case byRole.Status == Fail:
		return byRole
	case len(d.unreadDeny) > 0:
		return readStatements(d.unreadDeny, "does this Deny keep the rule from sending? Without it "+cmp.Or(who, "nobody")+" may")
	case len(d.unread) == 0 && missing != "":
		return Verdict{Fail, missing, ""}
	case status == Fail:
		return Verdict{Fail, "by the policy these may send: " + who, ""}
	case len(d.unread) > 0 && (missing != "" || !d.closed()):
		return readStatements(d.unread, "does it let the rule send, and nobody else?")
	case status == Warn:
		return Verdict{Warn, "by the policy these may send: " + who, fix}
	case byRole.Status != OK:
		return byRole
	}
	return Verdict{OK, "only " + who + " may send", ""}
}

// missingSender says which rule leads here and may not send, or that no rule may send; empty: no
// sender is missing.
func missingSender(all []sender, who string, known Sources) string {
	if len(all) == 0 {
		return "the policy lets nobody send"
	}
	for _, rule := range known.Rules {
		if !slices.ContainsFunc(all, func(x sender) bool { return x.covers(rule) }) {
			return "by the policy only " + who + " may send, and not " + rule + ", which leads here"
		}
	}
	if len(known.ByRole) > 0 || slices.ContainsFunc(all, func(x sender) bool { return x.source != "" }) {
		return ""
	}
	return "by the policy no rule and no topic may send, but " + who
}

// readStatements names the statements that a person has to read.
func readStatements(statements []string, why string) Verdict {
	slices.Sort(statements)
	return Verdict{Unknown, "can't tell: read " + alert.Clean(strings.Join(slices.Compact(statements), " and "), 200) + " of the queue's policy: " + why,
		"compare it with deploy/queue-policy.json, all statements of which are judged"}
}
