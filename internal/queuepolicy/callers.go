package queuepolicy

import (
	"maps"
	"path"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// caller is a user or role that sends or receives, over TLS: our own, or the role as which a rule sends. The zero value
// is any stranger.
type caller struct {
	arn, account string
	noPath       bool // whether arn lacks the role's path
}

// roleOf is a rule's role.
func roleOf(arn string) caller { return caller{arn: arn, account: inventory.ParseARN(arn).AccountID} }

// answer says whether a Deny applies to a caller.
type answer int

const (
	no answer = iota
	maybe
	yes
)

// form says to which users and roles among its principals a Deny applies, if they call over TLS.
type form int

const (
	unread  form = iota // a person has to read it
	forNone             // it applies only to requests without TLS, or to requests of services
	forAll
	forSome   // those whom a condition names
	forOthers // those whom a condition does not name
)

// form returns the form of a Deny, and the condition on aws:PrincipalArn or aws:PrincipalAccount of forSome and forOthers.
func (s statement) form() (f form, named condition) {
	f = forAll
	for _, c := range s.conditions() {
		byPrincipal := c.compares() && (c.key == principalArn || c.key == principalAccount)
		bySource := c.compares() && (c.key == sourceArn || c.key == sourceAccount) // only services have these
		switch {
		case withoutTLS(c), bySource && !c.negated:
			return forNone, condition{}
		case bySource, c.isBool(byService, "false"): // the condition holds for all users and roles
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

// appliesTo judges whether a Deny applies to a caller.
func (s statement) appliesTo(who caller) answer {
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
		otherName := of.Service == "iam" && path.Base(of.Resource) != path.Base(inventory.ParseARN(who.arn).Resource)
		switch {
		case principal == "*", principal == who.arn, principal == who.account, of.Resource == "root" && of.AccountID == who.account:
			return yes
		case of.AccountID != "" && of.AccountID == who.account && !otherName: // a session of the caller, or the caller with its path
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

// denying returns, of the Deny statements that about selects, those that apply to a caller (denied), and those that may
// apply to it (unread).
func (p policy) denying(who caller, about func(statement) bool) (denied, unread []string) {
	for _, s := range p.statements {
		if s.Effect != "Deny" || !about(s) {
			continue
		}
		switch s.appliesTo(who) {
		case yes:
			denied = append(denied, s.where)
		case maybe:
			unread = append(unread, s.where)
		}
	}
	return denied, unread
}

// judgeOwn judges whether the policy denies us to receive, or to delete what we have received. A Deny that is also
// about sqs:GetQueueAttributes does not apply to us, because AWS has answered our call with the policy.
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

// roleSender is a rule that sends as a role. asked is false if EventBridge could not be asked for the rule, so that it
// may not exist.
type roleSender struct {
	rule, role string
	asked      bool
}

// roleSenders returns the rules that send as a role. If not all scopes could be asked for their rules, it adds a rule
// for each of our accounts that may send as an organisation's role.
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

// judgeRoles judges whether the rules that send as a role may do so. The principal of their requests is the role, and
// the requests have no aws:SourceArn.
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

// isRole reports whether the sender is this role. An account as the sender does not count: its IAM policies decide
// which of its roles may send.
func (x sender) isRole(role string) bool {
	return x.who == role || x.source == anySource || x.organization != "" && globARN(x.who, role)
}
