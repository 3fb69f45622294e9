package doctor

import (
	"encoding/json"
	"slices"
	"strings"
)

// policy is a resource's policy document, as IAM writes them.
type policy struct{ Statement list[statement] }

type statement struct {
	Sid, Effect             string
	Principal, NotPrincipal *principals
	Action, NotAction       list[string]
	Resource, NotResource   list[string]
	Condition               map[string]map[string]list[scalar]
}

// list: one thing may stand alone.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	err := json.Unmarshal(b, &one)
	*l = list[T]{one}
	return err
}

// scalar is a text, a number or a boolean of a condition, as text.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	*s = scalar(text)
	return nil
}

// principals by their kind: AWS, Service, Federated, CanonicalUser.
type principals map[string]list[string]

func (p *principals) UnmarshalJSON(b []byte) error {
	if string(b) == `"*"` {
		*p = principals{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]list[string])(p))
}

const sendMessage = "sqs:SendMessage"

// sends reports whether the statement is about sending to the queue.
func (s statement) sends(queueARN string) bool { return s.about(sendMessage, queueARN) }

// about reports whether the statement is about an action on the queue.
func (s statement) about(action, queueARN string) bool {
	matches := func(patterns list[string], value string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return like(strings.ToLower(p), strings.ToLower(value)) })
	}
	acts := matches(s.Action, action)
	if len(s.NotAction) > 0 {
		acts = !matches(s.NotAction, action)
	}
	here := matches(s.Resource, queueARN)
	if len(s.NotResource) > 0 {
		here = !matches(s.NotResource, queueARN)
	}
	return acts && here
}

// like matches a pattern of IAM: * is any text, ? any character. It goes back
// to the last * only, so that no pattern takes long.
func like(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from, p = p, t, p+1
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// operator of a condition, without what it says of several values and of none.
type operator struct {
	negative bool // it holds for other values, and where there is none
	literal  bool // * and ? are themselves
	maybe    bool // it holds, too, where there is no value
}

// reads an operator that compares texts or ARNs. ok is false for others, and for
// what holds of a lone value but for a reason of its own: ForAnyValue of what must
// not be, which needs a value, and ForAllValues of what must be, which needs none.
func reads(name string) (o operator, ok bool) {
	set, rest, several := strings.Cut(name, ":")
	if !several {
		rest = name
	}
	rest, o.maybe = strings.CutSuffix(rest, "IfExists")
	switch rest {
	case "ArnEquals", "ArnLike", "StringLike":
	case "StringEquals", "StringEqualsIgnoreCase":
		o.literal = true
	case "ArnNotEquals", "ArnNotLike", "StringNotLike":
		o.negative = true
	case "StringNotEquals", "StringNotEqualsIgnoreCase":
		o.negative, o.literal = true, true
	default:
		return o, false
	}
	return o, !several || o.negative && set == "ForAllValues" || !o.negative && set == "ForAnyValue"
}

// patterns of an operator's values: a wildcard that is none matches nothing that
// AWS knows by name.
func (o operator) patterns(values list[scalar]) (out []string) {
	for _, v := range values {
		if !o.literal || !wild(string(v)) {
			out = append(out, string(v))
		}
	}
	return out
}

func wild(s string) bool { return strings.ContainsAny(s, "*?") }

// held are the values that one of which a sender must have under a key. ok is
// false where the statement's conditions hold nobody to any.
func (s statement) held(key string) (values []string, ok bool) {
	for name, keys := range s.Condition {
		o, known := reads(name)
		if !known || o.negative || o.maybe {
			continue
		}
		for k, v := range keys {
			if strings.EqualFold(k, key) {
				values, ok = append(values, o.patterns(v)...), true
			}
		}
	}
	slices.Sort(values)
	return values, ok
}

// is reports whether the statement is only about requests of which a boolean key
// is so.
func (s statement) is(key, value string) bool {
	for name, keys := range s.Condition {
		if name != "Bool" && name != "BoolIfExists" {
			continue
		}
		for k, v := range keys {
			if strings.EqualFold(k, key) && len(v) == 1 && strings.EqualFold(string(v[0]), value) {
				return true
			}
		}
	}
	return false
}

// whom the statement is about; of NotPrincipal: everybody but …
func (s statement) whom() principals {
	if s.Principal != nil {
		return *s.Principal
	}
	return principals{"AWS": {"*"}}
}

// everybody reports whether the statement is about all principals.
func (s statement) everybody() bool {
	return s.Principal != nil && slices.Contains((*s.Principal)["AWS"], "*")
}
