package daemon

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// allowedRules returns the ARNs of the rules that a queue's policy allows to send, by its
// conditions on aws:SourceArn.
func allowedRules(policy string) (out []string) {
	type statement struct {
		Effect    string
		Condition map[string]map[string]json.RawMessage
	}
	var doc struct{ Statement oneOrMore[statement] }
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return nil
	}
	for _, s := range doc.Statement {
		for operator, keys := range s.Condition {
			if !allows(s.Effect, operator) {
				continue
			}
			for key, value := range keys {
				if strings.EqualFold(key, "aws:SourceArn") {
					out = append(out, ruleARNs(value)...)
				}
			}
		}
	}
	return out
}

// allows reports whether a statement with such a condition allows what the condition names,
// or denies all others.
func allows(effect, operator string) bool {
	operator = strings.TrimSuffix(operator, "IfExists")
	if _, of, several := strings.Cut(operator, ":"); several { // ForAnyValue:…
		operator = of
	}
	switch operator {
	case "ArnEquals", "ArnLike", "StringEquals", "StringLike", "StringEqualsIgnoreCase":
		return effect == "Allow"
	case "ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike":
		return effect == "Deny"
	}
	return false
}

// ruleARNs returns the ARNs of rules in a condition's value.
func ruleARNs(value json.RawMessage) (out []string) {
	var all oneOrMore[string]
	if json.Unmarshal(value, &all) != nil {
		return nil
	}
	for _, text := range all {
		if a, err := arn.Parse(text); err == nil && a.Service == "events" {
			out = append(out, text)
		}
	}
	return out
}

// oneOrMore is a list as IAM policies have it: a single value may stand without brackets.
type oneOrMore[T any] []T

func (l *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	err := json.Unmarshal(b, &one)
	*l = oneOrMore[T]{one}
	return err
}
