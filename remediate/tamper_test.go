package remediate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/tamper"
)

// tampering is the finding of one call that succeeded.
func (s *scene) tampering(service, event, target string, change func(*cloudtrail.Record)) detection.Finding {
	s.t.Helper()
	s.events++
	r := cloudtrail.Record{EventID: fmt.Sprintf("event-%d", s.events), EventName: event, EventSource: service + ".amazonaws.com", EventTime: s.now.Truncate(time.Second),
		Account: account, Region: region, Target: target, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}}
	if change != nil {
		change(&r)
	}
	f, ok := detection.Judge(r)
	if !ok {
		s.t.Fatal("no finding")
	}
	return f
}

const (
	group    = "arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow"
	delivery = "arn:aws:iam::111122223333:role/service/delivery"
	stream   = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/flow"
)

// dependent is a scene with a flow log to a bucket, one to a log group by a
// role, and one to a stream.
func dependent(t *testing.T) *scene {
	t.Helper()
	s := newScene(t)
	s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/prefix/" })
	s.plant("vpc-2", func(f *fakeaws.FlowLog) {
		f.LogDestinationType, f.LogDestination, f.LogGroupName, f.DeliverLogsPermissionARN = "cloud-watch-logs", "", "/vpc/flow", delivery
	})
	s.plant("vpc-3", func(f *fakeaws.FlowLog) { f.LogDestinationType, f.LogDestination = "kinesis-data-firehose", stream })
	s.refresh()
	s.deps = []tamper.Dependency{
		{ARN: "arn:*:sqs:eu-west-1:111122223333:flowkeeper", As: "the queue that events come by"},
		{ARN: "arn:aws:events:eu-west-1:111122223333:rule/flowkeeper", As: "the rule that sends events to the queue"},
		{ARN: "arn:*:cloudtrail:*:111122223333:trail/*", As: "a trail that events come from"},
		{ARN: "arn:aws:kms:eu-west-1:111122223333:key/1234", As: "the key of the queue"},
	}
	return s
}

// TestTamper: which calls are told, with what they threaten and how urgently.
func TestTamper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service, event, target string
		change                 func(*cloudtrail.Record)
		threatens              string // resources of flow logs
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
		// The service writes bucket policies, it deletes no bucket.
		{"s3", "DeleteBucket", "flow-logs", func(r *cloudtrail.Record) { r.Identity.InvokedBy = "delivery.logs.amazonaws.com" }, "vpc-1", alert.Critical, "DeleteBucket of flow-logs, the destination of 1 flow log"},
		// A federated session always says that it came without MFA: that is the identity provider's.
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
			s.hear(f, f)
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

// TestTamperWithWhatIsNotOurs is silence.
func TestTamperWithWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	s.hear(
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

// TestTamperAfterADeletion: what is lost still needs its destination.
func TestTamperAfterADeletion(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Fail("CreateFlowLogs", 100, "UnauthorizedOperation", 403)
	s.hear(s.attack(id))
	s.pass(time.Minute)
	s.is(id, incident.Blocked, incident.Permission)
	s.hear(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	all := s.alerts(alert.Tamper)
	if len(all) != 1 || len(all[0].FlowLogs) != 1 || all[0].FlowLogs[0].State != "blocked" || all[0].Level != alert.Critical {
		t.Fatalf("%+v", all)
	}
	if want := []alert.RecentCalls{{EventName: "DeleteFlowLogs", Calls: 1, FlowLogs: 1}}; !slices.Equal(all[0].Recent, want) {
		t.Errorf("recent %+v", all[0].Recent)
	}
}

// TestI1TamperPastAFullDisk: the alert goes straight to the sinks, and the
// message stays.
func TestI1TamperPastAFullDisk(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	s.fill()
	if err := s.r.Handle(t.Context(), []detection.Finding{s.tampering("logs", "DeleteLogGroup", "/vpc/flow", nil)}, func() {}); err == nil {
		t.Error("acknowledged what is not stored")
	}
	if len(s.direct) != 1 || s.direct[0].Kind != alert.Tamper || s.direct[0].Title == "" || !strings.Contains(s.direct[0].Text, "restores NOTHING until") {
		t.Fatalf("%+v", s.direct)
	}
	s.empty()
	s.events-- // the same record
	s.hear(s.tampering("logs", "DeleteLogGroup", "/vpc/flow", nil))
	if a := s.alerts(alert.Tamper); len(a) != 1 || a[0].ID == s.direct[0].ID || a[0].DedupKey != s.direct[0].DedupKey || strings.Contains(a[0].Text, "NOTHING") {
		t.Errorf("%+v, and then %+v: a receiver that drops repeats by ID must take both", s.direct, a)
	}
}

// TestI12TamperByAScript: the same call again and again is one alert at once, and
// one about the rest after five minutes; another principal's, or one of another
// level, goes at once all the same.
func TestI12TamperByAScript(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for range 50 {
		s.hear(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", nil))
		s.now = s.now.Add(time.Second)
	}
	s.wantAlerts(alert.Tamper, 1)
	s.hear(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", func(r *cloudtrail.Record) { r.Identity.ARN = "arn:aws:iam::111122223333:user/eve" }))
	s.wantAlerts(alert.Tamper, 2)
	s.hear(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", func(r *cloudtrail.Record) { r.Identity.InvokedBy = "delivery.logs.amazonaws.com" }))
	s.wantAlerts(alert.Tamper, 3)
	s.pass(5 * time.Minute)
	s.work()
	s.wantAlerts(alert.Tamper, 4)
	if all := s.alerts(alert.Tamper); all[3].Repeats == nil || all[3].Repeats.Calls != 49 || len(all[3].Repeats.Examples) != 20 {
		t.Errorf("%+v", all[3].Repeats)
	}
	s.hear(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", nil))
	s.wantAlerts(alert.Tamper, 4) // the burst goes on
	s.pass(10 * time.Minute)
	s.wantAlerts(alert.Tamper, 5)
	s.pass(5 * time.Minute) // and is over
	s.work()
	s.hear(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", nil))
	s.wantAlerts(alert.Tamper, 6)
	if all := s.alerts(alert.Tamper); all[5].Repeats != nil || all[5].Recent[0].Calls != 52 {
		t.Errorf("%+v %+v", all[5].Repeats, all[5].Recent)
	}
}

// TestDecoyMadeIsTold: who put something worse in the place of a lost flow log.
func TestDecoyMadeIsTold(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	deletion := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.hear(deletion)
	s.events++
	f, _ := detection.Judge(cloudtrail.Record{EventID: "made", EventName: cloudtrail.CreateFlowLogs, EventSource: cloudtrail.EC2, EventTime: s.now, Account: account, Region: region,
		CreatedIDs: []string{decoy}, ResourceIDs: []string{"vpc-1"}, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}})
	s.hear(f, f)
	all := s.alerts(alert.Tamper)
	if len(all) != 1 || all[0].Level != alert.High || all[0].Target != decoy || all[0].Actor.ARN != mallory || all[0].FlowLogs[0].FlowLogID != id || len(all[0].FlowLogs[0].DifferencesFound) != 1 {
		t.Fatalf("%+v", all)
	}
}
