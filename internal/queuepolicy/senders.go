package queuepolicy

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"flowkeeper/inventory"
)

// sender is a principal that a policy allows to send.
type sender struct {
	status       Status // whether it should be allowed to send
	text, fix    string // fix is empty where Better may have one
	who          string // the principal, or the pattern of roles of an organisation
	source       string // pattern of the aws:SourceArn that it sends with; empty: a user or role, which has none
	account      string // the aws:SourceAccount that it sends with; empty: any
	organization string // to which the roles must belong; empty: any
}

// anySource is the pattern of everybody who sends, with an aws:SourceArn or without.
const anySource = "arn:*:*:*:*:*"

// covers reports whether the rule or topic sends as this sender.
func (x sender) covers(arn string) bool { return globARN(x.source, arn) }

// sending is what a policy says about sending.
type sending struct {
	allowed []sender // by an Allow
	all     []sender // by an Allow, and no Deny denies it
	unread  []string // Allow statements whose form is not judged: they may allow others

	denyAll    string   // the Deny to everybody; empty: none
	only       []string // each aws:SourceArn that a Deny to everybody exempts; nil: there is no such Deny
	exempt     []string // each aws:PrincipalArn that the same Deny exempts
	names      []string // principals to whom a Deny denies it by name
	denials    []string // the statements of only and names
	unreadDeny []string // Deny statements whose form is not judged
}

// sending judges the statements about sending. ours are the accounts whose rules and topics may send.
func (p policy) sending(queueARN string, ours owners) (d sending) {
	for _, s := range p.statements {
		switch {
		case !s.about(sendMessage, queueARN):
		case s.Effect == "Deny":
			d.deny(s)
		case s.Effect == "Allow":
			allowed, ok := s.senders(inventory.ParseARN(queueARN).AccountID, ours)
			if !ok {
				d.unread = append(d.unread, s.where)
			}
			d.allowed = append(d.allowed, allowed...)
		}
	}
	left := slices.Clone(d.allowed)
	if len(d.only) > 0 {
		left = d.spared(ours)
	}
	d.all = slices.DeleteFunc(left, func(x sender) bool {
		return slices.Contains(d.names, x.who) || slices.Contains(d.names, inventory.ParseARN(x.source).Service+".amazonaws.com")
	})
	return d
}

// deny notes a Deny statement. It leaves statements for users and roles alone to judgeRoles.
func (d *sending) deny(s statement) {
	l, ok := s.limits()
	allBut := ok && len(l.sources) > 0 && !anyWild(l.sources) && len(l.accounts)+len(l.organizations) == 0
	everybody, always := s.everybody(), len(s.Condition) == 0
	switch {
	case s.sparesServices():
	case !s.plain():
		d.unreadDeny = append(d.unreadDeny, s.where)
	case everybody && always:
		d.denyAll = s.where
	case everybody && allBut && d.only == nil:
		d.denials, d.only, d.exempt = append(d.denials, s.where), l.sources, l.principals
	case !everybody && always && !slices.ContainsFunc(s.Principal["Service"], regional):
		d.denials, d.names = append(d.denials, s.where), slices.Concat(d.names, s.Principal["AWS"], s.Principal["Service"])
	case everybody, len(s.Principal["Service"]) > 0:
		d.unreadDeny = append(d.unreadDeny, s.where)
	}
}

// closed reports whether a Deny limits the senders, whatever other statements allow: it exempts only sources whose account
// is known.
func (d *sending) closed() bool {
	return d.only != nil && !slices.ContainsFunc(d.only, func(source string) bool { return inventory.ParseARN(source).AccountID == "" })
}

// spared returns the senders that remain if a Deny to everybody exempts only some sources and principals.
func (d *sending) spared(ours owners) (out []sender) {
	for _, source := range d.only {
		for _, x := range d.allowed {
			if x.covers(source) {
				out = append(out, bySource("*", source, x.account, ours))
			}
		}
	}
	for _, who := range d.exempt {
		x := named(who, ours)
		if n := slices.IndexFunc(d.allowed, func(x sender) bool { return x.who == who && x.organization != "" }); n >= 0 {
			x = d.allowed[n]
		} else if x.status == Warn && !wild(who) && slices.Contains(ours.watched, inventory.ParseARN(who).AccountID) {
			x.status, x.text = OK, who // the templates in deploy/ exempt such a role with ReplayRoleArn
		}
		out = append(out, x)
	}
	return out
}

// senders returns whom an Allow statement allows to send. ok is false if its form is not judged, and it
// may allow others, or none.
func (s statement) senders(own string, ours owners) (out []sender, ok bool) {
	l, ok := s.limits()
	everybody := slices.Equal(s.Principal["AWS"], texts{"*"})
	switch {
	case !ok || !s.plain():
		return nil, false
	case len(l.principals)+len(l.organizations) > 0:
		return s.ofOrganization(l)
	}
	for _, who := range s.Principal["Service"] {
		of, judged := service(who, l, ours)
		out, ok = append(out, of...), ok && judged
	}
	switch {
	case everybody && len(l.sources) > 0:
		of, judged := fromSources("*", l, ours)
		return append(out, of...), ok && judged
	case len(s.Principal["AWS"]) > 0 && len(l.sources)+len(l.accounts) > 0:
		return nil, false // requests of users and roles have no such condition key
	}
	for _, who := range s.Principal["AWS"] {
		out = append(out, named(who, owners{watched: []string{own}}))
	}
	return out, ok
}

// serviceOf returns the name of an AWS service by its principal; empty: the principal is not judged. SNS also has a
// principal for each opt-in Region, for messages to and from that Region.
func serviceOf(who string) string {
	name := strings.TrimSuffix(who, ".amazonaws.com")
	switch {
	case strings.HasPrefix(name, "sns."):
		return "sns"
	case strings.Contains(name, "."):
		return ""
	}
	return name
}

// regional reports whether a principal is a service's for one Region, or is not judged.
func regional(who string) bool { return who != serviceOf(who)+".amazonaws.com" }

// service judges an AWS service that may send: for some rules or topics, for all of
// some accounts, or for everybody.
func service(who string, l limits, ours owners) (out []sender, ok bool) {
	name := serviceOf(who)
	switch {
	case name == "":
		return nil, false
	case len(l.sources) > 0:
		return fromSources(who, l, ours)
	case len(l.accounts) == 0:
		return []sender{{status: Fail, text: who + " for any rule or topic of any account (there is no aws:SourceArn in its condition)", who: who, source: "arn:*:" + name + ":*:*:*"}}, true
	}
	for _, account := range l.accounts {
		text := who + " for anything of account " + account + ", not just for one rule or topic"
		out = append(out, sender{status: Warn, text: text, who: who, source: inAccount("arn:*:"+name+":*:*:*", account), account: account})
	}
	return out, true
}

// withOwnARNs are the services that send only for their own rules, topics and buckets: aws:SourceArn is of the service.
var withOwnARNs = []string{"events", "sns", "s3"}

// fromSources judges a service, or any (*), that may send for some rules or topics, or patterns of them. ok is false if
// a pattern may match ARNs of several services, or matches those of another service than the one that sends, and this
// one is not in withOwnARNs.
func fromSources(who string, l limits, ours owners) (out []sender, ok bool) {
	ok = true
	accounts := l.accounts
	if len(accounts) == 0 {
		accounts = texts{""}
	}
	for _, source := range l.sources {
		of := inventory.ParseARN(source)
		switch {
		case of.Service == "" || wild(of.Service):
			ok = false
			if len(l.accounts) == 0 && ofAnyAccount(source) {
				x := bySource(who, source, "", ours)
				x.source = "" // it is known only that any account may send by it
				out = append(out, x)
			}
			continue
		case who != "*" && of.Service != serviceOf(who):
			ok = ok && slices.Contains(withOwnARNs, serviceOf(who))
			continue
		}
		for _, account := range accounts {
			if of.AccountID == "" || account == "" || glob(of.AccountID, account) {
				out = append(out, bySource(who, source, account, ours))
			}
		}
	}
	return out, ok
}

// twelveDigits may be an account.
var twelveDigits = regexp.MustCompile(`[0-9]{12}`)

// ofAnyAccount reports whether a pattern of ARNs names no account. If it has fewer parts than an ARN, any
// twelve digits in it may be one.
func ofAnyAccount(pattern string) bool {
	if of := inventory.ParseARN(pattern); of.Service != "" {
		return of.AccountID == "" || wild(of.AccountID)
	}
	return !twelveDigits.MatchString(pattern)
}

// inAccount limits a pattern of ARNs to an account. ARNs of buckets name no account.
func inAccount(pattern, account string) string {
	of := inventory.ParseARN(pattern)
	if of.AccountID = account; of.Service == "s3" {
		of.AccountID = "*"
	}
	return of.String()
}

// owners are the accounts of sources that may send.
type owners struct{ watched, logFiles []string }

// maySend reports whether a source of this account and service may send.
func (o owners) maySend(account, service string) bool {
	announces := (service == "s3" || service == "sns") && slices.Contains(o.logFiles, account)
	return announces || slices.Contains(o.watched, account)
}

// bySource judges an aws:SourceArn that is allowed to send. account is the aws:SourceAccount; empty: any.
func bySource(who, source, account string, ours owners) sender {
	of, x := inventory.ParseARN(source), sender{status: OK, text: source, who: who, source: source, account: account}
	owner, open := cmp.Or(of.AccountID, account), of.Resource == "" || wild(of.Service+of.AccountID) || of.AccountID == "" && wild(of.Resource)
	switch {
	case open && account != "":
		x.status, x.text, x.source = Warn, "whatever matches "+source+", of account "+account, inAccount(source, account)
	case open:
		x.status, x.text = Fail, "whatever matches "+source+" (by "+who+"), of any account"
	case wild(source):
		x.status, x.text = Warn, "whatever matches "+source+", more than one rule or topic"
	case owner == "": // if the bucket is deleted, another account can create one with the same name, and so the same ARN
		x.status, x.text = Warn, source+", of whatever account: the ARN names none"
		x.fix = "add aws:SourceAccount, with the account of the bucket, to the conditions of the statement that allows " + source
	case !ours.maySend(owner, of.Service):
		x.status, x.text = Warn, source+", of account "+owner+", whose flow logs are not kept here"
	}
	return x
}

// ofOrganization judges roles that are allowed to send, of any account of an organisation.
func (s statement) ofOrganization(l limits) (out []sender, ok bool) {
	everybody := slices.Equal(s.Principal["AWS"], texts{"*"}) && len(s.Principal) == 1
	if !everybody || len(l.principals) == 0 || len(l.organizations) != 1 || len(l.sources)+len(l.accounts) > 0 {
		return nil, false
	}
	organization := l.organizations[0]
	for _, role := range l.principals {
		x := sender{status: OK, text: role + " of " + organization, who: role, organization: organization} // the templates in deploy/ allow it with DirectToQueue
		if of := inventory.ParseARN(role); of.Service != "iam" || !strings.HasPrefix(of.Resource, "role/") || wild(of.Resource) {
			x.status, x.text = Warn, "whoever matches "+role+", in any account of "+organization
		}
		out = append(out, x)
	}
	return out, true
}

// named judges a user, role or account that is allowed to send, or everybody.
func named(who string, ours owners) sender {
	of := inventory.ParseARN(who)
	account, whole := of.AccountID, of.Resource == "root"
	if !strings.Contains(who, ":") {
		account, whole = who, true
	}
	switch {
	case strings.HasPrefix(who, "AROA"), strings.HasPrefix(who, "AIDA"): // IAM replaces the ARN of a deleted role or user by its ID
		return sender{status: Warn, text: "a deleted role or user (" + who + ")", who: who}
	case who == "*":
		return sender{status: Fail, text: "everybody in the world (its principal is *, and no condition holds anybody back)", who: who, source: anySource}
	case whole && slices.Contains(ours.watched, account):
		return sender{status: Warn, text: "every principal of account " + account + " whom IAM lets", who: who}
	case whole:
		return sender{status: Fail, text: "the account " + account, who: who}
	case wild(account):
		return sender{status: Fail, text: "whoever matches " + who + ", of any account", who: who}
	}
	return sender{status: Warn, text: who, who: who}
}
