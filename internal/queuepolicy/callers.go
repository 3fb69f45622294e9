package queuepolicy

import (
	"maps"
	"path"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// caller is a user or role that sends or receives, over TLS: we, or the role of a rule that has one. The zero value is
// any stranger.
type caller struct {
	arn, account string
	noPath       bool // whether arn lacks the role's path
}

// roleOf is a rule's role.
func roleOf(arn string) caller { return caller{arn: arn, account: inventory.ParseARN(arn).AccountID} }

// answer says whether a Deny is for a caller.
type answer int

const (
	no answer = iota
	maybe
	yes
)

// form says for which users and roles of its principals a Deny is, if they call over TLS.
type form int

const (
	unread  form = iota // a person has to read it
	forNone             // it needs a request without TLS, or of a service
	forAll
	forSome   // whom a condition names
	forOthers // whom a condition does not name
)

// form returns the form of a Deny, and the condition on aws:PrincipalArn or aws:PrincipalAccount of forSome and forOthers.
func (s statement) form() (f form, named condition) {
	f = forAll
	for _, c := range s.conditions() {
		byPrincipal := c.compares() && (c.key == principalArn || c.key == principalAccount)
		bySource := c.compares() && (c.key == sourceArn || c.key == sourceAccount) // only services have these
		switch {
		case inTheClear(c), bySource && !c.negated:
			return forNone, condition{}
		case bySource, c.isBool(byService, "false"): // holds for all of them
		case f != forAll, !byPrincipal:
			f = unread
		case c.negated:
			f, named = forOthers, c
		default:
			f, named = forSome, c
		}
	}
	if !s.plain() {
		f = unread
	}
	return f, named
}

// isFor judges whether a Deny is for what a caller does.
func (s statement) isFor(who caller) answer {
	principal := s.names(who)
	f, named := s.form()
	switch {
	case principal == no, f == forNone:
		return no
	case f == forAll:
		return principal
	case f == unread, principal == maybe:
		return maybe
	}
	among := who.among(named)
	if f == forOthers {
		return map[answer]answer{no: yes, maybe: maybe, yes: no}[among]
	}
	return among
}

// names judges whether the caller is one of the statement's principals.
func (s statement) names(who caller) (a answer) {
	if !s.plainPrincipals() {
		return maybe
	}
	for _, principal := range s.Principal["AWS"] {
		of := inventory.ParseARN(principal)
		another := of.Service == "iam" && path.Base(of.Resource) != path.Base(inventory.ParseARN(who.arn).Resource)
		switch {
		case principal == "*", principal == who.arn, principal == who.account, of.Resource == "root" && of.AccountID == who.account:
			return yes
		case of.AccountID != "" && of.AccountID == who.account && !another: // its session, or it has a path
			a = maybe
		}
	}
	return a
}

// among judges whether the caller is one of those that a condition on aws:PrincipalArn or aws:PrincipalAccount names.
func (who caller) among(c condition) answer {
	match, value := glob, who.account
	if c.key == principalArn {
		match, value = globARN, who.arn
	}
	// What matches a value that is no ARN is not documented.
	noARN := func(v string) bool { return c.key == principalArn && inventory.ParseARN(v).Resource == "" }
	switch {
	case slices.ContainsFunc(c.values, func(v string) bool { return match(v, value) }):
		return yes
	case who.arn == "", c.key == principalArn && who.noPath, slices.ContainsFunc(c.values, noARN):
		return maybe
	}
	return no
}

// denying returns the Deny statements that keep a caller from what some statements are about, and those that may.
func (p policy) denying(who caller, about func(statement) bool) (denied, unread []string) {
	for _, s := range p.statements {
		if s.Effect != "Deny" || !about(s) {
			continue
		}
		switch s.isFor(who) {
		case yes:
			denied = append(denied, s.where)
		case maybe:
			unread = append(unread, s.where)
		}
	}
	return denied, unread
}

// judgeOwn judges whether the policy keeps ourselves from receiving, or from deleting what was received. A Deny
// that is also about sqs:GetQueueAttributes is not for us, because that call has answered with the policy.
func (p policy) judgeOwn(queueARN string, known Sources) Verdict {
	denied, unread := p.denying(caller{arn: known.Us, account: known.Self, noPath: true}, func(s statement) bool {
		receives := s.about("sqs:ReceiveMessage", queueARN) || s.about("sqs:DeleteMessage", queueARN)
		answered := s.NotAction == nil && s.plain() && s.about("sqs:GetQueueAttributes", queueARN)
		return receives && !answered
	})
	switch {
	case len(denied) > 0:
		where := alert.Clean(strings.Join(denied, " and "), 300)
		return Verdict{Fail, where + " of the policy keeps us from receiving, or from deleting what was received", "take that statement out of the policy, or let it spare us"}
	case len(unread) > 0:
		return readStatements(unread, "does this Deny keep us from receiving?")
	}
	return Verdict{Status: OK}
}

// roleSender is a rule that sends as a role. asked is false if the rule could not be asked for.
type roleSender struct {
	rule, role string
	asked      bool
}

// roleSenders returns the rules that send as a role, and those that could not be asked for and may do so as one of an
// organisation's.
func (d sending) roleSenders(known Sources) (out []roleSender) {
	for _, rule := range slices.Sorted(maps.Keys(known.ByRole)) {
		out = append(out, roleSender{rule, known.ByRole[rule], true})
	}
	for _, x := range d.all {
		for _, account := range known.Ours {
			of := inventory.ParseARN(x.who)
			if !known.All && x.organization != "" && !wild(of.Resource) && glob(of.AccountID, account) {
				of.AccountID = account
				out = append(out, roleSender{"a rule of account " + account, of.String(), false})
			}
		}
	}
	return out
}

// judgeRoles judges whether the rules that send as a role of theirs may do so. Such a request has that role as its
// principal, and no aws:SourceArn.
func (p policy) judgeRoles(queueARN string, d sending, known Sources) Verdict {
	v := Verdict{Status: OK}
	for _, x := range d.roleSenders(known) {
		denied, unread := p.denying(roleOf(x.role), func(s statement) bool { return s.about(sendMessage, queueARN) })
		bySource := slices.ContainsFunc(d.all, func(a sender) bool { return a.covers(x.rule) })
		switch {
		case len(denied) > 0 && len(d.unread) == 0 && x.asked && !bySource:
			return Verdict{Fail, "by the policy " + x.rule + " may not send: it does so as " + x.role + ", to which " + alert.Clean(strings.Join(denied, " and "), 300) + " denies it",
				"let that Deny spare the role, as the stack of deploy/cloudformation/flowkeeper.yaml does with DirectToQueue"}
		case v.Status != OK:
		case len(denied)+len(unread) > 0:
			v = readStatements(slices.Concat(denied, unread), "does this Deny keep "+x.rule+" from sending, which does so as "+x.role+"?")
		case !slices.ContainsFunc(d.allowed, func(a sender) bool { return a.isRole(x.role) }):
			v = Verdict{Unknown, "can't tell whether " + x.rule + " may send: it does so as a role, by that role's policy", ""}
		}
	}
	return v
}

// isRole reports whether the sender is the role, by its name. An account that a policy names lets its own
// policies decide.
func (x sender) isRole(role string) bool {
	return x.who == role || x.source == anySource || x.organization != "" && globARN(x.who, role)
}
