package queuepolicy

import "flowkeeper/inventory"

// Rules returns the ARNs of the rules that a policy allows to send, by its conditions on
// aws:SourceArn. It looks at nothing else in the policy, and so works even if some statements can't be read.
func Rules(text string) (out []string) {
	p, _ := readPolicy(text) // with the statements that can be read
	for _, s := range p.statements {
		for _, c := range s.conditions() {
			allows := c.negated == (s.Effect == "Deny")
			for _, source := range c.values {
				if c.key == sourceArn && allows && inventory.ParseARN(source).Service == "events" {
					out = append(out, source)
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
	for _, x := range p.sending(queueARN, owners{}).all {
		if inventory.ParseARN(x.source).Service == "sns" && !wild(x.source) {
			out = append(out, x.source)
		}
	}
	return out
}
