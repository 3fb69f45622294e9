package remediate_test

import (
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// TestTamperThatHidesItsTarget: CloudTrail leaves out request parameters of more than 100 KB. White space in a
// policy counts, so that an attacker can hide the target of a call. The alert says which resource it may be.
func TestTamperThatHidesItsTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, event, more, cause string }{
		{"iam", "PutRolePolicy", `"awsRegion":"us-east-1"`, "PutRolePolicy, target not stated: it may be the delivery role of 1 flow log; CloudTrail left out its 134217 bytes of parameters"},
		{"iam", "UpdateAssumeRolePolicy", `"awsRegion":"us-east-1"`, "UpdateAssumeRolePolicy, target not stated: it may be the delivery role of 1 flow log; CloudTrail left out its 134217 bytes of parameters"},
		{"events", "PutRule", `"x":1`, "PutRule, target not stated: it may be the rule that sends events to the queue; CloudTrail left out its 134217 bytes of parameters"},
		{"events", "PutTargets", `"x":1`, "PutTargets, target not stated: it may be the rule that sends events to the queue; CloudTrail left out its 134217 bytes of parameters"},
		{"sqs", "SetQueueAttributes", `"x":1`, "SetQueueAttributes, target not stated: it may be the queue that events come by; CloudTrail left out its 134217 bytes of parameters"},
		{"firehose", "UpdateDestination", `"x":1`, "UpdateDestination, target not stated: it may be the destination of 1 flow log; CloudTrail left out its 134217 bytes of parameters"},
		{"s3", "PutBucketLifecycle", `"recipientAccountId":"999900001111"`, "PutBucketLifecycle, target not stated: it may be the destination of 1 flow log; CloudTrail left out its 134217 bytes of parameters"},
		{"cloudtrail", "PutEventSelectors", `"awsRegion":"us-west-2"`, "PutEventSelectors, target not stated: it may be a trail that events come from; CloudTrail left out its 134217 bytes of parameters"},
		{"kms", "DisableKey", `"requestParameters":null`, "DisableKey, target not stated: it may be the key of the queue"},
		{"logs", "DeleteLogGroup", `"requestParameters":{}`, "DeleteLogGroup, target not stated: it may be the destination of 1 flow log"},
	} {
		t.Run(c.event, func(t *testing.T) {
			t.Parallel()
			s := dependent(t)
			s.deliverRaw(s.rawRecord(c.service, c.event, omitted, eventID, c.more))
			s.deliverRaw(s.rawRecord(c.service, c.event, omitted, eventID, c.more))
			all := s.alerts(alert.Tamper)
			if len(all) != 1 {
				t.Fatalf("%d alerts", len(all))
			}
			lost, _, _ := strings.Cut(c.cause, ";")
			if a := all[0]; a.Cause != c.cause || a.Level != alert.High || a.Target != "" || a.Advice == "" || !strings.Contains(a.Title, lost) || a.Actor.ARN != mallory {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestAHiddenTargetWhereFlowLogsLive: a call hides its target, and no known dependency belongs to that service.
// But protected flow logs of the account may depend on resources that the snapshot does not name: a key, a
// forwarding rule, a role. So it is alerted.
func TestAHiddenTargetWhereFlowLogsLive(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	s.deliverRaw(s.rawRecord("iam", "PutRolePolicy", omitted, eventID, `"awsRegion":"us-east-1"`), s.rawRecord("events", "PutRule", omitted, eventID))
	all := s.alerts(alert.Tamper)
	if len(all) != 2 || all[0].Level != alert.High || !strings.Contains(all[0].Cause, "2 protected flow logs live in this account;") || !strings.Contains(all[1].Cause, "2 protected flow logs live in this account and Region;") {
		t.Fatalf("%+v", all)
	}
}

// TestAHiddenTargetElsewhere: a call hides its target in an account or Region without protected flow logs and
// dependencies, or was refused. It is not alerted: such calls are common.
func TestAHiddenTargetElsewhere(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	s.deliverRaw(
		s.rawRecord("iam", "PutRolePolicy", omitted, eventID, `"recipientAccountId":"999900001111"`),
		s.rawRecord("events", "PutRule", omitted, eventID, `"awsRegion":"eu-west-2"`),
		s.rawRecord("firehose", "UpdateDestination", omitted, eventID, `"awsRegion":"eu-west-2"`),
		s.rawRecord("sqs", "SetQueueAttributes", omitted, eventID, `"recipientAccountId":"999900001111"`),
		s.rawRecord("cloudtrail", "PutEventSelectors", omitted, eventID, `"recipientAccountId":"999900001111"`),
		s.rawRecord("iam", "PutRolePolicy", omitted, eventID, `"errorCode":"AccessDenied"`),
	)
	s.wantAlerts(alert.Tamper, 0)
	empty := newScene(t)
	empty.deliverRaw(empty.rawRecord("iam", "PutRolePolicy", omitted, eventID), empty.rawRecord("s3", "PutBucketPolicy", omitted, eventID))
	if all := empty.alerts(alert.Tamper); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestIgnoredWhoHidesTheTarget: if a rule ignores the principal, the alert is informational.
func TestIgnoredWhoHidesTheTarget(t *testing.T) {
	t.Parallel()
	s := ruled(t, ci, incident.Ignore, 0)
	s.protect(1)
	s.deliverRaw(s.rawRecord("iam", "PutRolePolicy", omitted, eventID, asCI))
	if all := s.alerts(alert.Tamper); len(all) != 1 || all[0].Level != alert.Informational {
		t.Errorf("%+v", all)
	}
}

// TestACreationThatHidesItsAnswer: a record of CreateFlowLogs does not say which flow logs were created, so that
// it asks for a refresh.
func TestACreationThatHidesItsAnswer(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	s.deliverRaw(s.rawRecord("ec2", "CreateFlowLogs", omitted, eventID, `"responseElements":`+omitted))
	if len(s.soon) != 1 || s.soon[0] != scope {
		t.Errorf("refreshes asked for: %v", s.soon)
	}
}
