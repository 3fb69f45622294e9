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

const (
	sendMessage  = "sqs:SendMessage"
	sourceArn    = "aws:SourceArn"
	principalArn = "aws:PrincipalArn"
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

// limits returns the values of aws:SourceArn and of aws:SourceAccount to which an Allow
// statement is limited. ok is false if it has any other condition than one that asks for TLS.
func (s statement) limits() (arns, accounts []string, ok bool) {
	for operator, keys := range s.Condition {
		for key, values := range keys {
			switch key = strings.ToLower(key); {
			case key == "aws:sourcearn" && arns == nil && compares(operator) && (operator != "StringEquals" || !anyWild(values)):
				arns = append(arns, values...)
			case key == "aws:sourceaccount" && accounts == nil && operator == "StringEquals" && !anyWild(values):
				accounts = append(accounts, values...)
			case key == "aws:securetransport" && operator == "Bool" && slices.Equal(values, texts{"true"}):
			default:
				return nil, nil, false
			}
		}
	}
	return arns, accounts, true
}

// bans returns the values of aws:SourceArn that a Deny statement is for or, with limit, is not
// for; exempt are the principals that it is not for. ok is false if it has any other
// condition, or patterns.
func (s statement) bans() (arns []string, limit bool, exempt []string, ok bool) {
	for operator, keys := range s.Condition {
		limit = strings.Contains(operator, "Not")
		for key, values := range keys {
			switch {
			case len(s.Condition) > 1, !compares(strings.Replace(operator, "Not", "", 1)):
				return nil, false, nil, false
			case strings.EqualFold(key, sourceArn) && !anyWild(values):
				arns = values
			case strings.EqualFold(key, principalArn) && limit:
				exempt = values
			default:
				return nil, false, nil, false
			}
		}
	}
	return arns, limit, exempt, len(s.Condition) == 0 || len(arns) > 0
}

// exemptsServices reports whether a Deny statement is only for requests that rules and topics
// never make.
func (s statement) exemptsServices() bool {
	return s.isBool("aws:securetransport", "false") || s.isBool("aws:principalisawsservice", "false")
}

// isBool reports whether the statement has a condition that a boolean key has this value.
func (s statement) isBool(key, value string) bool {
	for _, operator := range []string{"Bool", "BoolIfExists"} {
		for k, v := range s.Condition[operator] {
			if strings.EqualFold(k, key) && slices.Equal(v, texts{value}) {
				return true
			}
		}
	}
	return false
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
