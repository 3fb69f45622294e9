package queuepolicy

import "strings"

// Rules returns the ARNs of the rules that a policy allows to send, by its conditions on
// aws:SourceArn, whatever else it says: also if some of it can't be read.
func Rules(text string) (out []string) {
	p, _ := readPolicy(text) // with the statements that can be read
	for _, s := range p.statements {
		for _, c := range s.conditions() {
			if c.key != sourceArn || !allows(s.Effect, c.operator) {
				continue
			}
			for _, arn := range c.values {
				if partsOf(arn).Service == "events" {
					out = append(out, arn)
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
