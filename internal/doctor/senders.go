package doctor

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

func (p policy) judgeSenders(queueARN string, known sources) finding {
	d := p.denials(queueARN)
	all, unread := p.senders(queueARN, known.ours, d)
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
		return finding{Fail, "the policy lets nobody send: " + d.all + " denies it to everybody", ""}
	case len(d.unread) > 0:
		return readStatements(d.unread, "does this Deny keep the rule from sending? Without it "+cmp.Or(who, "nobody")+" may")
	case len(unread) == 0 && len(all) == 0:
		return finding{Fail, "the policy lets nobody send" + d.because(), ""}
	case len(unread) == 0 && missing == anyRule:
		return finding{Fail, "by the policy no rule and no topic may send, but " + who + d.because(), ""}
	case len(unread) == 0 && missing != "":
		return finding{Fail, "by the policy only " + who + " may send, and not " + missing + ", which leads here" + d.because(), ""}
	case status == Fail:
		return finding{Fail, "by the policy these may send: " + who, ""}
	case len(unread) > 0 && missing != "":
		return readStatements(unread, "does it let the rule send, and nobody else?")
	case len(unread) > 0 && d.only == nil:
		return readStatements(unread, "does it let anybody send besides the rule?")
	case status == Warn:
		return finding{Warn, "by the policy these may send: " + who, ""}
	case len(known.byRole) > 0:
		return finding{Unknown, "can't tell whether " + known.byRole[0] + " may send: it does so as a role, by that role's policy", ""}
	}
	return fine("only %s may send", who)
}

const anyRule = "any rule or topic"

// missingSender returns the ARN of a rule that was found and may not send, or anyRule if no
// rule may send; empty: none is missing.
func missingSender(all []sender, d denials, known sources) string {
	for _, rule := range known.rules {
		if slices.Contains(d.sources, rule) || !slices.ContainsFunc(all, func(s sender) bool { return glob(s.source, rule) }) {
			return rule
		}
	}
	if len(known.byRole) > 0 || slices.ContainsFunc(all, func(s sender) bool { return s.source != "" }) {
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

// denials is what the Deny statements about sending say.
type denials struct {
	all     string   // the statement that denies it to everybody; empty: none
	names   []string // principals to whom it is denied
	sources []string // each aws:SourceArn to which it is denied
	only    []string // each aws:SourceArn that is left; nil: they are not limited
	exempt  []string // principals whom that limit is not for
	unread  []string // statements of no shape that is judged
	read    []string // those of a shape that is judged
}

func (p policy) denials(queueARN string) (d denials) {
	for _, s := range p.statements {
		if s.Effect != "Deny" || !s.about(sendMessage, queueARN) || s.exemptsServices() {
			continue
		}
		sources, limit, exempt, ok := s.bans()
		switch {
		case s.plain() && len(s.Principal["Service"]) == 0 && !s.everybody() && len(s.Condition) > 0:
			continue // for users and roles, under a condition: no rule sends as one
		case !ok, !s.plain(), !s.everybody() && len(s.Condition) > 0:
			d.unread = append(d.unread, s.where)
		case !s.everybody():
			d.names = append(d.names, slices.Concat(s.Principal["AWS"], s.Principal["Service"])...)
		case len(s.Condition) == 0:
			d.all = s.where
		case limit && d.only == nil:
			d.only, d.exempt = slices.Clone(sources), exempt
		case limit:
			d.only, d.exempt = both(d.only, sources), both(d.exempt, exempt)
		default:
			d.sources = append(d.sources, sources...)
		}
		d.read = append(d.read, s.where)
	}
	return d
}

// both returns what two lists have in common. It is never nil.
func both(a, b []string) []string {
	return slices.DeleteFunc(append([]string{}, a...), func(x string) bool { return !slices.Contains(b, x) })
}

func (d denials) because() string {
	if len(d.read) == 0 {
		return ""
	}
	return " (denied by " + alert.Clean(strings.Join(d.read, ", "), 300) + ")"
}

// leave returns what the Deny statements leave of a sender.
func (d denials) leave(x sender, ours []string) (out []sender) {
	switch {
	case slices.Contains(d.names, x.who), slices.Contains(d.sources, x.source):
		return nil
	case d.only == nil:
		return []sender{x}
	}
	for _, arn := range d.only {
		if glob(x.source, arn) {
			out = append(out, bySource(x.who, []string{arn}, ours)...)
		}
	}
	return out
}
