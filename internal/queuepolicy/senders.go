package queuepolicy

import (
	"cmp"
	"slices"
	"strings"

	"flowkeeper/alert"
)

// sender is a principal that a policy allows to send.
type sender struct {
	status Status // of letting it
	text   string
	who    string // the principal of the statement
	source string // pattern of the aws:SourceArn that it sends with; empty: a user or role, which has none
}

func (p policy) judgeSenders(queueARN string, known Sources) Verdict {
	d := p.denials(queueARN)
	all, unread := p.senders(queueARN, known.Ours, d)
	status, texts, separator := OK, []string{}, ", "
	for _, s := range all {
		if rank(s.status) > rank(status) {
			status, texts, separator = s.status, nil, "; "
		}
		if s.status == status && !slices.Contains(texts, s.text) {
			texts = append(texts, s.text)
		}
	}
	who := alert.Clean(strings.Join(texts, separator), 500)
	missing := missingSender(all, d, known)
	switch {
	case d.all != "":
		return Verdict{Fail, "the policy lets nobody send: " + d.all + " denies it to everybody", ""}
	case len(d.unread) > 0:
		return readStatements(d.unread, "does this Deny keep the rule from sending? Without it "+cmp.Or(who, "nobody")+" may")
	case len(unread) == 0 && len(all) == 0:
		return Verdict{Fail, "the policy lets nobody send" + d.because(), ""}
	case len(unread) == 0 && missing == anyRule:
		return Verdict{Fail, "by the policy no rule and no topic may send, but " + who + d.because(), ""}
	case len(unread) == 0 && missing != "":
		return Verdict{Fail, "by the policy only " + who + " may send, and not " + missing + ", which leads here" + d.because(), ""}
	case status == Fail:
		return Verdict{Fail, "by the policy these may send: " + who, ""}
	case len(unread) > 0 && missing != "":
		return readStatements(unread, "does it let the rule send, and nobody else?")
	case len(unread) > 0 && d.only == nil:
		return readStatements(unread, "does it let anybody send besides the rule?")
	case status == Warn:
		return Verdict{Warn, "by the policy these may send: " + who, ""}
	case len(known.ByRole) > 0:
		return Verdict{Unknown, "can't tell whether " + known.ByRole[0] + " may send: it does so as a role, by that role's policy", ""}
	}
	return Verdict{OK, "only " + who + " may send", ""}
}

const anyRule = "any rule or topic"

// missingSender returns the ARN of a rule that was found and may not send, or anyRule if no
// rule may send; empty: none is missing.
func missingSender(all []sender, d denials, known Sources) string {
	for _, rule := range known.Rules {
		if slices.Contains(d.sources, rule) || !slices.ContainsFunc(all, func(s sender) bool { return glob(s.source, rule) }) {
			return rule
		}
	}
	if len(known.ByRole) > 0 || slices.ContainsFunc(all, func(s sender) bool { return s.source != "" }) {
		return ""
	}
	return anyRule
}

// senders returns whom the policy allows to send to the queue, and the statements that are not
// judged and may allow others. ours are the accounts whose rules and topics may send.
func (p policy) senders(queueARN string, ours []string, d denials) (out []sender, unread []string) {
	for _, s := range p.statements {
		if s.Effect != "Allow" || !s.about(sendMessage, queueARN) {
			continue
		}
		allowed, ok := s.senders(partsOf(queueARN).AccountID, ours)
		if !ok {
			unread = append(unread, s.where)
		}
		for _, x := range allowed {
			out = append(out, d.leave(x, ours)...)
		}
	}
	for _, who := range d.exempt {
		x := named(who, ours)
		if x.status == Warn && !wild(who) && slices.Contains(ours, partsOf(who).AccountID) {
			x.status, x.text = OK, who // as deploy/ has it with ReplayRoleArn
		}
		out = append(out, x)
	}
	return out, unread
}

// senders returns whom an Allow statement allows to send. ok is false if its form is not judged.
func (s statement) senders(own string, ours []string) (out []sender, ok bool) {
	arns, accounts, ok := s.limits()
	if !ok || !s.plain() {
		return nil, false
	}
	for _, who := range s.Principal["Service"] {
		out = append(out, service(who, arns, accounts, ours)...)
	}
	for _, who := range s.Principal["AWS"] {
		switch {
		case who == "*" && len(arns) > 0:
			out = append(out, bySource(who, arns, ours)...)
		case len(arns)+len(accounts) > 0:
			return nil, false // users and roles send with no such key
		case who == "*":
			out = append(out, sender{Fail, theWorld, who, "*"})
		default:
			out = append(out, named(who, []string{own}))
		}
	}
	return out, true
}

// service judges an AWS service that may send: for some rules or topics, for all of some
// accounts, or for everybody.
func service(who string, arns, accounts, ours []string) (out []sender) {
	name := strings.TrimSuffix(who, ".amazonaws.com")
	switch {
	case len(arns) > 0:
		return bySource(who, slices.DeleteFunc(slices.Clone(arns), func(arn string) bool {
			of := partsOf(arn)
			return of.Service != "" && !wild(of.Service) && of.Service != name || of.AccountID != "" && len(accounts) > 0 && !slices.Contains(accounts, of.AccountID)
		}), ours)
	case len(accounts) == 0:
		return []sender{{Fail, who + " for any rule or topic of any account (there is no aws:SourceArn in its condition)", who, "arn:*:" + name + ":*"}}
	}
	for _, account := range accounts {
		out = append(out, sender{Warn, who + " for anything of account " + account + ", not just for one rule or topic", who, "arn:*:" + name + ":*:" + account + ":*"})
	}
	return out
}

const theWorld = "everybody in the world (its principal is *, and no condition holds anybody back)"

// bySource judges each aws:SourceArn that is allowed to send.
func bySource(who string, arns, ours []string) (out []sender) {
	for _, arn := range arns {
		x := sender{OK, arn, who, arn}
		of := partsOf(arn)
		switch {
		case of.Resource == "", wild(of.Service + of.AccountID), of.AccountID == "" && wild(of.Resource):
			x.status, x.text = Fail, "whatever matches "+arn+" (by "+who+"), of any account"
		case wild(arn):
			x.status, x.text = Warn, "whatever matches "+arn+", more than one rule or topic"
		case of.AccountID != "" && !slices.Contains(ours, of.AccountID):
			x.status, x.text = Warn, arn+", of account "+of.AccountID+", whose flow logs are not kept here"
		}
		out = append(out, x)
	}
	return out
}

const besidesRule = ", besides the rule"

// named judges a user, role or account that is allowed to send.
func named(who string, ours []string) sender {
	account, whole := partsOf(who).AccountID, strings.HasSuffix(who, ":root")
	if !strings.Contains(who, ":") {
		account, whole = who, true
	}
	switch {
	case whole && slices.Contains(ours, account):
		return sender{Warn, "every principal of account " + account + " whom IAM lets" + besidesRule, who, ""}
	case whole:
		return sender{Fail, "the account " + account + besidesRule, who, ""}
	case wild(account):
		return sender{Fail, "whoever matches " + who + ", of any account", who, ""}
	}
	return sender{Warn, who + besidesRule, who, ""}
}

// Topics returns the topics that a policy allows to send.
func Topics(text, queueARN string) (out []string) {
	p, err := readPolicy(text)
	if err != nil {
		return nil
	}
	all, _ := p.senders(queueARN, nil, p.denials(queueARN))
	for _, s := range all {
		if partsOf(s.source).Service == "sns" && !wild(s.source) {
			out = append(out, s.source)
		}
	}
	return out
}
