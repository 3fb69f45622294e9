package queuepolicy

import (
	"maps"
	"slices"
	"strings"

	"flowkeeper/alert"
)

// judgeRoles judges whether the rules that send as a role of theirs may do so. Such a request has that role as its
// principal, and no aws:SourceArn. all are those whom the policy lets send; certain is whether these are all there are.
func (p policy) judgeRoles(queueARN string, all []sender, certain bool, known Sources) Verdict {
	v := Verdict{Status: OK}
	for _, rule := range slices.Sorted(maps.Keys(known.ByRole)) {
		role := known.ByRole[rule]
		denied, unread, allowed := p.ofRole(queueARN, role)
		bySource := slices.ContainsFunc(all, func(x sender) bool { return x.covers(rule) })
		switch {
		case len(denied) > 0 && certain && !bySource:
			return Verdict{Fail, "by the policy " + rule + " may not send: it does so as " + role + ", to which " + alert.Clean(strings.Join(denied, " and "), 300) + " denies it",
				"let that Deny spare the role, as the stack of deploy/cloudformation/flowkeeper.yaml does with DirectToQueue"}
		case v.Status != OK:
		case len(denied)+len(unread) > 0:
			v = denies(slices.Concat(denied, unread), rule, role)
		case !allowed:
			v = Verdict{Unknown, "can't tell whether " + rule + " may send: it does so as a role, by that role's policy", ""}
		}
	}
	if known.All {
		return v
	}
	for _, x := range all { // rules that could not be asked for may send as these
		for _, account := range known.Ours {
			role, is := x.roleIn(account)
			if denied, unread, _ := p.ofRole(queueARN, role); is && v.Status == OK && len(denied)+len(unread) > 0 {
				v = denies(slices.Concat(denied, unread), "a rule of account "+account, role)
			}
		}
	}
	return v
}

// denies is the verdict if statements may keep a rule from sending as its role.
func denies(statements []string, rule, role string) Verdict {
	return readStatements(statements, "does this Deny keep "+rule+" from sending, which does so as "+role+"?")
}

// roleIn returns the role of an account that is allowed to send as one of many of that name.
func (x sender) roleIn(account string) (role string, is bool) {
	of := partsOf(x.who)
	if x.source != "" || of.Service != "iam" || !wild(of.AccountID) || wild(of.Resource) || !glob(of.AccountID, account) {
		return "", false
	}
	of.AccountID = account
	return of.String(), true
}

// ofRole returns the Deny statements by which the role may not send, those that only a person can read, and
// whether an Allow statement is for the role.
func (p policy) ofRole(queueARN, role string) (denied, unread []string, allowed bool) {
	for _, s := range p.statements {
		if !s.about(sendMessage, queueARN) {
			continue
		}
		surely, perhaps := s.isFor(role)
		switch {
		case s.Effect == "Allow":
			allowed = allowed || s.allowsRole(role)
		case surely:
			denied = append(denied, s.where)
		case perhaps:
			unread = append(unread, s.where)
		}
	}
	return denied, unread, allowed
}

// allowsRole reports whether an Allow statement is for the role, by its name. An account that it names lets its own
// policies decide.
func (s statement) allowsRole(role string) bool {
	if who, _, ok := s.roles(); ok {
		is, clear := who.has(role)
		return is && clear
	}
	who := s.Principal["AWS"]
	return s.plain() && len(s.Condition) == 0 && (slices.Contains(who, "*") || slices.Contains(who, role))
}

// isFor judges whether a statement is for what a role does: surely, or perhaps.
func (s statement) isFor(role string) (surely, perhaps bool) {
	surely, perhaps = s.names(role)
	surely = surely && s.plain()
	for _, c := range s.conditions() {
		is, may := c.holdsFor(role)
		surely, perhaps = surely && is, perhaps && may
	}
	return surely, perhaps
}

// names judges whether the role is one of the statement's principals.
func (s statement) names(role string) (surely, perhaps bool) {
	account := partsOf(role).AccountID
	for _, who := range s.Principal["AWS"] {
		of := partsOf(who)
		switch {
		case who == "*", who == role, who == account, of.AccountID == account && of.Resource == "root":
			return true, true
		case wild(who), of.Service == "sts" && of.AccountID == account: // perhaps its session
			perhaps = true
		}
	}
	return false, perhaps || !s.plainPrincipals()
}

// holdsFor judges whether a condition holds for a request of a role, made over TLS.
func (c condition) holdsFor(role string) (surely, perhaps bool) {
	positive := strings.Replace(c.operator, "Not", "", 1)
	switch {
	case c.isFalse(secureTransport):
		return false, false
	case c.isFalse(byService):
		return true, true
	case !compares(positive):
		return false, true
	case c.key == sourceArn, c.key == sourceAccount: // only services have these
		return positive != c.operator, positive != c.operator
	case c.key != principalArn:
		return false, true
	}
	is, clear := condition{positive, c.key, c.values}.has(role)
	holds := is != (positive != c.operator)
	return holds && clear, holds || !clear
}
