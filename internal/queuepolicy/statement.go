package queuepolicy

import (
	"path"
	"slices"
	"strings"
)

const sendMessage = "sqs:SendMessage"

// Condition keys, as AWS compares them: in lower case.
const (
	sourceArn       = "aws:sourcearn"
	sourceAccount   = "aws:sourceaccount"
	principalArn    = "aws:principalarn"
	principalOrgID  = "aws:principalorgid"
	secureTransport = "aws:securetransport"
	byService       = "aws:principalisawsservice"
)

// plain reports whether the statement names its principals, actions and resources, without
// exceptions from them and without variables.
func (s statement) plain() bool {
	return s.plainPrincipals() && s.NotAction == nil && s.NotResource == nil && !slices.ContainsFunc(s.Resource, unclear)
}

// unclear reports a Resource of which only AWS knows what it stands for: one with a variable, or one that
// is shorter than an ARN and has a wildcard within a part. By IAM's manual only a * that ends a part goes
// beyond the next colon.
func unclear(resource string) bool {
	parts := strings.Split(resource, ":")
	return variable(resource) || len(parts) < arnParts && slices.ContainsFunc(parts, func(part string) bool { return wild(strings.TrimSuffix(part, "*")) })
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

// about reports whether the statement is about an action on the queue. One that is not plain
// may be. Capitals count in the names of queues, and not in those of actions.
func (s statement) about(action, queueARN string) bool {
	isAction := func(p string) bool { return variable(p) || glob(strings.ToLower(p), strings.ToLower(action)) }
	isQueue := func(p string) bool { return variable(p) || glob(p, queueARN) }
	return (s.NotAction != nil || slices.ContainsFunc(s.Action, isAction)) && (s.NotResource != nil || slices.ContainsFunc(s.Resource, isQueue))
}

// everybody reports whether the statement is about all principals.
func (s statement) everybody() bool { return slices.Contains(s.Principal["AWS"], "*") }

// condition is that an operator holds for a key, in lower case, and one of some values.
type condition struct {
	operator, key string
	values        texts
}

func (s statement) conditions() (out []condition) {
	for operator, keys := range s.Condition {
		for key, values := range keys {
			out = append(out, condition{operator, strings.ToLower(key), values})
		}
	}
	return out
}

// equals reports whether the condition holds for its values alone.
func (c condition) equals() bool { return c.operator == "StringEquals" && !anyWild(c.values) }

// matches reports whether the condition holds for its values, or for what matches them.
func (c condition) matches() bool {
	return c.equals() || c.operator != "StringEquals" && compares(c.operator)
}

// byParts reports whether the condition compares ARNs, part by part. To operators that compare texts, a colon is a
// character like any other.
func (c condition) byParts() bool { return strings.HasPrefix(c.operator, "Arn") }

// has reports whether the text is one of the condition's values, or matches one. clear is false if
// a value has a form of which AWS's manual does not say what matches it, or if there is none.
func (c condition) has(text string) (is, clear bool) {
	for _, value := range c.values {
		switch {
		case variable(value), c.byParts() && !isARN(value):
			return false, false
		case c.byParts():
			is = is || globARN(value, text)
		case strings.HasSuffix(c.operator, "Like"):
			is = is || glob(value, text)
		default:
			is = is || value == text
		}
	}
	return is, len(c.values) > 0
}

// limits returns the condition on aws:SourceArn and the values of aws:SourceAccount to which an Allow
// statement is limited. ok is false if it has any other condition than one that asks for TLS.
func (s statement) limits() (source condition, accounts []string, ok bool) {
	for _, c := range s.conditions() {
		switch {
		case c.key == sourceArn && source.values == nil && c.matches():
			source = c
		case c.key == sourceAccount && accounts == nil && c.equals():
			accounts = c.values
		case c.key == secureTransport && c.operator == "Bool" && slices.Equal(c.values, texts{"true"}):
		default:
			return condition{}, nil, false
		}
	}
	return source, accounts, true
}

// roles returns the condition on aws:PrincipalArn, with patterns of roles, that an Allow statement is
// limited to, in the accounts of one organisation: as deploy/ has it for rules that send as a role of
// their account. ok is false if it has any other form.
func (s statement) roles() (who condition, organization string, ok bool) {
	if !s.plain() || !slices.Equal(s.Principal["AWS"], texts{"*"}) || len(s.Principal) != 1 {
		return condition{}, "", false
	}
	for _, c := range s.conditions() {
		switch {
		case c.key == principalOrgID && organization == "" && c.equals() && len(c.values) == 1:
			organization = c.values[0]
		case c.key == principalArn && who.values == nil && c.matches():
			who = c
		default:
			return condition{}, "", false
		}
	}
	return who, organization, len(who.values) > 0 && organization != ""
}

// spares returns each aws:SourceArn and aws:PrincipalArn that a Deny statement is not for. ok
// is false if it has any other condition, or patterns, or is for every aws:SourceArn.
func (s statement) spares() (sources, who []string, ok bool) {
	for _, c := range s.conditions() {
		positive := strings.Replace(c.operator, "Not", "", 1)
		switch {
		case len(s.Condition) > 1, positive == c.operator, !compares(positive):
			return nil, nil, false
		case c.key == sourceArn && sources == nil && !anyWild(c.values):
			sources = c.values
		case c.key == principalArn && who == nil && condition{positive, c.key, c.values}.matches():
			who = c.values
		default:
			return nil, nil, false
		}
	}
	return sources, who, len(sources) > 0
}

// sparesServices reports whether a Deny statement is only for requests that rules and topics
// never make, unless they do so as a role.
func (s statement) sparesServices() bool {
	return s.ifFalse(secureTransport) || s.ifFalse(byService)
}

// ifFalse reports whether the statement has a condition that a boolean key is false.
func (s statement) ifFalse(key string) bool {
	return slices.ContainsFunc(s.conditions(), func(c condition) bool { return c.isFalse(key) })
}

// isFalse reports whether the condition is that a boolean key is false.
func (c condition) isFalse(key string) bool {
	return c.key == key && (c.operator == "Bool" || c.operator == "BoolIfExists") && slices.Equal(c.values, texts{"false"})
}

// compares reports an operator that compares ARNs, or texts.
func compares(operator string) bool {
	return slices.Contains([]string{"ArnEquals", "ArnLike", "StringEquals", "StringLike"}, operator)
}

// arnParts is the number of parts of an ARN. Colons in the last one are a part of it.
const arnParts = 6

// isARN reports whether the text has all parts of an ARN, with or without wildcards.
func isARN(text string) bool { return strings.Count(text, ":") >= arnParts-1 }

// globARN matches a pattern as the operators for ARNs do: each of the six parts by itself, so that no
// wildcard stands for the colon between two of them.
func globARN(pattern, text string) bool {
	patterns, parts := strings.SplitN(pattern, ":", arnParts), strings.SplitN(text, ":", arnParts)
	return len(parts) == arnParts && slices.EqualFunc(patterns, parts, glob)
}

// glob matches a pattern of IAM that is compared as a text: * is any text, ? any character.
func glob(pattern, text string) bool {
	plain := strings.NewReplacer("/", ":", `\`, `\\`, "[", `\[`) // to path.Match these are more than characters
	ok, err := path.Match(plain.Replace(pattern), strings.ReplaceAll(text, "/", ":"))
	return ok && err == nil
}

// wild reports whether s stands for more texts than itself.
func wild(s string) bool { return strings.ContainsAny(s, "*?") || variable(s) }

func anyWild(all []string) bool { return slices.ContainsFunc(all, wild) }

// variable reports whether AWS puts a value of the request into s.
func variable(s string) bool { return strings.Contains(s, "${") }
