package queuepolicy

import (
	"cmp"
	"slices"
	"strings"

	"flowkeeper/alert"
)

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
	missing := missingSender(all, who, known)
	byRole := p.judgeRoles(queueARN, all, len(unread) == 0, known)
	switch {
	case d.all != "":
		return Verdict{Fail, "the policy lets nobody send: " + d.all + " denies it to everybody", ""}
	case byRole.Status == Fail:
		return byRole
	case len(d.unread) > 0:
		return readStatements(d.unread, "does this Deny keep the rule from sending? Without it "+cmp.Or(who, "nobody")+" may")
	case len(unread) == 0 && missing != "" && len(d.read) > 0:
		return Verdict{Fail, missing + " (denied by " + alert.Clean(strings.Join(d.read, ", "), 300) + ")", ""}
	case len(unread) == 0 && missing != "":
		return Verdict{Fail, missing, ""}
	case status == Fail:
		return Verdict{Fail, "by the policy these may send: " + who, ""}
	case len(unread) > 0 && (missing != "" || d.only == nil):
		return readStatements(unread, "does it let the rule send, and nobody else?")
	case status == Warn:
		return Verdict{Warn, "by the policy these may send: " + who, ""}
	}
	if byRole.Status != OK {
		return byRole
	}
	return Verdict{OK, "only " + who + " may send", ""}
}

// missingSender says which rule was found and may not send, or that no rule may; empty: none is
// missing.
func missingSender(all []sender, who string, known Sources) string {
	if len(all) == 0 {
		return "the policy lets nobody send"
	}
	for _, rule := range known.Rules {
		if !slices.ContainsFunc(all, func(s sender) bool { return s.covers(rule) }) {
			return "by the policy only " + who + " may send, and not " + rule + ", which leads here"
		}
	}
	if len(known.ByRole) > 0 || slices.ContainsFunc(all, func(s sender) bool { return s.source != "" }) {
		return ""
	}
	return "by the policy no rule and no topic may send, but " + who
}

// denials is what the Deny statements about sending say.
type denials struct {
	all    string   // the statement that denies it to everybody; empty: none
	names  []string // principals to whom it is denied
	only   []string // each aws:SourceArn that is left; nil: they are not limited
	exempt []string // each aws:PrincipalArn that is left
	read   []string // statements that leave less than all
	unread []string // statements whose form is not judged
}

func (p policy) denials(queueARN string) (d denials) {
	for _, s := range p.statements {
		if s.Effect != "Deny" || !s.about(sendMessage, queueARN) || s.sparesServices() {
			continue
		}
		sources, exempt, limits := s.spares()
		names, always := slices.Concat(s.Principal["AWS"], s.Principal["Service"]), len(s.Condition) == 0
		switch {
		case !s.plain():
			d.unread = append(d.unread, s.where)
		case s.everybody() && always:
			d.all = s.where
		case s.everybody() && limits && d.only == nil:
			d.read, d.only, d.exempt = append(d.read, s.where), sources, exempt
		case !s.everybody() && always && !anyWild(names) && !slices.ContainsFunc(s.Principal["Service"], regional):
			d.read, d.names = append(d.read, s.where), append(d.names, names...)
		case !s.everybody() && len(s.Principal["Service"]) == 0: // judgeRoles judges it: other rules send as no user or role
		default:
			d.unread = append(d.unread, s.where)
		}
	}
	return d
}

// sender is a principal that a policy allows to send.
type sender struct {
	status Status // of letting it
	text   string
	who    string // the principal of the statement, or the pattern of roles that it is limited to
	source string // pattern of the aws:SourceArn that it sends with; empty: a user or role, which has none

	byParts bool   // whether source is compared part by part, as an ARN
	account string // the only account of which it may be; empty: any
}

// covers reports whether the rule or topic sends as this sender.
func (x sender) covers(arn string) bool {
	of := partsOf(arn)
	name, isService := serviceOf(x.who)
	ofAnother := x.account != "" && of.AccountID != "" && of.AccountID != x.account // buckets have no account in their ARN
	switch {
	case ofAnother, isService && of.Service != name:
		return false
	case x.byParts:
		return globARN(x.source, arn)
	}
	return glob(x.source, arn)
}

// serviceOf returns the name of an AWS service by its principal. SNS has one for each Region that has to be enabled,
// which sends to and from there. is is false if who is no service.
func serviceOf(who string) (name string, is bool) {
	name, is = strings.CutSuffix(who, ".amazonaws.com")
	name, _, _ = strings.Cut(name, ".")
	return name, is
}

// regional reports whether it is a service's principal for a Region.
func regional(who string) bool {
	name, is := serviceOf(who)
	return is && who != name+".amazonaws.com"
}

// senders returns whom the policy allows to send to the queue, and the statements that are not
// judged and may allow others. ours are the accounts whose rules and topics may send.
func (p policy) senders(queueARN string, ours []string, d denials) (out []sender, unread []string) {
	var limited []sender // roles of an organisation
	for _, s := range p.statements {
		if s.Effect != "Allow" || !s.about(sendMessage, queueARN) {
			continue
		}
		if roles, organization, ok := s.roles(); ok {
			for _, role := range roles.values {
				limited = append(limited, ofOrganization(role, organization))
			}
			continue
		}
		allowed, ok := s.senders(partsOf(queueARN).AccountID, ours)
		if !ok {
			unread = append(unread, s.where)
		}
		out = append(out, allowed...)
	}
	if d.only == nil {
		out = append(out, limited...)
	} else {
		allowed := out
		out = nil
		for _, arn := range d.only {
			if slices.ContainsFunc(allowed, func(x sender) bool { return x.covers(arn) }) {
				out = append(out, bySource("*", arn, ours))
			}
		}
	}
	for _, who := range d.exempt {
		if n := slices.IndexFunc(limited, func(x sender) bool { return x.who == who }); n >= 0 {
			out = append(out, limited[n])
			continue
		}
		x := named(who, ours)
		if x.status == Warn && !wild(who) && slices.Contains(ours, partsOf(who).AccountID) {
			x.status, x.text = OK, who // as deploy/ has it with ReplayRoleArn
		}
		out = append(out, x)
	}
	return slices.DeleteFunc(out, func(x sender) bool {
		return slices.Contains(d.names, x.who) || slices.Contains(d.names, partsOf(x.source).Service+".amazonaws.com")
	}), unread
}

// senders returns whom an Allow statement allows to send. ok is false if its form is not judged, and it
// may allow others, or none.
func (s statement) senders(own string, ours []string) (out []sender, ok bool) {
	source, accounts, ok := s.limits()
	if !ok || !s.plain() {
		return nil, false
	}
	for _, who := range s.Principal["Service"] {
		if name, _ := serviceOf(who); name != "sns" && regional(who) {
			return nil, false
		}
		out = append(out, service(who, source, accounts, ours)...)
	}
	for _, who := range s.Principal["AWS"] {
		switch {
		case who == "*" && len(source.values) > 0:
			out = append(out, service(who, source, accounts, ours)...)
		case len(source.values)+len(accounts) > 0:
			return nil, false // users and roles send with no such key
		default:
			out = append(out, named(who, []string{own}))
		}
	}
	isOurs := func(account string) bool { return slices.Contains(ours, account) }
	noARN := func(pattern string) bool { return !isARN(pattern) } // whether AWS matches it to any is not documented
	ok = !source.byParts() || !slices.ContainsFunc(source.values, noARN) || len(accounts) > 0 && !slices.ContainsFunc(accounts, isOurs)
	return out, ok
}

// service judges an AWS service that may send, or any (*): for some rules or topics, for all of
// some accounts, or for everybody.
func service(who string, source condition, accounts, ours []string) (out []sender) {
	name, _ := serviceOf(who)
	switch {
	case len(source.values)+len(accounts) == 0:
		return []sender{{status: Fail, text: who + " for any rule or topic of any account (there is no aws:SourceArn in its condition)", who: who, source: "arn:*:" + name + ":*"}}
	case len(source.values) == 0:
		for _, account := range accounts {
			out = append(out, sender{status: Warn, text: who + " for anything of account " + account + ", not just for one rule or topic", who: who, source: "arn:*:" + name + ":*", account: account})
		}
	}
	for _, arn := range source.values {
		of, x := partsOf(arn), bySource(who, arn, ours)
		x.byParts = source.byParts()
		itsOwn := who == "*" || of.Service == "" || wild(of.Service) || of.Service == name
		switch {
		case !itsOwn:
		case len(accounts) > 0 && x.status == Fail:
			for _, account := range accounts {
				if of.AccountID == "" || glob(of.AccountID, account) {
					x.status, x.text, x.account = Warn, "whatever matches "+arn+", of account "+account, account
					out = append(out, x)
				}
			}
		case len(accounts) == 0 || of.AccountID == "" || slices.ContainsFunc(accounts, func(a string) bool { return glob(of.AccountID, a) }):
			out = append(out, x)
		}
	}
	return out
}

const theWorld = "everybody in the world (its principal is *, and no condition holds anybody back)"

// bySource judges an aws:SourceArn that is allowed to send.
func bySource(who, arn string, ours []string) sender {
	of := partsOf(arn)
	switch {
	case of.Resource == "", wild(of.Service + of.AccountID), of.AccountID == "" && wild(of.Resource):
		return sender{status: Fail, text: "whatever matches " + arn + " (by " + who + "), of any account", who: who, source: arn}
	case wild(arn):
		return sender{status: Warn, text: "whatever matches " + arn + ", more than one rule or topic", who: who, source: arn}
	case of.AccountID != "" && !slices.Contains(ours, of.AccountID):
		return sender{status: Warn, text: arn + ", of account " + of.AccountID + ", whose flow logs are not kept here", who: who, source: arn}
	}
	return sender{status: OK, text: arn, who: who, source: arn}
}

// ofOrganization judges roles that are allowed to send, of any account of an organisation.
func ofOrganization(role, organization string) sender {
	if name := partsOf(role).Resource; partsOf(role).Service != "iam" || !strings.HasPrefix(name, "role/") || wild(name) {
		return sender{status: Warn, text: "whoever matches " + role + ", in any account of " + organization, who: role}
	}
	return sender{status: OK, text: role + " of " + organization, who: role} // as deploy/ has it with DirectToQueue
}

// named judges a user, role or account that is allowed to send, or everybody.
func named(who string, ours []string) sender {
	account, whole := partsOf(who).AccountID, strings.HasSuffix(who, ":root")
	if !strings.Contains(who, ":") {
		account, whole = who, true
	}
	switch {
	case who == "*":
		return sender{status: Fail, text: theWorld, who: who, source: "*"}
	case whole && slices.Contains(ours, account):
		return sender{status: Warn, text: "every principal of account " + account + " whom IAM lets", who: who}
	case whole:
		return sender{status: Fail, text: "the account " + account, who: who}
	case wild(account):
		return sender{status: Fail, text: "whoever matches " + who + ", of any account", who: who}
	}
	return sender{status: Warn, text: who, who: who}
}
