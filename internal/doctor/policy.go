package doctor

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// policy is a queue's policy document, as IAM writes them.
type policy struct {
	version, id string
	statements  []statement
}

type statement struct {
	Effect                                   string
	Principal, NotPrincipal                  principals
	Action, NotAction, Resource, NotResource texts
	Condition                                map[string]map[string]texts
	Sid                                      string
	where                                    string // for people
	raw                                      json.RawMessage
}

// several is a list of JSON values, as IAM policies have it: a single value may stand without
// brackets.
type several []json.RawMessage

func (s *several) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]json.RawMessage)(s))
	}
	*s = several{slices.Clone(b)}
	return nil
}

// texts are one text or several; numbers, true and false count as text.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var all several
	err := json.Unmarshal(b, &all)
	for _, x := range all {
		var text string
		if json.Unmarshal(x, &text) != nil {
			text = string(x)
		}
		*t = append(*t, text)
	}
	return err
}

// principals by their kind: AWS, Service, Federated, CanonicalUser.
type principals map[string]texts

func (p *principals) UnmarshalJSON(b []byte) error {
	if string(b) == `"*"` {
		*p = principals{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]texts)(p))
}

// document is a policy with its statements as they are written.
type document struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement several
}

// readPolicy reads a policy; an empty text is one without statements.
func readPolicy(text string) (p policy, err error) {
	doc := document{Version: "2012-10-17"}
	if text != "" {
		err = json.Unmarshal([]byte(text), &doc)
	}
	p.version, p.id = doc.Version, doc.ID
	for n, raw := range doc.Statement {
		s := statement{raw: raw}
		if err := json.Unmarshal(raw, &s); err != nil {
			return p, err
		}
		s.where = fmt.Sprintf("statement %d", n+1)
		if s.Sid != "" {
			s.where += " (" + s.Sid + ")"
		}
		p.statements = append(p.statements, s)
	}
	return p, err
}

// with returns the text of the policy with other statements.
func (p policy) with(statements []json.RawMessage) string {
	b, err := json.Marshal(document{p.version, p.id, statements})
	if err != nil {
		panic("doctor: a policy that was read is JSON: " + err.Error())
	}
	return string(b)
}

const sendMessage = "sqs:SendMessage"

// Condition keys, as AWS compares them: in lower case.
const (
	sourceArn       = "aws:sourcearn"
	sourceAccount   = "aws:sourceaccount"
	principalArn    = "aws:principalarn"
	secureTransport = "aws:securetransport"
)

// plain reports whether the statement has none of NotPrincipal, NotAction and NotResource, and
// is for services, users, roles or accounts.
func (s statement) plain() bool { return s.says() && s.NotAction == nil && s.NotResource == nil }

// says reports whether the statement has a Principal: services, users, roles or accounts.
func (s statement) says() bool {
	for kind := range s.Principal {
		if kind != "AWS" && kind != "Service" {
			return false
		}
	}
	return s.Principal != nil && s.NotPrincipal == nil
}

// about reports whether the statement is about an action on the queue.
func (s statement) about(action, queueARN string) bool {
	matches := func(patterns texts, value string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return glob(strings.ToLower(p), strings.ToLower(value)) })
	}
	acts := matches(s.Action, action) || s.NotAction != nil && !matches(s.NotAction, action)
	return acts && (matches(s.Resource, queueARN) || s.NotResource != nil && !matches(s.NotResource, queueARN))
}

// onlySends reports whether the statement is about nothing but sending.
func (s statement) onlySends() bool {
	return s.NotAction == nil && !slices.ContainsFunc(s.Action, func(a string) bool { return !strings.EqualFold(a, sendMessage) })
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

// limits returns the values of aws:SourceArn and of aws:SourceAccount to which an Allow
// statement is limited. ok is false if it has any other condition than one that asks for TLS.
func (s statement) limits() (arns, accounts []string, ok bool) {
	for _, c := range s.conditions() {
		switch {
		case c.key == sourceArn && arns == nil && compares(c.operator) && (c.operator != "StringEquals" || !anyWild(c.values)):
			arns = c.values
		case c.key == sourceAccount && accounts == nil && c.operator == "StringEquals" && !anyWild(c.values):
			accounts = c.values
		case c.key == secureTransport && c.operator == "Bool" && slices.Equal(c.values, texts{"true"}):
		default:
			return nil, nil, false
		}
	}
	return arns, accounts, true
}

// bans returns the values of aws:SourceArn that a Deny statement is for or, with limit, is not
// for; exempt are the principals that it is not for. ok is false if it has any other
// condition, or patterns.
func (s statement) bans() (arns []string, limit bool, exempt []string, ok bool) {
	for _, c := range s.conditions() {
		limit = strings.Contains(c.operator, "Not")
		switch {
		case len(s.Condition) > 1, !compares(strings.Replace(c.operator, "Not", "", 1)):
			return nil, false, nil, false
		case c.key == sourceArn && arns == nil && !anyWild(c.values):
			arns = c.values
		case c.key == principalArn && exempt == nil && limit:
			exempt = c.values
		default:
			return nil, false, nil, false
		}
	}
	return arns, limit, exempt, len(s.Condition) == 0 || len(arns) > 0
}

// exemptsServices reports whether a Deny statement is only for requests that rules and topics
// never make.
func (s statement) exemptsServices() bool {
	return s.ifFalse(secureTransport) || s.ifFalse("aws:principalisawsservice")
}

// ifFalse reports whether the statement has a condition that a boolean key is false.
func (s statement) ifFalse(key string) bool {
	return slices.ContainsFunc(s.conditions(), func(c condition) bool {
		return c.key == key && (c.operator == "Bool" || c.operator == "BoolIfExists") && slices.Equal(c.values, texts{"false"})
	})
}

// compares reports an operator that compares ARNs, or texts.
func compares(operator string) bool {
	return slices.Contains([]string{"ArnEquals", "ArnLike", "StringEquals", "StringLike"}, operator)
}

// glob matches a pattern of IAM: * is any text, ? any character.
func glob(pattern, text string) bool {
	plain := strings.NewReplacer("/", ":", `\`, `\\`, "[", `\[`) // to path.Match these are more than characters
	ok, err := path.Match(plain.Replace(pattern), strings.ReplaceAll(text, "/", ":"))
	return ok && err == nil
}

func wild(s string) bool { return strings.ContainsAny(s, "*?") }

func anyWild(all []string) bool { return slices.ContainsFunc(all, wild) }
