package queuepolicy

import "strings"

// policiesOfReceiving returns policies with an Allow for the rule, and a Deny that may keep Flowkeeper itself from
// receiving.
func policiesOfReceiving() (out []policyCase) {
	const us, intern, receive, all = "arn:aws:iam::111122223333:role/flowkeeper", "arn:aws:iam::111122223333:role/intern", `"sqs:ReceiveMessage"`, `"sqs:*"`
	deny := func(principal, action, condition string) string {
		if condition != "" {
			condition = `,"Condition":{` + condition + `}`
		}
		return `,{"Effect":"Deny","Principal":` + principal + `,"Action":` + action + `,"Resource":"*"` + condition + `}`
	}
	aws := func(who string) string { return `{"AWS":"` + who + `"}` }
	but := func(operator, key, value string) string { return `"` + operator + `":{"` + key + `":"` + value + `"}` }
	const denied = "statement 2 of the policy keeps us from receiving"
	for _, c := range []struct {
		name, statement string
		want            Status
		says            string
	}{
		{"nobody may receive", deny(`"*"`, receive, ""), Fail, denied},
		{"nobody may delete", deny(`"*"`, `["sqs:PurgeQueue","sqs:DeleteMessage"]`, ""), Fail, denied},
		{"nobody may purge", deny(`"*"`, `"sqs:PurgeQueue"`, ""), OK, ""},
		{"nobody may receive from another queue", strings.Replace(deny(`"*"`, receive, ""), `"Resource":"*"`, `"Resource":"`+queueARN+`-2"`, 1), OK, ""},
		{"we may not", deny(aws(us), receive, ""), Fail, denied},
		{"our account may not", deny(aws("111122223333"), receive, ""), Fail, denied},
		{"our account's root may not", deny(aws("arn:aws:iam::111122223333:root"), receive, ""), Fail, denied},
		{"another role may not", deny(aws(intern), receive, ""), OK, ""},
		{"a role of our name with a path may not", deny(aws("arn:aws:iam::111122223333:role/x/flowkeeper"), receive, ""), Unknown, "read statement 2 of the queue's policy: does this Deny keep us from receiving?"},
		{"a session may not", deny(aws("arn:aws:sts::111122223333:assumed-role/flowkeeper/x"), receive, ""), Unknown, "read statement 2 of"},
		{"another account may not", deny(aws("222233334444"), receive, ""), OK, ""},
		{"a service may not", deny(`{"Service":"lambda.amazonaws.com"}`, receive, ""), OK, ""},
		{"all but we", deny(`"*"`, receive, but("ArnNotEquals", "aws:PrincipalArn", us)), OK, ""},
		{"all but we, by a pattern", deny(`"*"`, receive, but("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/flow*")), OK, ""},
		{"all but we, by a pattern that counts as a name", deny(`"*"`, receive, but("StringNotEquals", "aws:PrincipalArn", "arn:aws:iam::*:role/flow*")), Unknown, "read statement 2 of"},
		{"all who are no service", deny(`"*"`, receive, but("Bool", "aws:PrincipalIsAWSService", "false")), Fail, denied},
		{"all but the rule", deny(`"*"`, receive, but("ArnNotEquals", "aws:SourceArn", ruleARN)), Fail, denied},
		{"all but another account", deny(`"*"`, receive, but("StringNotEquals", "aws:PrincipalAccount", "222233334444")), Fail, denied},
		{"all but another", deny(`"*"`, receive, but("ArnNotEquals", "aws:PrincipalArn", intern)), Unknown, "read statement 2 of"},
		{"all but our account", deny(`"*"`, receive, but("StringNotEquals", "aws:PrincipalAccount", "111122223333")), OK, ""},
		{"all but we, and of other organisations", deny(`"*"`, receive, but("ArnNotEquals", "aws:PrincipalArn", us)+","+but("StringNotEquals", "aws:PrincipalOrgID", "o-1")), Unknown, "read statement 2 of"},
		{"all but we, twice", deny(`"*"`, receive, but("ArnNotEquals", "aws:PrincipalArn", us)+","+but("StringNotEquals", "aws:PrincipalAccount", "111122223333")), Unknown, "read statement 2 of"},
		{"some session, but not we", deny(aws("arn:aws:sts::111122223333:assumed-role/flowkeeper/x"), receive, but("ArnNotEquals", "aws:PrincipalArn", us)), Unknown, "read statement 2 of"},
		{"only we, by a condition", deny(`"*"`, receive, but("StringEquals", "aws:PrincipalAccount", "111122223333")), Fail, denied},
		{"all but some network", deny(`"*"`, receive, but("StringNotEquals", "aws:SourceVpce", "vpce-1")), Unknown, "read statement 2 of"},
		{"all but some network, as for what has answered", deny(`"*"`, `["sqs:ReceiveMessage","sqs:Get*"]`, but("StringNotEquals", "aws:SourceVpce", "vpce-1")), OK, ""},
		{"all in the clear", deny(`"*"`, receive, but("Bool", "aws:SecureTransport", "false")), OK, ""},
		{"all but a principal", `,{"Effect":"Deny","NotPrincipal":{"AWS":"` + us + `"},"Action":"sqs:ReceiveMessage","Resource":"*"}`, Unknown, "read statement 2 of"},
		{"all but sending and reading attributes", `,{"Effect":"Deny","Principal":"*","NotAction":["sqs:SendMessage","sqs:GetQueueAttributes"],"Resource":"*"}`, Unknown, "read statement 2 of"},
		{"all in the clear, of every action", deny(`"*"`, all, but("Bool", "aws:SecureTransport", "false")), OK, ""},
	} {
		known := Sources{Rules: []string{ruleARN}, All: true, Ours: []string{"111122223333"}, Self: "111122223333", Us: us}
		out = append(out, policyCase{name: c.name, policy: policyOf(c.statement), known: known, want: c.want, says: c.says})
	}
	return out
}
