package remediate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/remediate/incident"
)

// TestTamper: which calls are alerted as tampering, with their level, and with the flow logs or the part of
// Flowkeeper that depends on the resource.
func TestTamper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service, event, target string
		change                 func(*cloudtrail.Record)
		threatens              string // resources of the flow logs that the alert names
		level                  alert.Level
		cause                  string
	}{
		{"logs", "DeleteLogGroup", "/vpc/flow", nil, "vpc-2", alert.Critical, "DeleteLogGroup of /vpc/flow, the destination of 1 flow log"},
		{"logs", "PutRetentionPolicy", "/vpc/flow", func(r *cloudtrail.Record) { r.Detail = "to 1 days" }, "vpc-2", alert.High, "PutRetentionPolicy of /vpc/flow (to 1 days), the destination of 1 flow log"},
		{"logs", "DeleteLogGroup", group, nil, "vpc-2", alert.Critical, "DeleteLogGroup of /vpc/flow, the destination of 1 flow log"},
		{"s3", "DeleteBucket", "flow-logs", nil, "vpc-1", alert.Critical, "DeleteBucket of flow-logs, the destination of 1 flow log"},
		{"s3", "PutBucketPolicy", "flow-logs", nil, "vpc-1", alert.High, "PutBucketPolicy of flow-logs, the destination of 1 flow log"},
		{"s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.Account, r.Region = "999900001111", "us-east-1" }, "vpc-1", alert.High, "PutBucketPolicy of flow-logs, the destination of 1 flow log"},
		{"s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.Identity.InvokedBy = "delivery.logs.amazonaws.com" }, "vpc-1", alert.Informational, "PutBucketPolicy of flow-logs, the destination of 1 flow log"},
		// The service writes bucket policies. It never deletes a bucket: this record is forged.
		{"s3", "DeleteBucket", "flow-logs", func(r *cloudtrail.Record) { r.Identity.InvokedBy = "delivery.logs.amazonaws.com" }, "vpc-1", alert.Critical, "DeleteBucket of flow-logs, the destination of 1 flow log"},
		// The record of a federated session always says that there was no MFA, because the identity provider checks it.
		{"s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) {
			r.Identity = cloudtrail.Identity{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/jane@example.com",
				SessionIssuer: "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef", MFA: new(bool), Console: true}
		}, "vpc-1", alert.High, "PutBucketPolicy of flow-logs, the destination of 1 flow log"},
		{"iam", "DeleteRole", "delivery", func(r *cloudtrail.Record) { r.Region = "us-east-1" }, "vpc-2", alert.High, "DeleteRole of delivery, the delivery role of 1 flow log"},
		{"iam", "DeleteRole", "delivery", func(r *cloudtrail.Record) {
			r.Identity = cloudtrail.Identity{Type: "Root", ARN: "arn:aws:iam::111122223333:root"}
		}, "vpc-2", alert.Critical, "DeleteRole of delivery, the delivery role of 1 flow log"},
		{"firehose", "DeleteDeliveryStream", "flow", nil, "vpc-3", alert.Critical, "DeleteDeliveryStream of flow, the destination of 1 flow log"},
		{"firehose", "UntagDeliveryStream", "flow", func(r *cloudtrail.Record) { r.Detail = "LogDeliveryEnabled" }, "vpc-3", alert.High, "UntagDeliveryStream of flow (LogDeliveryEnabled), the destination of 1 flow log"},
		{"sqs", "PurgeQueue", "https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper", nil, "", alert.High, "PurgeQueue of flowkeeper, the queue that events come by"},
		{"events", "DisableRule", "flowkeeper", nil, "", alert.High, "DisableRule of flowkeeper, the rule that sends events to the queue"},
		{"cloudtrail", "StopLogging", "org", nil, "", alert.High, "StopLogging of org, a trail that events come from"},
		{"kms", "DisableKey", "1234", nil, "", alert.High, "DisableKey of 1234, the key of the queue"},
	} {
		t.Run(c.cause+" "+string(c.level), func(t *testing.T) {
			t.Parallel()
			s := dependent(t)
			f := s.tampering(c.service, c.event, c.target, c.change)
			s.deliver(f, f)
			all := s.alerts(alert.Tamper)
			if len(all) != 1 {
				t.Fatalf("%d alerts", len(all))
			}
			a := all[0]
			var threatens []string
			for _, x := range a.FlowLogs {
				threatens = append(threatens, x.ResourceID)
			}
			if a.Cause != c.cause || a.Level != c.level || strings.Join(threatens, " ") != c.threatens || a.Advice == "" || a.EventTime == nil || a.DeletedAt != nil || a.Rule == nil || !strings.HasPrefix(a.Target, "arn:") {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestTamperWithWhatIsNotOurs: a change to a resource on which neither a flow log nor Flowkeeper depends is not
// alerted.
func TestTamperWithWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	s.deliver(
		s.tampering("logs", "DeleteLogGroup", "/vpc/flow2", nil),
		s.tampering("logs", "DeleteLogGroup", "/vpc/flow", func(r *cloudtrail.Record) { r.Region = "eu-west-2" }),
		s.tampering("logs", "DeleteLogGroup", "/vpc/flow", func(r *cloudtrail.Record) { r.Account = "999900001111" }),
		s.tampering("s3", "DeleteBucket", "flow-logs-2", nil),
		s.tampering("iam", "DeleteRole", "delivery", func(r *cloudtrail.Record) { r.Account = "999900001111" }),
		s.tampering("firehose", "UntagDeliveryStream", "flow", func(r *cloudtrail.Record) { r.Detail = "cost" }),
		s.tampering("sqs", "DeleteQueue", "https://sqs.eu-west-1.amazonaws.com/111122223333/other", nil),
		s.tampering("events", "DisableRule", "flowkeeper", func(r *cloudtrail.Record) { r.Bus = "other" }),
		s.tampering("cloudtrail", "StopLogging", "org", func(r *cloudtrail.Record) { r.Account = "999900001111" }),
		s.tampering("kms", "DisableKey", "12345", nil),
		s.tampering("logs", "DeleteLogGroup", "", func(r *cloudtrail.Record) { r.Region = "eu-west-2" }),
	)
	s.wantAlerts(alert.Tamper, 0)
}

// TestTamperAfterADeletion: a lost flow log still depends on its destination. If that is changed, or a record
// without a target may have changed it, people are alerted.
func TestTamperAfterADeletion(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Fail("CreateFlowLogs", 100, "UnauthorizedOperation", 403)
	s.deliver(s.attack(id))
	s.advance(time.Minute)
	s.wantState(id, incident.Blocked, incident.Permission)
	s.deliver(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	all := s.alerts(alert.Tamper)
	if len(all) != 1 || len(all[0].FlowLogs) != 1 || all[0].FlowLogs[0].State != "blocked" || all[0].Level != alert.Critical {
		t.Fatalf("%+v", all)
	}
	if want := []alert.RecentCalls{{EventName: "DeleteFlowLogs", Calls: 1, FlowLogs: 1}}; !slices.Equal(all[0].Recent, want) {
		t.Errorf("recent %+v", all[0].Recent)
	}
	s.deliverRaw(s.rawRecord("iam", "PutRolePolicy", omitted, eventID, `"awsRegion":"us-east-1"`))
	s.wantAlerts(alert.Tamper, 2)
}

// TestI2AForgedTwinCannotQuietTampering: a forged record with the same event ID says that an AWS service made the call,
// which lowers the level, and comes first. The real record must still be alerted as critical.
func TestI2AForgedTwinCannotQuietTampering(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	real := s.tampering("s3", "DeleteBucket", "flow-logs", nil)
	twin := real
	twin.Record.Identity.InvokedBy = "delivery.logs.amazonaws.com"
	s.deliver(twin)
	s.deliver(real)
	for _, a := range s.alerts(alert.Tamper) {
		if a.Level == alert.Critical {
			return
		}
	}
	t.Errorf("no critical alert: %+v", s.alerts(alert.Tamper))
}

// TestAFlowLogIsThreatenedOnce: a record says that a flow log was deleted, AWS still shows it, and its destination is
// deleted, too. The alert counts the flow log once, not as live and as lost.
func TestAFlowLogIsThreatenedOnce(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.record(id)) // AWS still shows it
	s.deliver(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	all := s.alerts(alert.Tamper)
	if len(all) != 1 || len(all[0].FlowLogs) != 1 || !strings.HasSuffix(all[0].Cause, "the destination of 1 flow log") {
		t.Errorf("%d flow logs, want 1: %s", len(all[0].FlowLogs), all[0].Cause)
	}
	s.deliverRaw(s.rawRecord("s3", "PutBucketPolicy", omitted, eventID))
	if all := s.alerts(alert.Tamper); len(all) != 2 || !strings.Contains(all[1].Cause, "it may be the destination of 1 flow log;") {
		t.Errorf("a call that does not state its target: %+v", all)
	}
}
