package deploy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"go.yaml.in/yaml/v3"

	"flowkeeper/test/localstack"
)

// Who sends to something of ours from outside of its account: everybody of the organisation at
// most, and AWS's services for one thing of ours only.
func TestNobodyElsesAccountSends(t *testing.T) {
	t.Parallel()
	everybody, services := 0, 0
	for _, file := range templates {
		resources := at(template(t, file), "Resources")
		for name, r := range pairs(resources) {
			if !strings.HasSuffix(at(r, "Type").Value, "Policy") { // not the trust of a role
				continue
			}
			walk(r, func(n *yaml.Node) {
				if effect := at(n, "Effect"); effect == nil || effect.Value != "Allow" {
					return
				}
				principal := at(n, "Principal")
				switch {
				case principal == nil:
				case principal.Value == "*":
					everybody++
					if id := at(n, "Condition", "StringEquals", "aws:PrincipalOrgID"); id == nil || id.Tag != "!Ref" || id.Value != "OrganizationId" {
						t.Errorf("%s, %s: everybody may, and not the organisation alone", file, name)
					}
				case at(principal, "Service") != nil:
					services++
					if at(n, "Condition", "ArnEquals", "aws:SourceArn") == nil {
						t.Errorf("%s, %s: %s may for anybody", file, name, at(principal, "Service").Value)
					}
				}
			})
		}
	}
	if everybody != 2 || services != 5 {
		t.Errorf("%d statements for the organisation and %d for services, want 2 and 5", everybody, services)
	}
}

// The queue takes what the members' rules send straight to it by the name of their role: the name
// that the members' template gives, where the queue is.
func TestTheQueueKnowsTheRoleOfMembersRules(t *testing.T) {
	t.Parallel()
	name := at(template(t, "flowkeeper-member.yaml"), "Resources", "ForwardRole", "Properties", "RoleName")
	want := "arn:${AWS::Partition}:iam::*:role/" + name.Value
	allowed, spared := 0, 0
	for _, s := range at(template(t, "flowkeeper.yaml"), "Resources", "QueuePolicy", "Properties", "PolicyDocument", "Statement").Content {
		if s.Tag == "!If" {
			s = s.Content[1]
		}
		if arn := at(s, "Condition", "ArnLike", "aws:PrincipalArn"); arn != nil && arn.Value == want && at(s, "Effect").Value == "Allow" {
			allowed++
		}
		walk(at(s, "Condition", "ArnNotEquals", "aws:PrincipalArn"), func(n *yaml.Node) {
			if n.Value == want {
				spared++
			}
		})
	}
	if allowed != 1 || spared != 1 {
		t.Errorf("%s is allowed in %d statements and spared in %d, want one each", want, allowed, spared)
	}
}

// In the queue's account Flowkeeper assumes the role that it has already, of whatever name the roles of the
// other accounts are: that role lets it in, and its policy names it.
func TestTheOwnRoleMayBeAssumed(t *testing.T) {
	t.Parallel()
	role := at(template(t, "flowkeeper.yaml"), "Resources", "Role", "Properties")
	own := "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + at(role, "RoleName").Value
	trusted, allowed := false, false
	walk(at(role, "AssumeRolePolicyDocument"), func(n *yaml.Node) { trusted = trusted || n.Value == own })
	walk(at(role, "Policies"), func(n *yaml.Node) {
		if sid := at(n, "Sid"); sid != nil && sid.Value == "ActInTheOrganization" {
			walk(at(n, "Resource"), func(n *yaml.Node) { allowed = allowed || n.Value == own })
		}
	})
	if !trusted || !allowed {
		t.Errorf("%s trusts itself: %v, may assume itself: %v", own, trusted, allowed)
	}
}

// What lists the accounts, and what reads log files, is allowed the same by hand, to the daemon's
// own role, and to the role in the account where that is; people who replay are allowed the latter too.
func TestRolesOfAnOrganizationAreOne(t *testing.T) {
	t.Parallel()
	list := []string{"organizations:ListAccounts", "organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent", "organizations:ListRoots"}
	same(t, "flowkeeper-list.yaml", allowedIn(t, "flowkeeper-list.yaml", "Role", "Policies"), list)
	same(t, "flowkeeper-log-files.yaml", allowedIn(t, "flowkeeper-log-files.yaml", "Role", "Policies"), []string{"kms:Decrypt", "s3:GetObject"})
	byHand := map[string]statement{}
	for _, s := range readPolicy(t, "iam-policy.json").Statement {
		byHand[s.Sid] = s
	}
	same(t, "iam-policy.json", sorted(byHand["OnlyWithAnOrganizationInItsAdministrator"].Action), list)
	decrypt := oneOrMore{"s3.*.amazonaws.com"}
	for _, s := range slices.Concat(readPolicy(t, "iam-policy.json").Statement, readPolicy(t, "iam-policy-replay.json").Statement) {
		if slices.Contains(s.Action, "kms:Decrypt") && !slices.Equal(s.Condition["StringLike"]["kms:ViaService"], decrypt) {
			t.Errorf("%s decrypts more than objects of S3", s.Sid)
		}
	}
}

// wholeOrganization: every account and Region gets the same template with the same parameters, as
// a StackSet gives it; also the account and Region of the queue, where all is there already.
func wholeOrganization(t *testing.T, inst *localstack.Instance, binary string) {
	const organization = "o-a1b2c3d4e5"
	home, member := somewhere(inst), somewhere(inst)
	made := home.deploy(t, "flowkeeper", "flowkeeper.yaml", map[string]string{"OrganizationId": organization, "DirectToQueue": "true", "ListsAccounts": "true"})
	same := map[string]string{
		"QueueRegion": region, "QueueAccount": home.account, "HomeRegion": region, "ExternalId": external,
		"DaemonRoleArn": made["RoleArn"], "DeliveryRoleName": "flow-logs-*", "DirectToQueue": "true", "DoctorLooks": "true",
	}
	var places []*place
	for _, account := range []*place{home, member} {
		for _, p := range []*place{account, account.in("us-east-1")} {
			out := p.deploy(t, "StackSet-flowkeeper-member", "flowkeeper-member.yaml", same)
			if got := out["RoleArn"]; (got != "") != (p == member) {
				t.Fatalf("%s/%s: role %q: want one in the home Region of the member alone", p.account, p.region, got)
			}
			places = append(places, p)
		}
	}
	for p, want := range map[*place]string{
		places[1]: ":event-bus/default", places[2]: ":sqs:" + region + ":" + home.account + ":flowkeeper", places[3]: ":event-bus/default",
	} {
		if got := p.forwardsTo(t); !strings.HasSuffix(got, want) {
			t.Errorf("%s/%s forwards to %s, want %s", p.account, p.region, got, want)
		}
	}
	if got := places[0].forwardsTo(t); got != "" {
		t.Errorf("in the queue's own account and Region a rule forwards to %s: each event would come back to it without end", got)
	}
	member.deploy(t, "flowkeeper-list", "flowkeeper-list.yaml", map[string]string{"DaemonRoleArn": made["RoleArn"], "ExternalId": external})

	lost := map[*place]string{}
	for _, p := range places {
		lost[p] = p.createFlowLog(t)
	}
	accounts := ""
	for _, account := range []*place{home, member} { // as discovered: the same role in each
		accounts += fmt.Sprintf("  - {id: %q, role_arn: %q, external_id: %s}\n", account.account, "arn:aws:iam::"+account.account+":role/flowkeeper", external)
	}
	d := startDaemon(t, binary, home, made["Configuration"]+fmt.Sprintf("  regions: [%s, us-east-1]\naccounts:\n%s", region, accounts))
	for _, p := range places {
		await(t, func() error { return d.knows(lost[p]) })
	}
	for _, p := range places {
		p.attack(t, lost[p])
	}
	for _, p := range places {
		await(t, func() error { return p.restored(t, lost[p]) })
	}
	await(t, func() error { return home.empty(t, made["QueueUrl"]) })
	d.stop(t)
}

// forwardsTo is the target of the rule flowkeeper-forward; empty if there is no such rule.
func (p *place) forwardsTo(t *testing.T) string {
	t.Helper()
	rules, err := p.events.ListRules(t.Context(), &eventbridge.ListRulesInput{NamePrefix: aws.String("flowkeeper-forward")})
	must(t, err)
	if len(rules.Rules) == 0 {
		return ""
	}
	out, err := p.events.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: rules.Rules[0].Name})
	must(t, err)
	if len(out.Targets) != 1 || aws.ToString(out.Targets[0].RoleArn) == "" {
		t.Fatalf("targets %+v, want one with a role", out.Targets)
	}
	return aws.ToString(out.Targets[0].Arn)
}
