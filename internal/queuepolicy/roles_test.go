package queuepolicy

import (
	"strings"
	"testing"
)

const (
	forwardARN  = "arn:aws:events:eu-west-1:222233334444:rule/flowkeeper-forward"
	anySender   = "arn:aws:iam::*:role/flowkeeper-forward-eu-west-1"
	otherSender = "arn:aws:iam::333344445555:role/flowkeeper-forward-eu-west-1"
)

// policyOf returns a policy that lets the rule send, with more statements.
func policyOf(statements string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queueARN +
		`","Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"}}}` + statements + `]}`
}

// policiesOfRoles returns policies of an organisation in which the rule of each member account sends as a role of that
// account.
func policiesOfRoles() (out []policyCase) {
	allow := func(operator, roles string) string {
		return `,{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"},"` + operator + `":{"aws:PrincipalArn":"` + roles + `"}}}`
	}
	deny := func(principal, condition string) string {
		if condition != "" {
			condition = `,"Condition":{` + condition + `}`
		}
		return `,{"Effect":"Deny","Principal":` + principal + `,"Action":"sqs:SendMessage","Resource":"*"` + condition + `}`
	}
	to := func(who string) string { return deny(`{"AWS":"`+who+`"}`, "") }
	but := func(operator, roles string) string {
		return deny(`"*"`, `"`+operator+`":{"aws:SourceArn":"`+ruleARN+`","aws:PrincipalArn":"`+roles+`"}`)
	}
	const people, pathed = `"Bool":{"aws:PrincipalIsAWSService":"false"}`, "arn:aws:iam::222233334444:role/x:role/flowkeeper-forward-eu-west-1"
	byRole := Sources{Rules: []string{ruleARN}, ByRole: map[string]string{forwardARN: senderARN}, All: true}
	byPath, unasked, asked := byRole, Sources{Rules: []string{ruleARN}}, Sources{Rules: []string{ruleARN}, All: true}
	byPath.ByRole = map[string]string{forwardARN: pathed}
	members := allow("ArnLike", anySender)
	for _, c := range []struct {
		name, statements string
		known            Sources
		want             Status
		says             string
	}{
		{"allowed", members, byRole, OK, anySender + " of o-1 may send"},
		{"allowed, and all others denied", members + but("ArnNotEquals", anySender), byRole, OK, anySender + " of o-1 may send"},
		{"one is denied, by its role", members + to(senderARN), byRole, Fail, forwardARN + " may not send: it does so as " + senderARN + ", to which statement 3 denies it"},
		{"one is denied, by its account", members + to("222233334444"), byRole, Fail, "statement 3 denies it"},
		{"one is denied, by its account's root", members + to("arn:aws:iam::222233334444:root"), byRole, Fail, "statement 3 denies it"},
		{"one is denied, by a condition on its role", members + deny(`"*"`, `"ArnEquals":{"aws:PrincipalArn":"`+senderARN+`"}`), byRole, Fail, "statement 3 denies it"},
		{"one is denied, by a condition on its rule", members + deny(`"*"`, `"ArnEquals":{"aws:SourceArn":"`+forwardARN+`"}`), byRole, Unknown, "read statement 3 of"},
		{"one is denied, as a rule of the service", members + deny(`{"Service":"events.amazonaws.com"}`, `"ArnEquals":{"aws:SourceArn":"`+forwardARN+`"}`), byRole, Unknown, "read statement 3 of"},
		{"one is denied, from some addresses", members + deny(`{"AWS":"`+senderARN+`"}`, `"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`), byRole, Unknown, "read statement 3 of the queue's policy: does this Deny keep " + forwardARN + " from sending, which does so as " + senderARN},
		{"one is denied, where there is no source", members + deny(`{"AWS":"`+senderARN+`"}`, `"ArnNotEquals":{"aws:SourceArn":"`+ruleARN+`"}`), byRole, Fail, "statement 3 denies it"},
		{"one is denied, from a source, which it never has", members + deny(`{"AWS":"`+senderARN+`"}`, `"ArnEquals":{"aws:SourceArn":"`+forwardARN+`"}`), byRole, OK, ""},
		{"one is denied, in the clear", members + deny(`{"AWS":"`+senderARN+`"}`, `"Bool":{"aws:SecureTransport":"false"}`), byRole, OK, ""},
		{"one is denied, as one session", members + to("arn:aws:sts::222233334444:assumed-role/flowkeeper-forward-eu-west-1/x"), byRole, Unknown, "read statement 3 of"},
		{"one is denied, of another account", members + to(otherSender), byRole, OK, ""},
		{"one is denied, that could not be asked for", members + to(senderARN), unasked, Unknown, "read statement 3 of the queue's policy: does this Deny keep a rule of account 222233334444"},
		{"one is denied, by its account, that could not be asked for", members + to("222233334444"), unasked, Unknown, "read statement 3 of"},
		{"one of two names is denied, that could not be asked for", members + allow("ArnLike", "arn:aws:iam::*:role/other") + to(senderARN), unasked, Unknown, "read statement 4 of the queue's policy: does this Deny keep a rule of account 222233334444"},
		{"one is denied, of another account, and some could not be asked for", members + to(otherSender), unasked, OK, ""},
		{"one is denied, that no rule uses", members + to(senderARN), asked, OK, ""},
		{"all but some are denied, by nobody in particular", members + `,{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"sqs:*","Resource":"*"}`, byRole, Unknown, "read statement 3 of"},
		{"roles are denied", members + deny(`"*"`, people), byRole, Fail, "statement 3 denies it"},
		{"roles are denied, outside the organisation", members + deny(`"*"`, people+`,"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}`), byRole, Unknown, "read statement 3 of"},
		{"roles are denied, of other accounts", members + deny(`"*"`, people+`,"StringNotEquals":{"aws:PrincipalAccount":"222233334444"}`), byRole, OK, ""},
		{"roles are denied, of all accounts but another", members + deny(`"*"`, people+`,"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}`), byRole, Fail, "statement 3 denies it"},
		{"roles are denied, but for this one", members + deny(`"*"`, people+`,"ArnNotLike":{"aws:PrincipalArn":"`+anySender+`"}`), byRole, OK, ""},
		{"roles are denied, but for one that bears a pattern's name", members + but("StringNotEquals", anySender), byRole, Unknown, "read statement 3 of"},
		{"one that bears a pattern's name, and no role is known", members + but("StringNotEquals", anySender), unasked, Unknown, "read statement 3 of"},
		{"spared by the Deny, but nothing allows it", but("ArnNotEquals", senderARN), byRole, Unknown, "as a role, by that role's policy"},
		{"spared by the Deny, and its name allows it", allow("ArnEquals", senderARN) + but("ArnNotEquals", senderARN), byRole, OK, ""},
		{"denied as a role, allowed as a rule", `,{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"` + forwardARN + `"}}}` + to(senderARN), byRole, Unknown, "read statement 3 of"},
		{"a path that ends like the pattern, for ARNs", members, byPath, Unknown, "as a role, by that role's policy"},
		{"a path that ends like the pattern, for texts", allow("StringLike", anySender), byPath, Unknown, "as a role, by that role's policy"},
	} {
		c.known.Ours, c.known.Self = []string{"111122223333", "222233334444"}, "111122223333"
		out = append(out, policyCase{name: c.name, policy: policyOf(c.statements), known: c.known, want: c.want, says: c.says})
	}
	return out
}

// TestAdviceAboutADeniedRole: if a Deny keeps the role of a member from sending, the advice is to let the Deny spare
// that role. Better returns no policy if rules send as roles: its policy names only rules and topics, so the roles
// could not send.
func TestAdviceAboutADeniedRole(t *testing.T) {
	t.Parallel()
	for _, c := range policiesOfRoles() {
		v := Judge(c.policy, queueARN, c.known)
		if (v.Status == Fail) != strings.Contains(v.Fix, "let that Deny spare the role") {
			t.Errorf("%s: %s, %q", c.name, v.Status, v.Fix)
		}
		if better, ok := Better(c.policy, queueARN, c.known); ok && len(c.known.ByRole) > 0 {
			t.Errorf("%s: %s", c.name, better)
		}
	}
}
