package remediate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/tamper"
)

// judge returns the finding of a record.
func (s *scene) judge(r cloudtrail.Record) detection.Finding {
	s.t.Helper()
	f, ok := detection.Judge(r)
	if !ok {
		s.t.Fatal("no finding")
	}
	return f
}

// record returns the finding of a record that mallory has deleted flow logs. Without IDs, the record does not
// say which.
func (s *scene) record(ids ...string) detection.Finding {
	s.events++
	return s.judge(cloudtrail.Record{
		EventID: fmt.Sprintf("event-%d", s.events), EventName: cloudtrail.DeleteFlowLogs, EventSource: cloudtrail.EC2, EventTime: s.now.Truncate(time.Second),
		Account: account, Region: region, FlowLogIDs: ids, IDsUnknown: len(ids) == 0, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory},
	})
}

// attack deletes flow logs in AWS, and returns the finding of the record.
func (s *scene) attack(ids ...string) detection.Finding {
	s.t.Helper()
	for _, id := range ids {
		if !s.world.Remove(account, region, id) {
			s.t.Fatalf("%s is not there to be deleted", id)
		}
	}
	return s.record(ids...)
}

// as makes a record one of a session of a role.
func as(f detection.Finding, role string) detection.Finding {
	f.Record.Identity = cloudtrail.Identity{Type: "AssumedRole", SessionIssuer: role}
	return f
}

// recordOfCreate returns the finding of a record that mallory has created a flow log.
func (s *scene) recordOfCreate(id string) detection.Finding {
	f := s.record()
	f.Kind, f.Record.IDsUnknown, f.Record.CreatedIDs = detection.Created, false, []string{id}
	return f
}

// forgedCreate returns the finding of a forged record of a CreateFlowLogs call that nobody made.
func forgedCreate(n int) detection.Finding {
	return detection.Finding{Kind: detection.Created, Record: cloudtrail.Record{EventID: fmt.Sprint("made-", n), Account: account, Region: region,
		CreatedIDs: []string{fmt.Sprintf("fl-%017x", 0xf0000000+n)}}}
}

// vpcDeleted returns the finding of a record that a VPC was deleted.
func vpcDeleted(vpc string) detection.Finding {
	return detection.Finding{Kind: detection.TornDown, Record: cloudtrail.Record{EventID: "torn-" + vpc, Account: account, Region: region, VPC: vpc}}
}

// madeUpIDs returns n IDs of flow logs that never existed.
func madeUpIDs(n, from int) (ids []string) {
	for k := range n {
		ids = append(ids, fmt.Sprintf("fl-%017x", 0xf00000000+from+k))
	}
	return ids
}

// recordBy returns the finding of a DeleteFlowLogs call, read from JSON as CloudTrail writes it. code and text
// are the error with which AWS refused the call; empty: it succeeded.
func (s *scene) recordBy(who, code, text string, ids ...string) detection.Finding {
	s.t.Helper()
	s.events++
	content := make([]map[string]any, len(ids))
	for n, id := range ids {
		content[n] = map[string]any{"tag": n + 1, "content": id}
	}
	request := map[string]any{"FlowLogId": content}
	if strings.HasSuffix(code, "DryRunOperation") {
		request["DryRun"] = true
	}
	record := map[string]any{
		"eventVersion": "1.10", "eventID": fmt.Sprintf("event-%d", s.events), "eventTime": s.now.UTC().Format(time.RFC3339), "eventSource": "ec2.amazonaws.com",
		"eventName": "DeleteFlowLogs", "awsRegion": region, "recipientAccountId": account, "sourceIPAddress": "192.0.2.1", "userAgent": "aws-cli/2",
		"userIdentity":      map[string]any{"type": "IAMUser", "arn": who, "accountId": account, "accessKeyId": "AKIAEXAMPLE"},
		"requestParameters": map[string]any{"DeleteFlowLogsRequest": request}, "eventType": "AwsApiCall",
	}
	if code != "" {
		record["errorCode"], record["errorMessage"] = code, text
	} else {
		record["responseElements"] = map[string]any{"DeleteFlowLogsResponse": map[string]any{"unsuccessful": ""}}
	}
	raw, err := json.Marshal(record)
	s.must(err)
	r, err := cloudtrail.Decode(raw)
	s.must(err)
	return s.judge(r)
}

const (
	nobody  = "arn:aws:iam::111122223333:user/nobody"
	refusal = "Client.UnauthorizedOperation"
	dryRun  = "Client.DryRunOperation"
)

// refusalText is as long as the message of AWS.
var refusalText = "You are not authorized to perform this operation. User: " + nobody + " is not authorized to perform: ec2:DeleteFlowLogs because no identity-based policy allows it. " +
	"Encoded authorization failure message: " + strings.Repeat("Ab3-", 300)

// TestI12AFloodOfAttempts: a principal without permissions calls DeleteFlowLogs 300 times with a thousand IDs
// that never existed, and makes 300 dry runs. At most ten alerts and 2 MB of the state file are about that, and
// a real deletion after it is alerted and restored at once.
func TestI12AFloodOfAttempts(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.must(s.store.Close())
	before := s.size()
	s.start()
	for k := range 300 {
		s.deliver(s.recordBy(nobody, refusal, refusalText, madeUpIDs(1000, 1000*k)...))
		s.advance(200 * time.Millisecond)
	}
	for range 300 {
		s.deliver(s.recordBy(nobody, dryRun, "Request would have succeeded, but DryRun flag is set.", id))
		s.advance(200 * time.Millisecond)
	}
	deletion := s.attack(id)
	s.deliver(deletion)
	s.wantAlerts(alert.Deletion, 1)
	s.reconcile()
	s.wantRestored("vpc-1")
	s.advance(time.Hour)
	all := s.alerts(alert.Attempt)
	calls := 0
	for _, a := range all {
		if a.Repeats == nil {
			calls++
		} else {
			calls += a.Repeats.Calls
		}
	}
	if len(all) < 2 || len(all) > 10 || calls != 600 {
		t.Errorf("%d alerts of %d attempts, want 2 to 10 alerts of 600", len(all), calls)
	}
	s.must(s.store.Close())
	grew := s.size() - before
	s.start()
	if grew > 2<<20 {
		t.Errorf("the state file grew by %d KB", grew>>10)
	}
	t.Logf("600 attempts: %d alerts, %d KB", len(all), grew>>10)
}

// tampering returns the finding of a call that changed a resource.
func (s *scene) tampering(service, event, target string, change func(*cloudtrail.Record)) detection.Finding {
	s.t.Helper()
	s.events++
	r := cloudtrail.Record{EventID: fmt.Sprintf("event-%d", s.events), EventName: event, EventSource: service + ".amazonaws.com", EventTime: s.now.Truncate(time.Second),
		Account: account, Region: region, Target: target, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}}
	if change != nil {
		change(&r)
	}
	return s.judge(r)
}

const (
	group    = "arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow"
	delivery = "arn:aws:iam::111122223333:role/service/delivery"
	stream   = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/flow"
)

// dependent returns a scene with a flow log to a bucket, one to a log group by a role, and one to a delivery
// stream. Flowkeeper needs a queue, a rule, a trail and a key.
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

// rawRecord writes a CloudTrail record of a call as AWS does. The fields in more are added at the end, where
// they override earlier ones.
func (s *scene) rawRecord(service, event, request string, more ...string) string {
	fields := append([]string{
		`"eventVersion":"1.11","eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true`,
		fmt.Sprintf(`"eventTime":%q,"eventSource":"%s.amazonaws.com","eventName":%q`, s.now.UTC().Format(time.RFC3339), service, event),
		fmt.Sprintf(`"awsRegion":%q,"recipientAccountId":%q,"requestParameters":%s`, region, account, request),
		fmt.Sprintf(`"userIdentity":{"type":"IAMUser","arn":%q,"accountId":%q,"userName":"mallory"}`, mallory, account),
	}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

// deleting returns the request parameters of a DeleteFlowLogs call.
func deleting(ids ...string) string {
	var items []string
	for n, id := range ids {
		items = append(items, fmt.Sprintf(`{"tag":%d,"content":%q}`, n+1, id))
	}
	return `{"DeleteFlowLogsRequest":{"FlowLogId":[` + strings.Join(items, ",") + `]}}`
}

// deliverRaw decodes records as a message has them, and delivers their findings.
func (s *scene) deliverRaw(records ...string) {
	s.t.Helper()
	for _, raw := range records {
		r, err := cloudtrail.Decode([]byte(raw))
		s.must(err)
		if f, ok := detection.Judge(r); ok {
			s.deliver(f)
		}
	}
}

const (
	eventID  = `"eventID":"6f0c0000-0000-4000-8000-000000000001"`
	addendum = `"eventID":"6f0c0000-0000-4000-8000-00000000000a","addendum":{"reason":"UPDATED_DATA","updatedFields":"userIdentity","originalRequestID":"r","originalEventID":"6f0c0000-0000-4000-8000-000000000001"}`
	asCI     = `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/ci/x","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/ci"}}}`
	omitted  = `{"omitted":true,"originalSize":134217,"reason":"requestParameters too large"}`
)
