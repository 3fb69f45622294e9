package deploy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"flowkeeper/remediate/incident"
)

// delegated are permissions that AWS uses in Flowkeeper's name, and that an attacker who takes over the machine
// could misuse. Each has the only condition, and the only resources, with which a policy may allow it.
var delegated = map[string]struct {
	condition map[string]map[string]oneOrMore
	resources []string // each resource must begin with one of these
}{
	"firehose:TagDeliveryStream": {map[string]map[string]oneOrMore{
		"StringEquals":              {"aws:RequestTag/LogDeliveryEnabled": {"true"}},
		"ForAllValues:StringEquals": {"aws:TagKeys": {"LogDeliveryEnabled"}},
	}, []string{"arn:aws:firehose:*:*:deliverystream/"}},
	"iam:CreateServiceLinkedRole": {map[string]map[string]oneOrMore{
		"StringEquals": {"iam:AWSServiceName": {"delivery.logs.amazonaws.com", "vpc-flow-logs.amazonaws.com"}},
	}, []string{"arn:aws:iam::*:role/aws-service-role/delivery.logs.amazonaws.com/", "arn:aws:iam::*:role/aws-service-role/vpc-flow-logs.amazonaws.com/"}},
}

// TestDelegatedPermissionsHaveConditions: a policy lets Flowkeeper tag a delivery stream only as AWS tags those of
// flow logs, and create service-linked roles only for the services that deliver them. Otherwise whoever takes over
// the daemon could tag streams, or create roles, at will.
func TestDelegatedPermissionsHaveConditions(t *testing.T) {
	t.Parallel()
	for name, p := range rolePolicies(t) {
		found := 0
		for _, s := range p.Statement {
			for _, action := range s.Action {
				want, is := delegated[action]
				if strings.HasPrefix(action, "ecs:") && !strings.HasPrefix(action, "ecs:List") {
					t.Errorf("%s allows %s, want List actions of ECS only", name, action)
				}
				if !is || s.Effect != "Allow" {
					continue
				}
				found++
				if d := cmp.Diff(want.condition, s.Condition); d != "" {
					t.Errorf("%s: conditions of %s, -want +got: %s", name, action, d)
				}
				for _, r := range s.Resource {
					if !hasPrefix(r, want.resources) {
						t.Errorf("%s allows %s on %s, want only %v", name, action, r, want.resources)
					}
				}
			}
		}
		if found != len(delegated) {
			t.Errorf("%s allows %d of the %d delegated permissions", name, found, len(delegated))
		}
	}
}

// TestOnlyItsOwnFlowLogsAreTagged: a policy lets Flowkeeper set tags when it creates flow logs, and later on flow
// logs with Flowkeeper's own tag, which proves that it made them. It can tag nothing else.
func TestOnlyItsOwnFlowLogsAreTagged(t *testing.T) {
	t.Parallel()
	want := []map[string]map[string]oneOrMore{
		{"StringEquals": {"ec2:CreateAction": {"CreateFlowLogs"}}},
		{"Null": {"aws:ResourceTag/" + incident.RestoredFrom: {"false"}}},
	}
	for name, p := range rolePolicies(t) {
		var got []map[string]map[string]oneOrMore
		for _, s := range p.Statement {
			if s.Effect == "Allow" && slices.Contains(s.Action, "ec2:CreateTags") {
				got = append(got, s.Condition)
				if !cmp.Equal(s.Resource, oneOrMore{"arn:aws:ec2:*:*:vpc-flow-log/*"}) {
					t.Errorf("%s, %s allows ec2:CreateTags on %v, want flow logs only", name, s.Sid, s.Resource)
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// TestRolesArePoliciesByHand: a statement that a template and the policy file for a setup by hand have in common is
// the same in both, with its conditions.
func TestRolesArePoliciesByHand(t *testing.T) {
	t.Parallel()
	all := rolePolicies(t)
	byHand := map[string]statement{}
	for _, s := range all["iam-policy.json"].Statement {
		byHand[s.Sid] = s
	}
	for _, name := range []string{"flowkeeper.yaml", "flowkeeper-member.yaml"} {
		same := 0
		for _, s := range all[name].Statement {
			want, ok := byHand[s.Sid]
			if !ok || len(s.Resource) == 0 || s.Sid == "ReadTheQueue" {
				continue // it depends on a parameter, or on a resource of the template
			}
			same++
			if d := cmp.Diff(want, s); d != "" {
				t.Errorf("%s, %s: -by hand +template\n%s", name, s.Sid, d)
			}
		}
		if same < 8 {
			t.Errorf("%s has %d statements in common with iam-policy.json, want at least 8", name, same)
		}
	}
}

// TestDeliveryRolesArePassedAlike: the templates of the queue's account and of the other accounts let Flowkeeper
// pass the same delivery roles, given by the same parameters: by ARN, or by name.
func TestDeliveryRolesArePassedAlike(t *testing.T) {
	t.Parallel()
	passed := map[string][]string{}
	for _, name := range []string{"flowkeeper.yaml", "flowkeeper-member.yaml"} {
		whole := template(t, name)
		for _, parameter := range []string{"DeliveryRoleArns", "DeliveryRoleName"} {
			p := at(whole, "Parameters", parameter)
			passed[name] = append(passed[name], parameter+": "+asYAML(t, at(p, "Type"))+asYAML(t, at(p, "AllowedPattern"))+asYAML(t, at(p, "Default")))
		}
		for _, condition := range []string{"PassesRoles", "PassesNamedRole"} {
			passed[name] = append(passed[name], condition+": "+asYAML(t, at(whole, "Conditions", condition)))
		}
		walk(at(whole, "Resources", "Role", "Properties", "Policies"), func(n *yaml.Node) {
			if n.Tag != "!If" {
				return
			}
			if action := at(n.Content[1], "Action"); action != nil && action.Value == "iam:PassRole" {
				passed[name] = append(passed[name], asYAML(t, n))
			}
		})
	}
	if n := len(passed["flowkeeper.yaml"]); n != 6 {
		t.Errorf("flowkeeper.yaml has %d parameters, conditions and statements about delivery roles, want two of each: %q", n, passed["flowkeeper.yaml"])
	}
	if d := cmp.Diff(passed["flowkeeper-member.yaml"], passed["flowkeeper.yaml"]); d != "" {
		t.Errorf("-flowkeeper-member.yaml +flowkeeper.yaml\n%s", d)
	}
}

// asYAML is a part of a template as text; empty if there is no such part.
func asYAML(t *testing.T, n *yaml.Node) string {
	t.Helper()
	if n == nil {
		return ""
	}
	text, err := yaml.Marshal(n)
	must(t, err)
	return string(text)
}

// rolePolicies are the policies of Flowkeeper's roles, by file.
func rolePolicies(t *testing.T) map[string]policy {
	t.Helper()
	out := map[string]policy{"iam-policy.json": readPolicy(t, "iam-policy.json")}
	for _, name := range []string{"flowkeeper.yaml", "flowkeeper-member.yaml"} {
		var p policy
		walk(at(template(t, name), "Resources", "Role", "Properties", "Policies"), func(n *yaml.Node) {
			if at(n, "Effect") == nil {
				return
			}
			var plain any
			walk(n, func(part *yaml.Node) {
				switch part.Tag {
				case "!Sub":
					part.Tag, part.Value = "!!str", strings.ReplaceAll(part.Value, "${AWS::Partition}", "aws")
				case "!Ref", "!GetAtt":
					part.Tag, part.Value = "!!seq", ""
					part.Kind = yaml.SequenceNode
				}
			})
			must(t, n.Decode(&plain))
			text, err := json.Marshal(plain)
			must(t, err)
			var s statement
			must(t, json.Unmarshal(text, &s))
			p.Statement = append(p.Statement, s)
		})
		out[name] = p
	}
	return out
}

// TestOnlyFlowkeeperWritesItsCopies: the policy of the bucket with copies of the state file allows Flowkeeper's
// role exactly its calls. It denies everybody else to write there, and to delete versions: a forged copy would
// decide what is restored.
func TestOnlyFlowkeeperWritesItsCopies(t *testing.T) {
	t.Parallel()
	var allows, denied []string
	for _, s := range readPolicy(t, "bucket-policy-backup.json").Statement {
		switch spared := s.Condition["ArnNotEquals"]["aws:PrincipalArn"]; {
		case s.Effect == "Allow":
			allows = append(allows, s.Action...)
		case len(spared) > 0 && !cmp.Equal(spared, oneOrMore{"arn:aws:iam::111122223333:role/flowkeeper"}):
			t.Errorf("%s exempts %v, want only Flowkeeper's role", s.Sid, spared)
		case len(s.Condition) == 0 || len(spared) > 0:
			denied = append(denied, s.Action...)
		}
	}
	var calls []string
	for _, s := range readPolicy(t, "iam-policy.json").Statement {
		if s.Sid == "OnlyWithStateBackup" {
			calls = s.Action
		}
	}
	same(t, "allowed by the bucket's policy", allows, calls)
	same(t, "denied to all others", denied, []string{"s3:PutObject", "s3:ReplicateObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ReplicateDelete"})
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
