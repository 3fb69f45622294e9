package queuepolicy

import "strings"

// Rules returns the ARNs of the rules that a policy allows to send, by its conditions on
// aws:SourceArn, whatever else it says: also if some of it can't be read.
func Rules(text string) (out []string) {
	p, _ := readPolicy(text) // with the statements that can be read
	for _, s := range p.statements {
		for _, c := range s.conditions() {
			denies := s.Effect == "Deny" // all but those that the condition names, if it is a negated one
			if c.key != sourceArn || strings.Contains(c.operator, "Not") != denies {
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

// Topics returns the topics that a policy allows to send.
func Topics(text, queueARN string) (out []string) {
	p, err := readPolicy(text)
	if err != nil {
		return nil
	}
	all, _ := p.senders(queueARN, nil, p.denials(queueARN))
	for _, s := range all {
		if partsOf(s.source).Service == "sns" && !wild(s.source) {
			out = append(out, s.source)
		}
	}
	return out
}
