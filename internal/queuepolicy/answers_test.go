package queuepolicy

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write testdata/answers.txt")

// TestQueuePolicies judges each policy and compares every answer, word by word, with
// testdata/answers.txt, so that a change of the rules shows which answers change.
// `go test ./internal/queuepolicy -run TestQueuePolicies -update` writes the file.
func TestQueuePolicies(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, group := range []struct {
		title string
		cases []policyCase
	}{
		{"Without a rule that was found", strangePolicies()},
		{"With rules that were found", policiesOfRules()},
		{"With rules that send as a role", policiesOfRoles()},
		{"With patterns across the parts of ARNs", policiesOfParts()},
		{"Of receiving by ourselves", policiesOfReceiving()},
		{"Of deploy/ and of AWS's console", deployedPolicies(t)},
	} {
		fmt.Fprintf(&got, "# %s\n", group.title)
		for _, c := range group.cases {
			v := Judge(c.policy, cmp.Or(c.queue, queueARN), c.known)
			fmt.Fprintf(&got, "%s: %s: %s\n", c.name, v.Status, v.Text)
			if v.Status != cmp.Or(c.want, v.Status) || !strings.Contains(v.Text, c.says) {
				t.Errorf("%s: %s, %q; want %s, %q", c.name, v.Status, v.Text, c.want, c.says)
			}
		}
	}
	file := filepath.Join("testdata", "answers.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Split(got.String(), "\n")
	for n, line := range strings.Split(string(want), "\n") {
		if n >= len(have) || have[n] != line {
			t.Fatalf("line %d of %s is %q, but the answer is now %q", n+1, file, line, have[min(n, len(have)-1)])
		}
	}
	if got.Len() != len(want) {
		t.Errorf("%s has fewer lines than there are answers (%d)", file, len(have))
	}
}

const deadARN, replayARN = queueARN + "-dead", "arn:aws:iam::111122223333:role/replay"

// deployedPolicies returns the policies that the files in deploy/ and AWS's console create.
func deployedPolicies(t *testing.T) []policyCase {
	t.Helper()
	known := Sources{Rules: []string{ruleARN}, Ours: []string{"111122223333"}, Self: "111122223333"}
	byMembers := known
	byMembers.ByRole = map[string]string{"arn:aws:events:eu-west-1:222233334444:rule/flowkeeper-forward": senderARN}
	archived := known
	archived.Ours = []string{"111122223333", "222233334444"}
	byTopic := Sources{Ours: []string{"111122223333", "222233334444"}, Self: "111122223333"}
	console := func(statements ...string) string {
		return `{"Version":"2012-10-17","Id":"__default_policy_ID","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	statement := func(sid, principal, action, condition string) string {
		return `{"Sid":"` + sid + `","Effect":"Allow","Principal":` + principal + `,"Action":` + action + `,"Resource":"` + queueARN + `"` + condition + `}`
	}
	owner := statement("__owner_statement", `{"AWS":"arn:aws:iam::111122223333:root"}`, `"SQS:*"`, "")
	events := statement("AWSEvents_flowkeeper_Id1", `{"Service":"events.amazonaws.com"}`, `"sqs:SendMessage"`, `,"Condition":{"ArnEquals":{"aws:SourceArn":"`+ruleARN+`"}}`)
	topic := statement("topic-subscription-"+topicARN, `{"AWS":"*"}`, `"SQS:SendMessage"`, `,"Condition":{"ArnLike":{"aws:SourceArn":"`+topicARN+`"}}`)
	sender := func(principal string) string {
		return statement("__sender_statement", `{"AWS":`+principal+`}`, `["SQS:SendMessage"]`, "")
	}
	receiver := func(principal string) string {
		return statement("__receiver_statement", `{"AWS":`+principal+`}`, `["SQS:ChangeMessageVisibility","SQS:DeleteMessage","SQS:ReceiveMessage"]`, "")
	}
	const role, other = `"arn:aws:iam::111122223333:role/flowkeeper"`, `"arn:aws:iam::999988887777:root"`
	return []policyCase{
		{name: "deploy/queue-policy.json", policy: deployed(t, "queue-policy.json"), known: known, want: OK},
		{name: "deploy/queue-policy-dead.json", policy: deployed(t, "queue-policy-dead.json"), known: known, queue: deadARN, want: OK},
		{name: "the stack's QueuePolicy", policy: templatePolicy(t, "QueuePolicy", ""), known: known, want: OK},
		{name: "the stack's QueuePolicy, with ReplayRoleArn", policy: templatePolicy(t, "QueuePolicy", replayARN), known: known, want: OK},
		{name: "the stack's QueuePolicy, of an organisation", policy: templatePolicy(t, "QueuePolicy", "", "Direct"), known: byMembers, want: OK},
		{name: "the stack's QueuePolicy, with log files", policy: templatePolicy(t, "QueuePolicy", "", "HasLogTopic", "HasLogBucket"), known: archived, want: OK},
		{name: "the stack's QueuePolicy, with all", policy: templatePolicy(t, "QueuePolicy", replayARN, "Direct", "HasLogTopic", "HasLogBucket"), known: archived, want: OK},
		{name: "the stack's QueuePolicy, without the members", policy: templatePolicy(t, "QueuePolicy", ""), known: byMembers, want: Fail},
		{name: "the stack's DeadLettersPolicy", policy: templatePolicy(t, "DeadLettersPolicy", ""), known: known, queue: deadARN, want: OK},
		{name: "console: a new queue", policy: console(owner), known: known},
		{name: "console: the rule's target", policy: console(events), known: known},
		{name: "console: the rule's target, on a new queue", policy: console(owner, events), known: known},
		{name: "console: another rule's target", policy: console(strings.Replace(events, "rule/flowkeeper", "rule/other", 1)), known: known},
		{name: "console: a topic's subscriber", policy: console(topic), known: byTopic},
		{name: "console: a topic's subscriber, on a new queue", policy: console(owner, topic), known: byTopic},
		{name: "console: everybody sends", policy: console(owner, sender(`"*"`)), known: known},
		{name: "console: everybody receives", policy: console(events, receiver(`"*"`)), known: known},
		{name: "console: a role sends and receives", policy: console(events, sender(role), receiver(role)), known: known},
		{name: "console: an account sends and receives", policy: console(events, sender(other), receiver(other)), known: known},
	}
}

func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// templatePolicy returns a policy of deploy/cloudformation/flowkeeper.yaml as CloudFormation would create it: with
// replays as ReplayRoleArn, and with the template's conditions in hold true.
func templatePolicy(t *testing.T, resource, replays string, hold ...string) string {
	t.Helper()
	var template struct {
		Resources map[string]struct {
			Properties struct {
				PolicyDocument yaml.Node `yaml:"PolicyDocument"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(deployed(t, filepath.Join("cloudformation", "flowkeeper.yaml"))), &template); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"Queue.Arn": queueARN, "DeadLetters.Arn": deadARN, "Rule.Arn": ruleARN, "ReplayRoleArn": replays,
		"OrganizationId": "o-a1b2c3d4e5", "LogTopicArn": topicARN, "LogBucketOwner": "222233334444"}
	if replays != "" {
		hold = append(hold, "Replays")
	}
	named := strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::Region}", "eu-west-1", "${LogBucket}", "org-trail")
	var render func(n *yaml.Node) any
	render = func(n *yaml.Node) any {
		switch {
		case n.Tag == "!GetAtt", n.Tag == "!Ref":
			return values[n.Value]
		case n.Tag == "!Sub":
			return named.Replace(n.Value)
		case n.Tag == "!If" && slices.Contains(hold, n.Content[0].Value):
			return render(n.Content[1])
		case n.Tag == "!If":
			return render(n.Content[2])
		case n.Kind == yaml.MappingNode:
			out := map[string]any{}
			for pair := range slices.Chunk(n.Content, 2) {
				if v := render(pair[1]); v != "" {
					out[pair[0].Value] = v
				}
			}
			return out
		case n.Kind == yaml.SequenceNode:
			out := []any{}
			for _, x := range n.Content {
				if v := render(x); v != "" {
					out = append(out, v)
				}
			}
			return out
		}
		return n.Value
	}
	document := template.Resources[resource].Properties.PolicyDocument
	text, err := json.Marshal(render(&document))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
