package queuepolicy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	queueARN  = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"
	ruleARN   = "arn:aws:events:eu-west-1:111122223333:rule/flowkeeper"
	topicARN  = "arn:aws:sns:eu-west-1:222233334444:trail"
	senderARN = "arn:aws:iam::222233334444:role/flowkeeper-forward-eu-west-1"
)

// allow returns a policy with one Allow statement for sqs:SendMessage, and more of its JSON.
func allow(more string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"` + queueARN + `",` + more + `}]}`
}

// policyCase is the policy of a queue, and the verdict that Judge should give: its status, and a part of its text.
type policyCase struct {
	name, policy string
	known        Sources
	want         Status
	says         string
	queue        string // empty: queueARN
}

// strangePolicies returns policies that are judged without knowing any rule that should send.
func strangePolicies() (out []policyCase) {
	const events, anyone = `"Principal":{"Service":"events.amazonaws.com"}`, `"Principal":"*"`
	source := func(operator, arn string) string {
		return `,"Condition":{"` + operator + `":{"aws:SourceArn":` + arn + `}}`
	}
	denyOthers := `,{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnNotEquals":{"aws:SourceArn":"` + ruleARN + `"}}}`
	const anyAccount = "arn:aws:iam::*:role/flowkeeper-forward-eu-west-1"
	ofOrganization := func(id, role string) string {
		return `,{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"` + id + `"},"ArnLike":{"aws:PrincipalArn":"` + role + `"}}}`
	}
	sparing := func(role string) string {
		return strings.Replace(denyOthers, `"ArnNotEquals":{`, `"ArnNotEquals":{"aws:PrincipalArn":"`+role+`",`, 1)
	}
	const denyService = `,{"Effect":"Deny","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:*","Resource":"*"}`
	deny := func(operator, suffix string) string {
		return strings.Replace(strings.Replace(denyOthers, "ArnNotEquals", operator, 1), ruleARN, ruleARN+suffix, 1)
	}
	rule, capitals := allow(events+source("ArnEquals", `"`+ruleARN+`"`)), strings.Replace(queueARN, "flowkeeper", "FLOWKEEPER", 1)
	with := func(policy, statement string) string { return strings.TrimSuffix(policy, "]}") + statement + "]}" }
	const service = `"Principal":{"Service":"lambda.amazonaws.com"}`
	takes := func(principal, action, condition string) string {
		return `,{"Effect":"Allow",` + principal + `,"Action":` + action + `,"Resource":"*"` + condition + `}`
	}
	onlyTheBucket := strings.Replace(denyOthers, ruleARN, "arn:aws:s3:::trail-logs", 1)
	bucket := func(account string) string {
		if account != "" {
			account = `,"StringEquals":{"aws:SourceAccount":["` + account + `"]}`
		}
		return `"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::trail-logs"}` + account + `}`
	}
	known := Sources{Ours: []string{"111122223333", "222233334444"}, LogFiles: []string{"555566667777"}, Self: "444455556666"}
	for _, c := range []struct {
		name, policy string
		want         Status
		says         string
	}{
		{"the rule", allow(events + source("ArnEquals", `"`+ruleARN+`"`)), OK, "only " + ruleARN},
		{"the rule, by StringLike and a list", allow(events + source("StringLike", `["`+ruleARN+`"]`)), OK, ruleARN},
		{"a topic", allow(`"Principal":{"Service":"sns.amazonaws.com"}` + source("ArnLike", `"`+topicARN+`"`)), OK, topicARN},
		{"the rule, with any principal", allow(anyone + source("ArnEquals", `"`+ruleARN+`"`)), OK, ruleARN},
		{"a topic, where one Region has to be enabled", allow(`"Principal":{"Service":"sns.af-south-1.amazonaws.com"}` + source("ArnEquals", `"`+topicARN+`"`)), OK, "only " + topicARN},
		{"the rule by a service of a Region", strings.Replace(rule, "events.amazonaws", "events.eu-west-1.amazonaws", 1), Unknown, "read statement 1 of"},
		{"a Deny to the service of a Region", with(rule, strings.Replace(denyService, "events.", "events.eu-west-1.", 1)), Unknown, "read statement 2 of"},
		{"a bucket", allow(bucket("")), Warn, "arn:aws:s3:::trail-logs, of whatever account: the ARN names none"},
		{"a bucket, and all others are denied", with(allow(bucket("")), onlyTheBucket), Warn, "of whatever account"},
		{"a bucket of anybody's, and all others are denied", with(allow(anyone), onlyTheBucket), Warn, "of whatever account"},
		{"a bucket of an account", allow(bucket("222233334444")), OK, "only arn:aws:s3:::trail-logs may send"},
		{"a bucket of an account, and all others are denied", with(allow(bucket("222233334444")), onlyTheBucket), OK, "only arn:aws:s3:::trail-logs may send"},
		{"a pattern with fewer parts, and no account in it", allow(events + source("StringLike", `"arn:*"`)), Fail, "of any account"},
		{"a pattern of one Region, and no account in it", allow(events + source("StringLike", `"arn:aws:events:eu-west-1:*"`)), Fail, "of any account"},
		{"a role that is deleted", with(rule, `,{"Effect":"Allow","Principal":{"AWS":"AROAEXAMPLEID"},"Action":"sqs:SendMessage","Resource":"*"}`), Warn, "a deleted role or user (AROAEXAMPLEID)"},
		{"a bucket with log files", allow(bucket("555566667777")), OK, "only arn:aws:s3:::trail-logs may send"},
		{"a rule of the account of log files", allow(events + source("ArnEquals", `"arn:aws:events:eu-west-1:555566667777:rule/x"`)), Warn, "whose flow logs are not kept here"},
		{"a pattern with fewer parts, and our account in it", allow(events + source("StringLike", `"arn:aws:events:*:111122223333*"`)), Unknown, "read statement 1 of"},
		{"a bucket of a stranger", allow(bucket("999988887777")), Warn, "arn:aws:s3:::trail-logs, of account 999988887777, whose flow logs are not kept here"},
		{"a bucket of a stranger, and all others are denied", with(allow(bucket("999988887777")), onlyTheBucket), Warn, "of account 999988887777"},
		{"a bucket of a stranger, or of an account", allow(bucket(`222233334444","999988887777`)), Warn, "of account 999988887777"},
		{"a bucket of an account, and of whatever account", with(allow(bucket("222233334444")), `,{"Effect":"Allow","Action":"sqs:*","Resource":"*",`+bucket("")+`}`+onlyTheBucket), Warn, "of whatever account"},
		{"a bucket of an account, and whatever the other Allow lets, all others are denied", with(allow(bucket("222233334444")), `,{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*",`+anyone+source("ArnEqualsIfExists", `"arn:aws:s3:::trail-logs"`)+`}`+onlyTheBucket), Unknown, "read statement 2 of the queue's policy: does it let the rule send, and nobody else?"},
		{"an ARN of another service than the principal", with(rule, `,{"Effect":"Allow","Principal":{"Service":"costalerts.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"`+source("ArnLike", `"arn:aws:ce::999988887777:anomalysubscription/x"`)+`}`), Unknown, "read statement 2 of"},
		{"no policy", "", Fail, "no policy"},
		{"no statements", `{"Statement":[]}`, Fail, "lets nobody send"},
		{"receiving only", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:ReceiveMessage","Resource":"*"}}`, Fail, "lets nobody send"},
		{"another queue", strings.Replace(allow(events+source("ArnEquals", `"`+ruleARN+`"`)), queueARN, queueARN+"-2", 1), Fail, "lets nobody send"},
		{"a queue in capitals", strings.Replace(allow(events+source("ArnEquals", `"`+ruleARN+`"`)), queueARN, capitals, 1), Fail, "lets nobody send"},
		{"anybody, and a denial for a queue in capitals", with(allow(anyone), strings.Replace(denyOthers, `"Resource":"*"`, `"Resource":"`+capitals+`"`, 1)), Fail, "everybody in the world"},
		{"no JSON", "{", Unknown, "can't be read"},

		{"anybody", allow(anyone), Fail, "everybody in the world"},
		{"anybody, by the long form", allow(`"Principal":{"AWS":["*"]}`), Fail, "everybody in the world"},
		{"anybody but one", allow(`"NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/intern"}`), Unknown, "read statement 1 of"},
		{"anybody, by wildcards", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"SQS:*","Resource":"*"}}`, Fail, "everybody in the world"},
		{"anybody, by NotAction and NotResource", `{"Statement":{"Effect":"Allow","Principal":"*","NotAction":"sqs:DeleteQueue","NotResource":"arn:aws:sqs:*:*:other"}}`, Unknown, "read statement 1 of"},
		{"anybody but an account may receive", with(rule, `,{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"sqs:*","Resource":"*"}`), Unknown, "read statement 2 of"},
		{"anybody may do all but send", with(rule, `,{"Effect":"Allow","Principal":"*","NotAction":"sqs:SendMessage","Resource":"*"}`), Unknown, "read statement 2 of"},
		{"anybody without a source, by IfExists", allow(anyone + source("ArnEqualsIfExists", `"`+ruleARN+`"`)), Unknown, "read statement 1 of"},
		{"anybody without a source, by ForAllValues", allow(anyone + source("ForAllValues:ArnEquals", `"`+ruleARN+`"`)), Unknown, "read statement 1 of"},
		{"anybody but the rule", allow(anyone + source("ArnNotEquals", `"`+ruleARN+`"`)), Unknown, "read statement 1 of"},
		{"anybody, over TLS", allow(anyone + `,"Condition":{"Bool":{"aws:SecureTransport":true}}`), Fail, "everybody in the world"},
		{"the service for anybody", allow(events), Fail, "events.amazonaws.com for any rule or topic of any account"},
		{"rules of any account", allow(events + source("ArnLike", `"arn:aws:events:*:*:rule/*"`)), Fail, "of any account"},
		{"any source", allow(events + source("ArnLike", `"*"`)), Fail, "of any account"},
		{"a bucket like many", allow(`"Principal":{"Service":"s3.amazonaws.com"}` + source("ArnLike", `"arn:aws:s3:::*"`)), Fail, "of any account"},
		{"another account", allow(`"Principal":{"AWS":"222233334444"}`), Fail, "the account 222233334444"},
		{"another account's root", allow(`"Principal":{"AWS":"arn:aws:iam::222233334444:root"}`), Fail, "222233334444"},

		{"rules of the account", allow(events + source("ArnLike", `"arn:aws:events:eu-west-1:111122223333:rule/*"`)), Warn, "more than one rule"},
		{"the service for the account", allow(events + `,"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}`), Warn, "anything of account 111122223333"},
		{"the service for the organisation", allow(events + `,"Condition":{"StringEquals":{"aws:SourceOrgID":"o-1"}}`), Unknown, "read statement 1 of"},
		{"the organisation", with(rule, `,{"Effect":"Allow",`+anyone+`,"Action":"sqs:SendMessage","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}`), Unknown, "read statement 2 of"},
		{"roles of the organisation", with(rule, ofOrganization("o-1", senderARN)), OK, senderARN + " of o-1"},
		{"a name of roles of the organisation", with(rule, ofOrganization("o-1", anyAccount)), OK, anyAccount + " of o-1"},
		{"a name of roles of the organisation, and all others are denied", with(rule, ofOrganization("o-1", anyAccount)+denyOthers), OK, "only " + ruleARN + " may send"},
		{"a name of roles of the organisation, whom the Deny spares", with(rule, ofOrganization("o-1", anyAccount)+sparing(anyAccount)), OK, "only " + ruleARN + ", " + anyAccount + " of o-1 may send"},
		{"other roles than the Deny spares", with(rule, ofOrganization("o-1", anyAccount)+sparing("arn:aws:iam::*:role/*")), Fail, "of any account"},
		{"a name of roles, which the Deny alone is about", with(rule, sparing(anyAccount)), Fail, "of any account"},
		{"roles of many names", with(rule, ofOrganization("o-1", "arn:aws:iam::*:role/flowkeeper-*")), Warn, "in any account of o-1"},
		{"roles of any organisation", with(rule, ofOrganization("*", anyAccount)), Unknown, "read statement 2 of"},
		{"the own account", with(rule, `,{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"SQS:*","Resource":"*"}`), Warn, "every principal of account 111122223333"},
		{"the world may receive", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:ReceiveMessage","Resource":"*"}`), Fail, "these may take deletions out of the queue, or change it: everybody in the world (its principal is *, and no condition holds anybody back) (ReceiveMessage)"},
		{"the world may do all but send", with(rule, `,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"SQS:*","Resource":"*"}`+denyOthers), Fail, "everybody in the world (its principal is *, and no condition holds anybody back) (ReceiveMessage, ChangeMessageVisibility, DeleteMessage, PurgeQueue"},
		{"the world may send and take", allow(anyone + `},{"Effect":"Allow","Principal":"*","Action":"sqs:Purge*","Resource":"*"`), Fail, "(its principal is *, and no condition holds anybody back); by the policy these may take"},
		{"another account may change it", with(rule, `,{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":["sqs:SetQueueAttributes","sqs:AddPermission"],"Resource":"*"}`), Fail, "the account 999988887777 (SetQueueAttributes, AddPermission)"},
		{"a service may take", with(rule, takes(service, `"sqs:ReceiveMessage"`, "")), Unknown, "read statement 2 of the queue's policy: can strangers take deletions out of the queue, or change it?"},
		{"a service may delete", with(rule, takes(service, `"sqs:DeleteMessage"`, "")), Unknown, "read statement 2 of"},
		{"a service may purge", with(rule, takes(service, `"sqs:PurgeQueue"`, "")), Unknown, "read statement 2 of"},
		{"a service may change it", with(rule, takes(service, `"sqs:SetQueueAttributes"`, "")), Unknown, "read statement 2 of"},
		{"a service may do all, over TLS", with(rule, takes(service, `"sqs:*"`, `,"Condition":{"Bool":{"aws:SecureTransport":"true"}}`)), Fail, "lambda.amazonaws.com for any rule or topic of any account"},
		{"a service may take, and people are denied", with(rule, takes(service, `"sqs:ReceiveMessage"`, "")+`,{"Effect":"Deny","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*","Condition":{"Bool":{"aws:PrincipalIsAWSService":"false"}}}`), Unknown, "read statement 2 of"},
		{"a service may take, for an account of ours", with(rule, takes(service, `"sqs:ReceiveMessage"`, `,"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}`)), OK, "only " + ruleARN},
		{"a service may take, for a rule of ours", with(rule, takes(events, `"sqs:*"`, source("ArnEquals", `"`+ruleARN+`"`))), OK, "only " + ruleARN},
		{"a service may take, for a stranger's account", with(rule, takes(service, `"sqs:ReceiveMessage"`, `,"Condition":{"StringEquals":{"aws:SourceAccount":"999988887777"}}`)), Unknown, "read statement 2 of"},
		{"a service may take, for a bucket too", with(rule, takes(service, `"sqs:ReceiveMessage"`, source("ArnEquals", `["`+ruleARN+`","arn:aws:s3:::trail-logs"]`))), Unknown, "read statement 2 of"},
		{"any service may take, for a stranger's topic", with(rule, takes(anyone, `"sqs:ReceiveMessage"`, source("ArnEquals", `"arn:aws:sns:eu-west-1:999988887777:t"`))), Unknown, "read statement 2 of"},
		{"a role may take, for a stranger's topic, which it never has", with(rule, takes(`"Principal":{"AWS":"999988887777"}`, `"sqs:ReceiveMessage"`, source("ArnEquals", `"arn:aws:sns:eu-west-1:999988887777:t"`))), OK, "only " + ruleARN},
		{"the world may receive from another queue", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:ReceiveMessage","Resource":"`+queueARN+`-2"}`), OK, "only " + ruleARN},
		{"the world may read attributes", with(rule, `,{"Effect":"Allow","Principal":"*","Action":["sqs:GetQueueAttributes","sqs:GetQueueUrl"],"Resource":"*"}`), OK, "only " + ruleARN},
		{"our own roles and accounts may receive", with(rule, `,{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/flowkeeper","arn:aws:iam::444455556666:root"]},"Action":"sqs:ReceiveMessage","Resource":"*"}`), OK, "only " + ruleARN},
		{"a role may receive, by a condition", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:ReceiveMessage","Resource":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/flowkeeper"}}}`), Unknown, "read statement 2 of"},
		{"the world may delete, over TLS only", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:DeleteMessage","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`), Fail, "(DeleteMessage)"},
		{"the world may purge, and a Deny to an account by a condition", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"222233334444"},"Bool":{"aws:PrincipalIsAWSService":"false"}}}`), Unknown, "read statement 3 of"},
		{"the world may purge, and a Deny to all", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*"}`), Unknown, "read statement 3 of"},
		{"the world may purge, and a Deny to an account", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*"},{"Effect":"Deny","Principal":{"AWS":"222233334444"},"Action":"sqs:*","Resource":"*"}`), Fail, "(PurgeQueue)"},
		{"the world may purge, and a Deny outside the account", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*"},{"Sid":"Outside","Effect":"Deny","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}`), Unknown, "read statement 3 (Outside) of"},
		{"the world may purge and delete, and a Deny of purging", with(rule, `,{"Effect":"Allow","Principal":"*","Action":["sqs:PurgeQueue","sqs:DeleteMessage"],"Resource":"*"},{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"sqs:PurgeQueue","Resource":"*"}`), Unknown, "read statement 3 of"},
		{"the own account alone", allow(`"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`), Fail, "no rule and no topic may send, but every principal of account 111122223333"},
		{"a role", with(allow(events+source("ArnEquals", `"`+ruleARN+`"`)),
			`,{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*","Principal":{"AWS":"arn:aws:iam::111122223333:role/replay"}}`), Warn, "role/replay"},

		{"anybody, but all others are denied", with(allow(anyone), denyOthers), OK, "only " + ruleARN},
		{"the account, but all others are denied", with(allow(`"Principal":{"AWS":"111122223333"}`), denyOthers), Fail, "lets nobody send"},
		{"a Deny with a second condition leaves others", with(allow(anyone), strings.Replace(denyOthers, `"Condition":{`, `"Condition":{"Bool":{"aws:SecureTransport":false},`, 1)), Fail, "everybody"},
		{"a Deny to one leaves others", with(allow(anyone), strings.Replace(denyOthers, `"Principal":"*"`, `"Principal":{"AWS":"222233334444"}`, 1)), Fail, "everybody"},

		{"a Deny of everything", with(rule, `,{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*"}`), Fail, "lets nobody send: statement 2 denies it to everybody"},
		{"a Deny to the service", with(rule, denyService), Fail, "lets nobody send (denied by statement 2)"},
		{"a Deny to the service, with any principal in the Allow", with(allow(anyone+source("ArnEquals", `"`+ruleARN+`"`)), denyService), Fail, "lets nobody send (denied by statement 2)"},
		{"a Deny to the service that is all that is left", with(allow(anyone), denyOthers+denyService), Fail, "lets nobody send (denied by statement 2, statement 3)"},
		{"a Deny to all but another rule", with(rule, deny("ArnNotEquals", "-2")), Fail, "lets nobody send"},
		{"a Deny of the rule", with(rule, deny("ArnEquals", "")), Unknown, "read statement 2 of"},
		{"a Deny of another rule", with(rule, deny("ArnEquals", "-2")), Unknown, "read statement 2 of"},
		{"two Denies leave what neither is about", with(allow(anyone), denyOthers+deny("ArnNotEquals", "-2")), Unknown, "read statement 3 of"},
		{"two Denies leave what both leave", with(allow(anyone), denyOthers+strings.Replace(deny("ArnNotLike", "-2"), "-2", "*", 1)), Unknown, "read statement 3 of"},
		{"a Deny that needs a source", with(allow(anyone), deny("ForAnyValue:ArnNotEquals", "")), Unknown, "read statement 2 of"},
		{"a Deny with two keys", with(allow(anyone), strings.Replace(denyOthers, `"aws:SourceArn":`, `"aws:PrincipalAccount":"999988887777","aws:SourceArn":`, 1)), Unknown, "read statement 2 of"},
		{"a Deny with one key twice", with(rule, strings.Replace(denyOthers, `"aws:SourceArn":`, `"AWS:SourceArn":"`+ruleARN+`-2","aws:SourceArn":`, 1)), Unknown, "read statement 2 of"},
		{"a Deny to everybody but one", with(rule, `,{"Sid":"Odd","Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"sqs:*","Resource":"*"}`), Unknown, "(Odd)"},
		{"a Deny to people outside", with(rule, `,{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"},"Bool":{"aws:PrincipalIsAWSService":"false"}}}`), OK, "only " + ruleARN},
		{"a Deny that spares a role", with(rule, strings.Replace(denyOthers, `"aws:SourceArn":`, `"aws:PrincipalArn":"arn:aws:iam::111122223333:role/replay","aws:SourceArn":`, 1)), OK, "only " + ruleARN + ", " + replayARN + " may"},
		{"a Deny that spares a stranger", with(rule, strings.Replace(denyOthers, `"aws:SourceArn":`, `"aws:PrincipalArn":"arn:aws:iam::999988887777:role/replay","aws:SourceArn":`, 1)), Warn, "999988887777"},
		{"a variable in the queue's name", with(rule, `,{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"arn:aws:sqs:*:${aws:PrincipalAccount}:*"}`), Unknown, "read statement 2 of"},
		{"a variable in the rule's name", allow(events + source("ArnLike", `"`+ruleARN+`${aws:PrincipalTag/x}"`)), Unknown, "read statement 1 of"},
		{"a pattern that StringNotEquals takes for a name", with(allow(anyone), deny("StringNotEquals", "*")), Unknown, "read statement 2 of"},

		{"a Deny to a role with a condition", with(rule, `,{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:role/intern"},"Action":"sqs:*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}}`), OK, "only " + ruleARN},
		{"a Deny to the service with a condition", with(rule, `,{"Effect":"Deny","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:*","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"`+ruleARN+`-2"}}}`), Unknown, "read statement 2 of"},
		{"two conditions on the source", allow(events + `,"Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"},"StringEquals":{"aws:SourceArn":"` + ruleARN + `-2"}}`), Unknown, "read statement 1 of"},
		{"a federated principal", with(rule, `,{"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"sqs:SendMessage","Resource":"*"}`), Unknown, "read statement 2 of"},
		{"another service's principal", allow(`"Principal":{"Service":"sns.amazonaws.com"}` + source("ArnEquals", `"`+ruleARN+`"`)), Fail, "lets nobody send"},
		{"an account's principal", allow(`"Principal":{"AWS":"111122223333"}` + source("ArnEquals", `"`+ruleARN+`"`)), Unknown, "read statement 1 of"},
		{"the rule, with another source account", allow(events + `,"Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"},"StringEquals":{"aws:SourceAccount":"999988887777"}}`), Fail, "lets nobody send"},
		{"the rule, with its source account", allow(events + `,"Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"},"StringEquals":{"aws:SourceAccount":"111122223333"},"Bool":{"aws:SecureTransport":"true"}}`), OK, "only " + ruleARN},
		{"the rule by any principal, with another source account", allow(anyone + `,"Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"},"StringEquals":{"aws:SourceAccount":"999988887777"}}`), Fail, "lets nobody send"},
		{"a bucket's pattern with its source account, as in S3's manual", allow(`"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:trail-logs"},"StringEquals":{"aws:SourceAccount":"111122223333"}}`), Warn, "whatever matches arn:aws:s3:*:*:trail-logs, of account 111122223333"},
		{"the rule, from some addresses", allow(events + `,"Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"},"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`), Unknown, "read statement 1 of"},
		{"a stranger's rule", with(rule, `,{"Effect":"Allow",`+events+`,"Action":"sqs:SendMessage","Resource":"*"`+source("ArnEquals", `"arn:aws:events:eu-west-1:666666666666:rule/evil"`)+`}`), Warn, "account 666666666666"},
		{"rules of any Region", allow(events + source("ArnLike", `"arn:aws:events:*:111122223333:rule/flowkeeper"`)), Warn, "more than one rule"},
		{"any principal", allow(anyone + `,"Condition":{"StringLike":{"aws:PrincipalArn":"*"}}`), Unknown, "read statement 1 of"},
		{"any organisation", allow(anyone + `,"Condition":{"StringLike":{"aws:PrincipalOrgID":"o-*"}}`), Unknown, "read statement 1 of"},
		{"the service for any account", allow(events + `,"Condition":{"StringLike":{"aws:SourceAccount":"*"}}`), Unknown, "read statement 1 of"},
		{"some addresses", with(rule, `,{"Effect":"Allow",`+anyone+`,"Action":"sqs:SendMessage","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`), Unknown, "read statement 2 of"},
		{"all addresses", allow(anyone + `,"Condition":{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/0"]}}`), Unknown, "read statement 1 of"},
		{"only a role", allow(`"Principal":{"AWS":"arn:aws:iam::111122223333:role/replay"}`), Fail, "no rule and no topic may send, but arn:aws:iam::111122223333:role/replay"},
	} {
		out = append(out, policyCase{name: c.name, policy: c.policy, known: known, want: c.want, says: c.says})
	}
	return out
}

// TestAdviceAboutABucket: if a statement lets a bucket send without aws:SourceAccount, the advice is to add this
// condition. Better can't add it, because the ARN of a bucket has no account, so its policy must have no such
// statement.
func TestAdviceAboutABucket(t *testing.T) {
	t.Parallel()
	for _, c := range strangePolicies() {
		v := Judge(c.policy, queueARN, c.known)
		if strings.Contains(v.Text, "of whatever account") != strings.Contains(v.Fix, "add aws:SourceAccount") {
			t.Errorf("%s: %s, %q", c.name, v.Text, v.Fix)
		}
		if better, ok := Better(c.policy, queueARN, c.known); ok && strings.Contains(better, "arn:aws:s3") {
			t.Errorf("%s: %s", c.name, better)
		}
	}
}

// policiesOfRules returns policies that are judged with the rules that should send.
func policiesOfRules() (out []policyCase) {
	owner := `{"Sid":"__owner_statement","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"SQS:*","Resource":"` + queueARN + `"}`
	statement := func(arns ...string) string {
		b, _ := onlyFrom(queueARN, arns, nil)[0].MarshalJSON()
		return string(b)
	}
	policy := func(statements ...string) string { return `{"Statement":[` + strings.Join(statements, ",") + `]}` }
	account := `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}`
	pattern := func(arn, account string) string {
		return `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"` + arn + `"},"StringEquals":{"aws:SourceAccount":"` + account + `"}}}`
	}
	onlyTheRule := `{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnNotEquals":{"aws:SourceArn":"` + ruleARN + `"}}}`
	known := Sources{Rules: []string{ruleARN}}
	out = []policyCase{
		{"a pattern, in the account", policy(pattern("arn:aws:events:*:*:rule/flowkeeper", "111122223333")), known, Warn, "of account 111122223333", ""},
		{"a pattern, in another account", policy(pattern("arn:aws:events:*:*:rule/flowkeeper", "999988887777")), known, Fail, "not " + ruleARN, ""},
		{"a pattern, in another account, and all else denied", policy(pattern("arn:aws:events:*:*:rule/flowkeeper", "999988887777"), onlyTheRule), known, Fail, "lets nobody send", ""},
		{"any ARN, in another account, and all else denied", policy(pattern("*", "999988887777"), onlyTheRule), known, Unknown, "read statement 1 of", ""},
		{"a pattern, in the account, and all else denied", policy(pattern("arn:aws:events:*:*:rule/*", "111122223333"), onlyTheRule), known, OK, "only " + ruleARN, ""},
		{"a pattern, in two accounts", policy(strings.Replace(pattern("arn:aws:events:*:*:rule/flowkeeper", "999988887777"), `"999988887777"`, `["999988887777","111122223333"]`, 1)), known, Warn, "of account 999988887777; whatever matches arn:aws:events:*:*:rule/flowkeeper, of account 111122223333", ""},
		{"both", policy(statement(ruleARN, ruleARN+"-2")), Sources{Rules: []string{ruleARN, ruleARN + "-2"}}, OK, "only " + ruleARN + ", " + ruleARN + "-2", ""},
		{"one of two", policy(statement(ruleARN)), Sources{Rules: []string{ruleARN, ruleARN + "-2"}}, Fail, "not " + ruleARN + "-2", ""},
		{"one of two, and the owner", policy(statement(ruleARN), owner), Sources{Rules: []string{ruleARN, ruleARN + "-2"}}, Fail, "not " + ruleARN + "-2", ""},
		{"one, twice", policy(statement(ruleARN), statement(ruleARN)), Sources{Rules: []string{ruleARN}}, OK, "only " + ruleARN + " may send", ""},
		{"by the account", policy(account), Sources{Rules: []string{ruleARN}}, Warn, "anything of account 111122223333", ""},
		{"by a role", policy(statement(ruleARN)), Sources{Rules: []string{ruleARN}, ByRole: map[string]string{ruleARN + "-2": senderARN}}, Unknown, "as a role", ""},
		{"by a role alone", policy(owner), Sources{ByRole: map[string]string{ruleARN: senderARN}}, Warn, "every principal", ""},
		{"all may", policy(`{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}`), Sources{Rules: []string{ruleARN}}, Fail, "these may send: everybody", ""},
	}
	for n := range out {
		out[n].known.Ours = []string{"111122223333"}
	}
	return out
}

// TestBetterKeepsTheKnownSenders: the policy that Better returns allows all known sources to send. It keeps the old
// policy's statements about other actions, and drops an attacker's Deny. If it could take access from somebody, Better
// returns none.
func TestBetterKeepsTheKnownSenders(t *testing.T) {
	t.Parallel()
	ours := []string{"111122223333", "222233334444"}
	stmt := func(principal, action, condition string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":"` + action + `","Resource":"` + queueARN + `"` + condition + `}`
	}
	from := func(arn string) string { return `,"Condition":{"ArnEquals":{"aws:SourceArn":"` + arn + `"}}` }
	const events, sns = `{"Service":"events.amazonaws.com"}`, `{"Service":"sns.amazonaws.com"}`
	owner := stmt(`{"AWS":"arn:aws:iam::111122223333:root"}`, "SQS:*", "")
	reader := stmt(`{"AWS":"arn:aws:iam::222233334444:role/flowkeeper"}`, "sqs:ReceiveMessage", "")
	tls := `{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
	attack := `{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*"}`
	intern := `{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:role/intern"},"Action":"sqs:*","Resource":"*"}`
	const replay = "arn:aws:iam::111122223333:role/replay"
	spares := `{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnNotEquals":{"aws:SourceArn":"` + ruleARN + `","aws:PrincipalArn":"` + replay + `"}}}`
	for _, c := range []struct {
		name       string
		statements []string
		known      Sources
		may        []string // who may send by the new policy; nil: Better returns none
		stays      []string // statements that the new policy keeps
	}{
		{"two rules", []string{stmt(events, sendMessage, from(ruleARN)), owner}, Sources{Rules: []string{ruleARN, ruleARN + "-2"}, All: true}, []string{ruleARN, ruleARN + "-2"}, []string{owner}},
		{"a topic", []string{stmt(sns, sendMessage, from(topicARN)), owner, tls}, Sources{All: true}, []string{topicARN}, []string{owner, tls}},
		{"a topic and a rule", []string{stmt(sns, sendMessage, from(topicARN))}, Sources{Rules: []string{ruleARN}, All: true}, []string{ruleARN, topicARN}, nil},
		{"a topic, where one Region has to be enabled", []string{stmt(`{"Service":"sns.af-south-1.amazonaws.com"}`, sendMessage, from(topicARN))}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"rules that could not be asked for", []string{stmt(events, sendMessage, from(ruleARN)), owner}, Sources{}, []string{ruleARN}, nil},
		{"an attacker's Deny", []string{stmt(events, sendMessage, from(ruleARN)), reader, attack}, Sources{Rules: []string{ruleARN}, All: true}, []string{ruleARN}, []string{reader}},
		{"a Deny spares a role", []string{stmt(events, sendMessage, from(ruleARN)), spares}, Sources{Rules: []string{ruleARN, ruleARN + "-2"}, All: true}, []string{ruleARN, ruleARN + "-2", replay}, nil},
		{"a Deny to one role", []string{stmt(events, sendMessage, from(ruleARN)), owner, intern}, Sources{Rules: []string{ruleARN}, All: true}, []string{ruleARN}, []string{owner, intern}},
		{"a Deny to the service", []string{stmt(events, sendMessage, from(ruleARN)), strings.Replace(intern, `"AWS":"arn:aws:iam::111122223333:role/intern"`, `"Service":"events.amazonaws.com"`, 1)}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"a bucket of whatever account announces", []string{stmt(events, sendMessage, from(ruleARN)), owner, stmt(`{"Service":"s3.amazonaws.com"}`, sendMessage, from("arn:aws:s3:::trail"))}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"everybody may do all", []string{stmt(`"*"`, "sqs:*", ""), reader}, Sources{Rules: []string{ruleARN}, All: true}, []string{ruleARN}, []string{reader}},
		{"everybody may receive", []string{stmt(events, sendMessage, from(ruleARN)), stmt(`"*"`, "sqs:ReceiveMessage", ""), stmt(`"*"`, "sqs:GetQueueUrl", "")}, Sources{All: true}, []string{ruleARN}, []string{stmt(`"*"`, "sqs:GetQueueUrl", "")}},
		{"everybody and a named role may receive", []string{stmt(`{"AWS":["*","arn:aws:iam::222233334444:role/flowkeeper"]}`, "sqs:ReceiveMessage", "")}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"everybody may receive, perhaps we by that alone", []string{stmt(`"*"`, "sqs:ReceiveMessage", "")}, Sources{Rules: []string{ruleARN}, All: true, Self: "444455556666"}, nil, nil},
		{"an organisation may receive", []string{stmt(`"*"`, "sqs:ReceiveMessage", `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`)}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"an attacker's Deny hides an open Allow", []string{stmt(`{"AWS":["*","arn:aws:iam::222233334444:role/flowkeeper"]}`, "sqs:*", ""), attack}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"all is denied but sending", []string{stmt(events, sendMessage, from(ruleARN)), stmt(`"*"`, "sqs:ReceiveMessage", ""), `{"Effect":"Deny","Principal":"*","NotAction":"sqs:SendMessage","Resource":"*"}`}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"no policy", nil, Sources{Rules: []string{ruleARN}, All: true}, []string{ruleARN}, nil},
		{"no policy, and no rule", nil, Sources{All: true}, nil, nil},
		{"everybody may send, the rules are unknown", []string{stmt(`"*"`, sendMessage, "")}, Sources{Rules: []string{ruleARN}}, nil, nil},
		{"one of an organisation sends", []string{stmt(events, sendMessage, from(ruleARN)), stmt(`"*"`, sendMessage, `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"},"ArnEquals":{"aws:PrincipalArn":"`+senderARN+`"}}`), owner}, Sources{Rules: []string{ruleARN}, All: true}, nil, nil},
		{"one sends as a role", []string{stmt(events, sendMessage, from(ruleARN)), owner}, Sources{Rules: []string{ruleARN}, ByRole: map[string]string{ruleARN + "-2": senderARN}, All: true}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.known.Ours, c.known.Self = ours, cmp.Or(c.known.Self, "111122223333")
			old := ""
			if c.statements != nil {
				old = `{"Version":"2012-10-17","Statement":[` + strings.Join(c.statements, ",") + `]}`
			}
			better, ok := Better(old, queueARN, c.known)
			if ok != (c.may != nil) {
				t.Errorf("returns a policy: %v, want %v: %s", ok, c.may != nil, better)
			}
			if !ok {
				return
			}
			c.known.Rules = slices.DeleteFunc(slices.Clone(c.may), func(s string) bool { return s == replay })
			if f := Judge(better, queueARN, c.known); f.Status != OK || f.Text != "only "+strings.Join(c.may, ", ")+" may send" {
				t.Errorf("the new policy is judged %s, %s", f.Status, f.Text)
			}
			for _, s := range c.stays {
				if !strings.Contains(better, s) {
					t.Errorf("%s is lost in %s", s, better)
				}
			}
			if strings.Contains(better, attack) {
				t.Errorf("the attacker's Deny stays in %s", better)
			}
		})
	}
}

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "anything", true}, {"a*c", "abc", true}, {"a*c", "abcd", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*a*b", "xaxxb", true}, {"sqs:*", "sqs:sendmessage", true}, {"a", "", false}, {"", "a", false}, {"**", "x", true}, {"*ab", "aab", true},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 5000), false}, // a naive matcher would never end
	} {
		t.Run(fmt.Sprintf("%.20q of %.20q", c.pattern, c.text), func(t *testing.T) {
			t.Parallel()
			if got := glob(c.pattern, c.text); got != c.want {
				t.Errorf("%q matches %q: %v", c.text, c.pattern, got)
			}
		})
	}
}
