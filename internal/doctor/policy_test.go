package doctor

import (
	"os/exec"
	"strings"
	"testing"
)

const (
	queueARN = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"
	ruleARN  = "arn:aws:events:eu-west-1:111122223333:rule/flowkeeper"
	topicARN = "arn:aws:sns:eu-west-1:222233334444:trail"
)

// allow is a policy of one statement that lets send.
func allow(more string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"` + queueARN + `",` + more + `}]}`
}

func TestQueuePolicies(t *testing.T) {
	t.Parallel()
	const events, anyone = `"Principal":{"Service":"events.amazonaws.com"}`, `"Principal":"*"`
	source := func(operator, arn string) string {
		return `,"Condition":{"` + operator + `":{"aws:SourceArn":` + arn + `}}`
	}
	denyOthers := `,{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnNotEquals":{"aws:SourceArn":"` + ruleARN + `"}}}`
	with := func(policy, statement string) string { return strings.TrimSuffix(policy, "]}") + statement + "]}" }
	for _, c := range []struct {
		name, policy string
		want         Status
		says         string
	}{
		{"the rule", allow(events + source("ArnEquals", `"`+ruleARN+`"`)), OK, "only " + ruleARN},
		{"the rule, in other words", allow(events + source("StringLike", `["`+ruleARN+`"]`)), OK, ruleARN},
		{"a topic", allow(`"Principal":{"Service":"sns.amazonaws.com"}` + source("ArnLike", `"`+topicARN+`"`)), OK, topicARN},
		{"the rule by whoever bears its name", allow(anyone + source("ArnEquals", `"`+ruleARN+`"`)), OK, ruleARN},
		{"a bucket", allow(`"Principal":{"Service":"s3.amazonaws.com"}` + source("ArnLike", `"arn:aws:s3:::trail-logs"`)), OK, "trail-logs"},
		{"none", "", Fail, "no policy"},
		{"nothing", `{"Statement":[]}`, Fail, "lets nobody send"},
		{"receiving only", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:ReceiveMessage","Resource":"*"}}`, Fail, "lets nobody send"},
		{"another queue", strings.Replace(allow(events+source("ArnEquals", `"`+ruleARN+`"`)), queueARN, queueARN+"-2", 1), Fail, "lets nobody send"},
		{"no JSON", "{", Unknown, "can't be read"},

		{"anybody", allow(anyone), Fail, "everybody in the world"},
		{"anybody, by the long form", allow(`"Principal":{"AWS":["*"]}`), Fail, "everybody in the world"},
		{"anybody but one", allow(`"NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/intern"}`), Fail, "everybody in the world"},
		{"anybody, by wildcards", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"SQS:*","Resource":"*"}}`, Fail, "everybody in the world"},
		{"anybody, by what is not named", `{"Statement":{"Effect":"Allow","Principal":"*","NotAction":"sqs:DeleteQueue","NotResource":"arn:aws:sqs:*:*:other"}}`, Fail, "everybody in the world"},
		{"anybody who says nothing", allow(anyone + source("ArnEqualsIfExists", `"`+ruleARN+`"`)), Fail, "everybody in the world"},
		{"anybody: none is among all values", allow(anyone + source("ForAllValues:ArnEquals", `"`+ruleARN+`"`)), Fail, "everybody in the world"},
		{"anybody but the rule", allow(anyone + source("ArnNotEquals", `"`+ruleARN+`"`)), Fail, "everybody in the world"},
		{"anybody whose key is long enough", allow(anyone + `,"Condition":{"Bool":{"aws:SecureTransport":true}}`), Fail, "everybody in the world"},
		{"the service for anybody", allow(events), Fail, "events.amazonaws.com for any rule or topic of any account"},
		{"rules of any account", allow(events + source("ArnLike", `"arn:aws:events:*:*:rule/*"`)), Fail, "of any account"},
		{"any source", allow(events + source("ArnLike", `"*"`)), Fail, "of any account"},
		{"a bucket like many", allow(`"Principal":{"Service":"s3.amazonaws.com"}` + source("ArnLike", `"arn:aws:s3:::*"`)), Fail, "of any account"},
		{"another account", allow(`"Principal":{"AWS":"222233334444"}`), Fail, "the account 222233334444"},
		{"another account's root", allow(`"Principal":{"AWS":"arn:aws:iam::222233334444:root"}`), Fail, "222233334444"},

		{"rules of the account", allow(events + source("ArnLike", `"arn:aws:events:eu-west-1:111122223333:rule/*"`)), Warn, "more than one rule"},
		{"the service for the account", allow(events + `,"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}`), Warn, "anything of account 111122223333"},
		{"the service for the organisation", allow(events + `,"Condition":{"StringEquals":{"aws:SourceOrgID":"o-1"}}`), Warn, "o-1"},
		{"the organisation", allow(anyone + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`), Warn, "everybody with aws:PrincipalOrgID o-1"},
		{"the own account", allow(`"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`), Warn, "every principal of account 111122223333"},
		{"a role", with(allow(events+source("ArnEquals", `"`+ruleARN+`"`)),
			`,{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*","Principal":{"AWS":"arn:aws:iam::111122223333:role/replay"}}`), Warn, "role/replay, beside the rule"},

		{"anybody, but all others are denied", with(allow(anyone), denyOthers), OK, "only " + ruleARN},
		{"the account, but all others are denied", with(allow(`"Principal":{"AWS":"111122223333"}`), denyOthers), OK, "only " + ruleARN},
		{"a Deny with a second condition leaves others", with(allow(anyone), strings.Replace(denyOthers, `"Condition":{`, `"Condition":{"Bool":{"aws:SecureTransport":false},`, 1)), Fail, "everybody"},
		{"a Deny to one leaves others", with(allow(anyone), strings.Replace(denyOthers, `"Principal":"*"`, `"Principal":{"AWS":"222233334444"}`, 1)), Fail, "everybody"},
	} {
		f := judgePolicy(c.policy, queueARN, nil)
		if f.status != c.want || !strings.Contains(f.detail, c.says) {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, f.status, f.detail, c.want, c.says)
		}
	}
}

func TestPolicyNamesTheRuleThatWasFound(t *testing.T) {
	t.Parallel()
	good := goodPolicy(queueARN, "events.amazonaws.com", ruleARN)
	if f := judgePolicy(good, queueARN, []string{ruleARN}); f.status != OK {
		t.Errorf("%+v", f)
	}
	if f := judgePolicy(good, queueARN, []string{ruleARN, ruleARN + "-2"}); f.status != Fail || !strings.Contains(f.detail, "not "+ruleARN+"-2") {
		t.Errorf("%+v", f)
	}
}

// TestI12WhatIsPastedIsOneWord: names come from AWS, where an attacker may have
// chosen them.
func TestI12WhatIsPastedIsOneWord(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{"arn:aws:events:eu-west-1:111122223333:rule/flowkeeper", "https://sqs.eu-west-1.amazonaws.com/111122223333/q", "/var/lib/flowkeeper/state.db"} {
		if word(plain) != plain {
			t.Errorf("%s is %s", plain, word(plain))
		}
	}
	for _, foreign := range []string{"", "x; touch y", "$(touch y)", "`touch y`", "it's", "'; touch y; '", "a\nb", "~", "*", "é"} {
		out, err := exec.Command("sh", "-c", "printf %s "+word(foreign)).Output()
		if err != nil || string(out) != foreign {
			t.Errorf("%q is %q, %v", foreign, out, err)
		}
	}
	if f := judgeKey("x; touch y", false); !strings.HasSuffix(f.fix, "--key-id 'x; touch y'") {
		t.Errorf("%s", f.fix)
	}
}

func TestLike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "anything", true}, {"a*c", "abc", true}, {"a*c", "abcd", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*a*b", "xaxxb", true}, {"sqs:*", "sqs:sendmessage", true}, {"a", "", false}, {"", "a", false}, {"**", "x", true}, {"*ab", "aab", true},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 5000), false}, // not for ever
	} {
		if got := like(c.pattern, c.text); got != c.want {
			t.Errorf("%q like %q: %v", c.text, c.pattern, got)
		}
	}
}
