package queuepolicy

import (
	"strings"
	"testing"
)

// policiesOfParts returns policies with wildcards that may stand for more than one part of an ARN. AWS's manual does
// not say of all of them whether they do.
func policiesOfParts() (out []policyCase) {
	const account, shorter = "111122223333", "arn:aws:events:*:rule/flowkeeper"
	send := func(resource, operator, source, account string) string {
		condition := `"` + operator + `":{"aws:SourceArn":"` + source + `"}`
		if account != "" {
			condition += `,"StringEquals":{"aws:SourceAccount":"` + account + `"}`
		}
		return `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + resource + `","Condition":{` + condition + `}}`
	}
	only := func(source string) string {
		return `,{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnNotEquals":{"aws:SourceArn":"` + source + `"}}}`
	}
	denied := func(resource string) string {
		return `,{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"` + resource + `"}`
	}
	rule := send(queueARN, "ArnEquals", ruleARN, "")
	for _, c := range []struct {
		name, statements string
		rule             string
		want             Status
		says             string
	}{
		{"any Region, for ARNs", send("*", "ArnLike", "arn:aws:events:*:111122223333:rule/flowkeeper", "") + only(ruleARN), ruleARN, OK, "only " + ruleARN},
		{"any Region, for ARNs that are said to be equal", send("*", "ArnEquals", "arn:aws:events:*:111122223333:rule/flowkeeper", "") + only(ruleARN), ruleARN, OK, "only " + ruleARN},
		{"Region and account at once, for ARNs", send("*", "ArnLike", shorter, "") + only(ruleARN), ruleARN, Unknown, "read statement 1 of"},
		{"Region and account at once, for texts", send("*", "StringLike", shorter, "") + only(ruleARN), ruleARN, Unknown, "read statement 1 of"},
		{"Region and account at once, in the account, for ARNs", send("*", "ArnLike", shorter, account) + only(ruleARN), ruleARN, Unknown, "read statement 1 of"},
		{"Region and account at once, in the account, for texts", send("*", "StringLike", shorter, account) + only(ruleARN), ruleARN, Unknown, "read statement 1 of"},
		{"Region and account at once, of another rule", send("*", "StringLike", shorter, account) + only(ruleARN+"-2"), ruleARN + "-2", Unknown, "read statement 1 of"},
		{"all at once, for ARNs", send("*", "ArnLike", "*", account) + only(ruleARN), ruleARN, Unknown, "read statement 1 of"},
		{"all at once, for ARNs, and open to all or to none", send("*", "ArnLike", "*", ""), ruleARN, Fail, "of any account"},
		{"all at once, for texts", send("*", "StringLike", "*", account) + only(ruleARN), ruleARN, Unknown, "read statement 1 of"},
		{"another service's topic", send("*", "ArnLike", "arn:aws:*:*:222233334444:*", "") + only(topicARN), "", Unknown, "read statement 1 of"},

		{"any Region, for texts", send("*", "StringLike", "arn:aws:events:*:111122223333:rule/flowkeeper", "") + only(ruleARN), ruleARN, OK, "only " + ruleARN},
		{"any service and account, which the rule is one of", send("*", "ArnLike", "arn:aws:*:*:*:*", "") + only(ruleARN), ruleARN, Unknown, "read statement 1 of"},
		{"any service and account", send("*", "ArnLike", "arn:aws:*:*:*:*", ""), ruleARN, Fail, "whatever matches arn:aws:*:*:*:* (by events.amazonaws.com), of any account"},
		{"a queue of any Region", send("arn:aws:sqs:*:111122223333:flowkeeper", "ArnEquals", ruleARN, ""), ruleARN, OK, ""},
		{"a queue of any Region and account at once", send("arn:aws:sqs:*:flowkeeper", "ArnEquals", ruleARN, ""), ruleARN, Unknown, "read statement 1 of"},
		{"a queue that ends so", send("arn:aws:sqs:*flowkeeper", "ArnEquals", ruleARN, ""), ruleARN, Unknown, "read statement 1 of"},
		{"a queue with any character for a colon", send("arn:aws:sqs?eu-west-1:111122223333:flowkeeper", "ArnEquals", ruleARN, ""), ruleARN, Unknown, "read statement 1 of"},
		{"a queue of some Regions", send("arn:aws:sqs:eu-*-?:111122223333:flow*er", "ArnEquals", ruleARN, ""), ruleARN, OK, ""},
		{"denied for any Region and account at once", rule + denied("arn:aws:sqs:*:flowkeeper"), ruleARN, Unknown, "read statement 2 of"},
		{"denied for what ends so", rule + denied("arn:aws:sqs:*flowkeeper"), ruleARN, Unknown, "read statement 2 of"},
	} {
		known := Sources{All: true, Ours: []string{account, "222233334444"}, Self: account}
		if c.rule != "" {
			known.Rules = []string{c.rule}
		}
		out = append(out, policyCase{name: c.name, policy: `{"Statement":[` + c.statements + `]}`, known: known, want: c.want, says: c.says})
	}
	return out
}

// TestGlobARN: the example in IAM's manual. Only the last part of an ARN, the resource, may have colons.
func TestGlobARN(t *testing.T) {
	t.Parallel()
	const pattern, across = "arn:aws:someservice:*:111122223333:finance/*", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
	for name, c := range map[string]struct {
		pattern, text string
		want          bool
	}{
		"matches":                {pattern, "arn:aws:someservice:us-east-2:111122223333:finance/document.txt", true},
		"another account":        {pattern, across, false},
		"resource with colons":   {"arn:aws:logs:*:*:log-group:*", "arn:aws:logs:eu-west-1:111122223333:log-group:a:log-stream:b", true},
		"a star for each part":   {"arn:*:*:*:*:*", across, true},
		"pattern that is no ARN": {"*:*:*:*:*:*", across, false}, // it does not begin with arn
		"one star":               {"*", across, false},
		"text that is no ARN":    {pattern, "111122223333", false},
		"pattern of five parts":  {strings.TrimSuffix(pattern, ":finance/*"), across, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := globARN(c.pattern, c.text); got != c.want {
				t.Errorf("%q matches %q: %v", c.text, c.pattern, got)
			}
		})
	}
	if !glob(pattern, across) {
		t.Error("compared as plain texts, the pattern should match")
	}
}
