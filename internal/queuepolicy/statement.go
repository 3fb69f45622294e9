package queuepolicy

import (
	"path"
	"slices"
	"strings"

	"flowkeeper/inventory"
)

const sendMessage = "sqs:SendMessage"

// Condition keys, as AWS compares them: in lower case.
const (
	sourceArn        = "aws:sourcearn"
	sourceAccount    = "aws:sourceaccount"
	principalArn     = "aws:principalarn"
	principalAccount = "aws:principalaccount"
	principalOrgID   = "aws:principalorgid"
	secureTransport  = "aws:securetransport"
	byService        = "aws:principalisawsservice"
)

// plain reports whether the statement names its principals, actions and resources, without
// exceptions from them and in forms that are judged.
func (s statement) plain() bool {
	return s.plainPrincipals() && s.NotAction == nil && s.NotResource == nil && !slices.ContainsFunc(s.Resource, unclear)
}

// plainPrincipals reports whether the statement is for services, users, roles or accounts.
func (s statement) plainPrincipals() bool {
	for kind := range s.Principal {
		if kind != "AWS" && kind != "Service" {
			return false
		}
	}
	return s.Principal != nil && s.NotPrincipal == nil
}

// unclear reports whether a Resource is neither *, nor an ARN or a pattern with all parts of an ARN.
func unclear(resource string) bool {
	return resource != "*" && inventory.ParseARN(resource).Resource == "" || variable(resource)
}

// about reports whether the statement is about an action on the queue, or may be, because it is not
// plain. Capitals count in the names of queues, but not in the names of actions.
func (s statement) about(action, queueARN string) bool {
	isAction := func(p string) bool { return glob(strings.ToLower(p), strings.ToLower(action)) }
	isQueue := func(p string) bool { return p == "*" || unclear(p) || globARN(p, queueARN) }
	return (s.NotAction != nil || slices.ContainsFunc(s.Action, isAction)) && (s.NotResource != nil || slices.ContainsFunc(s.Resource, isQueue))
}

// everybody reports whether the statement is for all principals.
func (s statement) everybody() bool { return slices.Contains(s.Principal["AWS"], "*") }

// condition says that an operator holds for a key and one of the values; negated: that it holds for none of the
// values.
type condition struct {
	operator string // without its Not
	negated  bool
	key      string // in lower case
	values   texts
}

func (s statement) conditions() (out []condition) {
	for operator, keys := range s.Condition {
		positive := strings.Replace(operator, "Not", "", 1)
		for key, values := range keys {
			out = append(out, condition{positive, positive != operator, strings.ToLower(key), values})
		}
	}
	return out
}

// compares reports whether the condition compares ARNs or texts in a form that is judged.
func (c condition) compares() bool {
	switch c.operator {
	case "StringEquals":
		return len(c.values) > 0 && !anyWild(c.values)
	case "StringLike":
		return len(c.values) > 0 && !slices.ContainsFunc(c.values, variable)
	case "ArnEquals", "ArnLike":
		return len(c.values) > 0 && !slices.ContainsFunc(c.values, variable) && strings.HasSuffix(c.key, "arn")
	}
	return false
}

// isBool reports whether the condition says that a boolean key has this value.
func (c condition) isBool(key, value string) bool {
	return c.key == key && (c.operator == "Bool" || c.operator == "BoolIfExists") && slices.Equal(c.values, texts{value})
}

// withoutTLS reports whether the condition holds only for requests without TLS, which we and AWS's services never make.
func withoutTLS(c condition) bool { return c.isBool(secureTransport, "false") }

// sparesServices reports whether a Deny statement is only for requests that rules and topics
// never make, unless they do so as a role.
func (s statement) sparesServices() bool {
	return slices.ContainsFunc(s.conditions(), func(c condition) bool { return withoutTLS(c) || c.isBool(byService, "false") })
}

// limits are values of condition keys; empty: there is no condition on the key.
type limits struct{ sources, accounts, principals, organizations texts }

// within reports whether limits on the source or its account let a service act only for these accounts.
func (l limits) within(accounts []string) bool {
	named := slices.Clone(l.accounts)
	if len(named) == 0 {
		for _, source := range l.sources {
			named = append(named, inventory.ParseARN(source).AccountID)
		}
	}
	return !slices.ContainsFunc(named, func(a string) bool { return !slices.Contains(accounts, a) })
}

// limits returns the values that an Allow statement is limited to, or that a Deny statement exempts. ok is false if the
// statement has any other condition; that an Allow demands TLS does not count.
func (s statement) limits() (l limits, ok bool) {
	of := map[string]*texts{sourceArn: &l.sources, sourceAccount: &l.accounts, principalArn: &l.principals, principalOrgID: &l.organizations}
	for _, c := range s.conditions() {
		values := of[c.key]
		switch {
		case s.Effect == "Allow" && c.isBool(secureTransport, "true"):
		case values == nil, len(*values) > 0, c.negated != (s.Effect == "Deny"), !c.compares():
			return limits{}, false
		default:
			*values = c.values
		}
	}
	return l, !anyWild(l.accounts) && !anyWild(l.organizations)
}

// globARN matches a pattern as the operators for ARNs do: each part by itself, so that no
// wildcard stands for the colon between two of them.
func globARN(pattern, text string) bool {
	p, t := inventory.ParseARN(pattern), inventory.ParseARN(text)
	return t.Partition != "" && glob(p.Partition, t.Partition) && glob(p.Service, t.Service) &&
		glob(p.Region, t.Region) && glob(p.AccountID, t.AccountID) && glob(p.Resource, t.Resource)
}

// glob matches a pattern of IAM: * is any text, ? any character.
func glob(pattern, text string) bool {
	plain := strings.NewReplacer("/", ":", `\`, `\\`, "[", `\[`) // these characters have a meaning in path.Match
	ok, err := path.Match(plain.Replace(pattern), strings.ReplaceAll(text, "/", ":"))
	return ok && err == nil
}

// wild reports whether s stands for more texts than itself.
func wild(s string) bool { return strings.ContainsAny(s, "*?") || variable(s) }

func anyWild(all []string) bool { return slices.ContainsFunc(all, wild) }

// variable reports whether AWS puts a value of the request into s.
func variable(s string) bool { return strings.Contains(s, "${") }
