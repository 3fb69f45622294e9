package deploy_test

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// request is what AWS judges: a principal, with MFA or without (empty: AWS does not know), an action, and a
// resource.
type request struct{ arn, mfa, action, resource string }

// denied reports whether a policy denies a request. It knows the conditions that TestServiceControlPolicies allows:
// ArnNotLike holds for all principals except those named, and BoolIfExists also if the key is absent.
func (p policy) denied(t *testing.T, r request) bool {
	t.Helper()
	for _, s := range p.Statement {
		if !matched(t, s.Action, r.action) || !matched(t, s.Resource, r.resource) {
			continue
		}
		if matched(t, s.spared(), r.arn) {
			continue
		}
		if s.Condition["BoolIfExists"] != nil && r.mfa == "true" {
			continue
		}
		return true
	}
	return false
}

// matched reports whether one of the patterns matches, in which * is any text.
func matched(t *testing.T, patterns []string, text string) bool {
	t.Helper()
	for _, p := range patterns {
		ok, err := path.Match(strings.ReplaceAll(p, "/", "|"), strings.ReplaceAll(text, "/", "|"))
		must(t, err)
		if ok {
			return true
		}
	}
	return false
}

// TestWhoIsDenied: with the service control policies attached, attackers can't delete flow logs or disturb
// Flowkeeper, while administrators with MFA, Flowkeeper and StackSets still can do their work.
func TestWhoIsDenied(t *testing.T) {
	t.Parallel()
	const (
		admin   = "arn:aws:iam::111122223333:role/YOUR-ADMIN-ROLE"
		mallory = "arn:aws:iam::111122223333:user/mallory"
		root    = "arn:aws:iam::111122223333:root"
		daemon  = "arn:aws:iam::111122223333:role/flowkeeper"
		log     = "arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/fl-1"
		queue   = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"
		rule    = "arn:aws:events:us-east-1:111122223333:rule/flowkeeper-forward"
		dead    = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper-dead"
		replay  = "arn:aws:iam::111122223333:role/YOUR-REPLAY-ROLE"
		alarm   = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:flowkeeper-nobody-listens"
		group   = "arn:aws:logs:eu-west-1:111122223333:log-group:YOUR-FLOW-LOGS-GROUP"
		stream  = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/YOUR-FLOW-LOGS-STREAM"
		linked  = "arn:aws:iam::111122223333:role/aws-service-role/delivery.logs.amazonaws.com/AWSServiceRoleForLogDelivery"
		trail   = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all"
		sets    = "arn:aws:iam::111122223333:role/stacksets-exec-0123456789abcdef0123456789abcdef"
		forward = "arn:aws:iam::111122223333:role/flowkeeper-forward-eu-west-1"
		topic   = "arn:aws:sns:eu-west-1:111122223333:flowkeeper-log-files"
	)
	flowLogs, parts := readPolicy(t, "scp-flow-logs.json"), readPolicy(t, "scp-flowkeeper.json")
	for _, tt := range []struct {
		request
		want bool
	}{
		{request{mallory, "", "ec2:DeleteFlowLogs", log}, true}, // a leaked access key
		{request{mallory, "true", "ec2:DeleteFlowLogs", log}, true},
		{request{root, "true", "ec2:DeleteFlowLogs", log}, true},
		{request{root, "true", "organizations:LeaveOrganization", "*"}, true},
		{request{daemon, "", "ec2:DeleteFlowLogs", log}, true},
		{request{admin, "true", "ec2:DeleteFlowLogs", log}, false},
		{request{admin, "false", "ec2:DeleteFlowLogs", log}, true},
		{request{admin, "", "ec2:DeleteFlowLogs", log}, true},
		{request{mallory, "", "ec2:CreateFlowLogs", log}, false},
		{request{daemon, "", "ec2:CreateFlowLogs", log}, false},
		{request{daemon, "", "ecs:ListClusters", "*"}, false},
		{request{daemon, "", "firehose:TagDeliveryStream", stream}, false},
		{request{daemon, "", "iam:CreateServiceLinkedRole", linked}, false},
		{request{mallory, "", "firehose:UntagDeliveryStream", stream}, true},
		{request{mallory, "", "logs:DeleteLogGroup", group}, true},
		{request{admin, "true", "logs:DeleteLogGroup", group}, false},
		{request{admin, "", "logs:DeleteLogGroup", group}, true},
		{request{mallory, "", "logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:111122223333:log-group:another"}, false},
		{request{mallory, "true", "iam:CreateRole", admin}, true}, // in an account that has no such role yet
		{request{mallory, "", "iam:CreateRole", "arn:aws:iam::111122223333:role/another"}, false},
		{request{mallory, "", "sqs:PurgeQueue", queue}, true},
		{request{admin, "true", "sqs:PurgeQueue", queue}, false},
		{request{admin, "", "sqs:PurgeQueue", queue}, true},
		{request{mallory, "", "sqs:PurgeQueue", queue + "-of-mine"}, false},
		{request{daemon, "", "sqs:ReceiveMessage", queue}, false},
		{request{daemon, "", "sqs:DeleteMessage", queue}, false},
		{request{mallory, "", "sqs:ReceiveMessage", queue}, true},
		{request{admin, "true", "sqs:DeleteMessage", queue}, true},
		{request{mallory, "", "events:DisableRule", rule}, true},
		{request{admin, "true", "events:PutTargets", rule}, false},
		{request{mallory, "", "cloudtrail:StopLogging", trail}, true},
		{request{admin, "false", "cloudtrail:StopLogging", trail}, true},
		{request{admin, "true", "cloudtrail:StopLogging", trail}, false},
		{request{mallory, "", "iam:PutRolePolicy", daemon}, true},
		{request{admin, "", "iam:UpdateAssumeRolePolicy", admin}, true}, // else an attacker with the administrator's access key could change this trust policy
		{request{mallory, "true", "iam:CreateRole", replay}, true},
		{request{mallory, "", "sqs:ReceiveMessage", dead}, true},
		{request{mallory, "", "sqs:StartMessageMoveTask", dead}, true},
		{request{daemon, "", "sqs:DeleteMessage", dead}, true},
		{request{replay, "true", "sqs:DeleteMessage", dead}, false},
		{request{replay, "", "sqs:DeleteMessage", dead}, true},
		{request{admin, "true", "sqs:ReceiveMessage", dead}, false},
		{request{mallory, "", "events:PutPermission", "*"}, true}, // AWS checks these two against no resource
		{request{mallory, "", "events:RemovePermission", "*"}, true},
		{request{admin, "true", "events:PutPermission", "*"}, false},
		{request{admin, "", "organizations:LeaveOrganization", "*"}, true},
		{request{sets, "", "events:PutTargets", rule}, false}, // a StackSet updates its stacks, and makes some in new accounts
		{request{sets, "", "iam:PutRolePolicy", daemon}, false},
		{request{sets, "", "iam:CreateRole", forward}, false},
		{request{sets, "", "ec2:DeleteFlowLogs", log}, true},
		{request{sets, "", "cloudtrail:StopLogging", trail}, true},
		{request{sets, "", "sqs:ReceiveMessage", queue}, true},
		{request{mallory, "true", "iam:CreateRole", sets}, true}, // nobody may take the role that StackSets use
		{request{mallory, "true", "iam:UpdateAssumeRolePolicy", sets}, true},
		{request{mallory, "true", "iam:CreateRole", forward}, true}, // in an account that has no such role yet: the queue's policy trusts this name
		{request{mallory, "", "iam:UpdateAssumeRolePolicy", forward}, true},
		{request{mallory, "", "sns:SetTopicAttributes", topic}, true},
		{request{mallory, "", "sns:AddPermission", topic}, true},
		{request{mallory, "", "sns:RemovePermission", topic}, true}, // without this permission the bucket can't announce log files
		{request{mallory, "", "cloudwatch:PutAlarmMuteRule", alarm}, true},
		{request{mallory, "", "cloudwatch:DeleteAlarms", alarm}, true},
		{request{mallory, "", "cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:another"}, false},
	} {
		t.Run(fmt.Sprintf("%s, MFA %q, %s on %s", path.Base(tt.arn), tt.mfa, tt.action, tt.resource), func(t *testing.T) {
			t.Parallel()
			if got := flowLogs.denied(t, tt.request) || parts.denied(t, tt.request); got != tt.want {
				t.Errorf("denied %v, want %v", got, tt.want)
			}
		})
	}
}

// TestIdentityCentersRolesAreSpared: the pattern in deploy/README.md exempts a role of Identity Center in each
// Region of Identity Center. If that is us-east-1, the role's path has no Region.
func TestIdentityCentersRolesAreSpared(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile("`(aws-reserved/.*)`").FindSubmatch(read(t, filepath.Join(folder, "README.md")))
	if name == nil {
		t.Fatal("deploy/README.md does not say what to write")
	}
	pattern := []string{"arn:aws:iam::*:role/" + string(name[1])}
	for arn, want := range map[string]bool{
		"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_NAME_0123456789abcdef":           true,
		"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_NAME_0123456789abcdef": true,
		"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_MINE_0123456789abcdef": false,
		"arn:aws:iam::111122223333:role/AWSReservedSSO_NAME_0123456789abcdef":                                          false,
	} {
		if got := matched(t, pattern, arn); got != want {
			t.Errorf("%s exempts %s: %v, want %v", pattern, arn, got, want)
		}
	}
}
