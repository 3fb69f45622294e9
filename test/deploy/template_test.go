package deploy_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestTemplatesHaveThePattern: each template with a rule has the event pattern of deploy/eventbridge-pattern.json.
func TestTemplatesHaveThePattern(t *testing.T) {
	t.Parallel()
	var want any
	must(t, json.Unmarshal(read(t, filepath.Join(folder, "eventbridge-pattern.json")), &want))
	for _, name := range withRule {
		pattern := at(template(t, name), "Resources", "Rule", "Properties", "EventPattern")
		if pattern == nil {
			t.Errorf("%s: no rule with a pattern", name)
			continue
		}
		var got any
		must(t, pattern.Decode(&got))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the rule's pattern is %v, want that of deploy/eventbridge-pattern.json", name, got)
		}
	}
}

// TestWhatIsMadeIsProtected: scp-flowkeeper.json protects each named resource that the templates make.
func TestWhatIsMadeIsProtected(t *testing.T) {
	t.Parallel()
	kinds := map[string]struct{ property, arn string }{
		"AWS::SQS::Queue":           {"QueueName", "arn:aws:sqs:*:*:"},
		"AWS::Events::Rule":         {"Name", "arn:aws:events:*:*:rule/"},
		"AWS::CloudWatch::Alarm":    {"AlarmName", "arn:aws:cloudwatch:*:*:alarm:"},
		"AWS::IAM::Role":            {"RoleName", "arn:aws:iam::*:role/"},
		"AWS::IAM::InstanceProfile": {"InstanceProfileName", "arn:aws:iam::*:instance-profile/"},
		"AWS::SNS::Topic":           {"TopicName", "arn:aws:sns:*:*:"},
	}
	var protected []string
	for _, s := range readPolicy(t, "scp-flowkeeper.json").Statement {
		if s.Sid == "TouchFlowkeeper" {
			protected = s.Resource
		}
	}
	seen := map[string]bool{}
	for _, file := range templates {
		resources := at(template(t, file), "Resources")
		for i := 1; i < len(resources.Content); i += 2 {
			kind, ok := kinds[at(resources.Content[i], "Type").Value]
			if !ok {
				continue
			}
			arn := kind.arn + madeName(at(resources.Content[i], "Properties", kind.property))
			seen[at(resources.Content[i], "Type").Value] = true
			if !matched(t, protected, arn) {
				t.Errorf("%s makes %s, which scp-flowkeeper.json does not protect", file, arn)
			}
		}
	}
	if len(seen) != len(kinds) {
		t.Errorf("found named resources of only these kinds: %v", seen)
	}
}

// madeName is the name of a resource in the Region of this test.
func madeName(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return strings.ReplaceAll(n.Value, "${AWS::Region}", region)
}

// TestQueuePoliciesAreOne: the policies of the queues are the same in the files for a setup by hand and in the
// template, except for statements that depend on parameters, which organization_test.go checks.
func TestQueuePoliciesAreOne(t *testing.T) {
	t.Parallel()
	for file, resource := range map[string]string{"queue-policy.json": "QueuePolicy", "queue-policy-dead.json": "DeadLettersPolicy"} {
		same(t, resource+" in flowkeeper.yaml", queuePolicyIn(t, resource), queuePolicyOf(t, file))
	}
}

// queuePolicyOf has a line for each statement of a file.
func queuePolicyOf(t *testing.T, name string) (out []string) {
	t.Helper()
	for _, s := range readPolicy(t, name).Statement {
		out = append(out, fmt.Sprint(s.Sid, s.Effect, s.Action, keys(s.Condition)))
	}
	return out
}

// queuePolicyIn has a line for each statement of a resource in the template.
func queuePolicyIn(t *testing.T, resource string) (out []string) {
	t.Helper()
	for _, s := range at(template(t, "flowkeeper.yaml"), "Resources", resource, "Properties", "PolicyDocument", "Statement").Content {
		if s.Tag == "!If" {
			continue
		}
		condition := map[string]map[string]oneOrMore{}
		for operator, k := range pairs(at(s, "Condition")) {
			condition[operator] = map[string]oneOrMore{}
			for key := range pairs(k) {
				if key != "aws:PrincipalArn" { // depends on the parameter ReplayRoleArn
					condition[operator][key] = nil
				}
			}
		}
		out = append(out, fmt.Sprint(at(s, "Sid").Value, at(s, "Effect").Value, oneOrMore{at(s, "Action").Value}, keys(condition)))
	}
	return out
}

// TestNoQueueOfOthersMovesMessagesToOurs: no other queue may name ours as its dead-letter queue. SQS itself moves
// messages to a dead-letter queue, which needs no permission in that queue's policy, so an attacker could forge
// messages that way.
func TestNoQueueOfOthersMovesMessagesToOurs(t *testing.T) {
	t.Parallel()
	text := string(read(t, "../../docs/setup.md"))
	for resource, want := range map[string]string{"Queue": "denyAll", "DeadLetters": "byQueue"} {
		got := at(template(t, "flowkeeper.yaml"), "Resources", resource, "Properties", "RedriveAllowPolicy", "redrivePermission")
		if got == nil || got.Value != want {
			t.Errorf("flowkeeper.yaml: RedriveAllowPolicy of %s is not %s", resource, want)
		}
		if !strings.Contains(text, `redrivePermission: "`+want+`"`) {
			t.Errorf("docs/setup.md: no queue has %s", want)
		}
	}
}

// TestAlarmsAreTheSameByHand: flowkeeper.yaml and the commands of docs/setup.md make the same alarms. Their actions
// and descriptions are not compared.
func TestAlarmsAreTheSameByHand(t *testing.T) {
	t.Parallel()
	byHand := alarmsByHand(t)
	alarms := 0
	for _, r := range pairs(at(template(t, "flowkeeper.yaml"), "Resources")) {
		if at(r, "Type").Value != "AWS::CloudWatch::Alarm" {
			continue
		}
		alarms++
		want := alarmIn(t, at(r, "Properties"))
		if d := cmp.Diff(want, byHand[want["AlarmName"]]); d != "" {
			t.Errorf("%s: -flowkeeper.yaml +docs/setup.md\n%s", want["AlarmName"], d)
		}
	}
	if alarms != 3 || len(byHand) != alarms {
		t.Errorf("%d alarms in flowkeeper.yaml and %d in docs/setup.md, want 3", alarms, len(byHand))
	}
}

// alarmIn are the properties of an alarm in the template, with the queues' names.
func alarmIn(t *testing.T, properties *yaml.Node) (out map[string]any) {
	t.Helper()
	walk(properties, func(n *yaml.Node) {
		if n.Tag == "!GetAtt" {
			n.Tag, n.Value = "!!str", map[string]string{"Queue.QueueName": "flowkeeper", "DeadLetters.QueueName": "flowkeeper-dead"}[n.Value]
		}
	})
	must(t, properties.Decode(&out))
	for _, left := range []string{"AlarmDescription", "AlarmActions", "OKActions"} {
		delete(out, left)
	}
	return out
}

// alarmsByHand are the alarms that the commands of docs/setup.md make: their properties, by the alarm's name.
func alarmsByHand(t *testing.T) map[any]map[string]any {
	t.Helper()
	out := map[any]map[string]any{}
	text := strings.ReplaceAll(string(read(t, "../../docs/setup.md")), "\\\n", "")
	for _, command := range regexp.MustCompile(`(?m)^aws cloudwatch put-metric-alarm (.*(?:\n .*)*)`).FindAllStringSubmatch(text, -1) {
		alarm := map[string]any{}
		for _, option := range regexp.MustCompile(`(?s)--([a-z-]+) +('.*?'|\S+)`).FindAllStringSubmatch(command[1], -1) {
			words := strings.Split(option[1], "-")
			for i, w := range words {
				words[i] = strings.ToUpper(w[:1]) + w[1:]
			}
			value := regexp.MustCompile(`^Name=(.*),Value=(.*)$`).ReplaceAllString(strings.Trim(option[2], "'"), "[{Name: $1, Value: $2}]")
			var set any
			must(t, yaml.Unmarshal([]byte(value), &set))
			alarm[strings.Join(words, "")] = set
		}
		delete(alarm, "AlarmActions")
		out[alarm["AlarmName"]] = alarm
	}
	return out
}

// TestDoctorsPolicyIsOne: the doctor may read the same by hand and by template.
func TestDoctorsPolicyIsOne(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"flowkeeper.yaml", "flowkeeper-member.yaml"} {
		same(t, file, allowedIn(t, file, "DoctorPolicy", "PolicyDocument"), allowed(t, "iam-policy-doctor.json"))
	}
}

func pairs(n *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	for i := 0; n != nil && i < len(n.Content); i += 2 {
		out[n.Content[i].Value] = n.Content[i+1]
	}
	return out
}

// keys are the operators of a condition, with the keys that they test.
func keys(condition map[string]map[string]oneOrMore) (out []string) {
	for operator, k := range condition {
		for key := range k {
			out = append(out, operator+" "+key)
		}
	}
	return sorted(out)
}

// TestSetupNamesTheParameters: docs/setup.md and docs/organization.md name every parameter of the templates, and
// none that no template has.
func TestSetupNamesTheParameters(t *testing.T) {
	t.Parallel()
	text := string(read(t, "../../docs/setup.md")) + string(read(t, "../../docs/organization.md"))
	known := map[string]bool{}
	for _, file := range templates {
		for name := range pairs(at(template(t, file), "Parameters")) {
			known[name] = true
			if !strings.Contains(text, name) {
				t.Errorf("%s: neither docs/setup.md nor docs/organization.md names its parameter %s", file, name)
			}
		}
	}
	given := regexp.MustCompile(`[ \n]([A-Z][a-z][a-zA-Z]+)=`).FindAllStringSubmatch(text, -1)
	for _, g := range given {
		if !known[g[1]] && !slices.Contains([]string{"Name", "Value", "Id", "Arn", "MessageRetentionPeriod", "Enabled", "Active", "OrganizationalUnitIds", "RegionConcurrencyType"}, g[1]) {
			t.Errorf("docs/setup.md or docs/organization.md gives %s, a parameter of no template", g[1])
		}
	}
	if len(given) < 8 {
		t.Errorf("the pages set only the parameters %v", given)
	}
}
