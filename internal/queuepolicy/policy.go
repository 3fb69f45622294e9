package queuepolicy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// policy is a queue's policy.
type policy struct {
	document
	statements []statement // those that can be read
}

// document is a policy with its statements as they are written.
type document struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement several
}

type statement struct {
	Effect                                   string
	Principal, NotPrincipal                  principals
	Action, NotAction, Resource, NotResource texts
	Condition                                map[string]map[string]texts
	Sid                                      string
	where                                    string // its number and Sid, for people
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

// readPolicy reads a policy; an empty text is one without statements.
func readPolicy(text string) (p policy, err error) {
	p.Version = "2012-10-17"
	if text != "" {
		err = json.Unmarshal([]byte(text), &p.document)
	}
	for n, raw := range p.Statement {
		s := statement{raw: raw}
		if bad := json.Unmarshal(raw, &s); bad != nil {
			err = cmp.Or(err, bad)
			continue
		}
		s.where = fmt.Sprintf("statement %d", n+1)
		if s.Sid != "" {
			s.where += " (" + s.Sid + ")"
		}
		p.statements = append(p.statements, s)
	}
	return p, err
}

// marshal returns the JSON of a policy or statement.
func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("queuepolicy: a policy is plain JSON: " + err.Error())
	}
	return b
}
