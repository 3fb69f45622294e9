package cloudtrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const head = `"eventVersion":"1.09","eventTime":"2026-03-01T12:02:26Z","eventSource":"ec2.amazonaws.com","awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventID":"6f0c",` +
	`"sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.17","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory","accountId":"111122223333","accessKeyId":"AKIA","userName":"mallory"},`

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// base is the record that head decodes to.
func base(name string) Record {
	return Record{EventID: "6f0c", EventName: name, EventSource: EC2, EventTime: time.Date(2026, 3, 1, 12, 2, 26, 0, time.UTC), Account: "111122223333", Region: "eu-west-1",
		SourceIP: "198.51.100.7", UserAgent: "aws-cli/2.17",
		Identity: Identity{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/mallory", AccountID: "111122223333", AccessKeyID: "AKIA", UserName: "mallory"}}
}

func deleting(change func(*Record)) Record {
	r := base(DeleteFlowLogs)
	if change != nil {
		change(&r)
	}
	return r
}

// other is head with an event of another service.
func other(service, event string) string {
	return strings.Replace(head, "ec2.amazonaws.com", service+".amazonaws.com", 1) + `"eventName":"` + event + `",`
}

func touched(service, event, target, detail string) Record {
	r := base(event)
	r.EventSource, r.Target, r.Detail = service+".amazonaws.com", target, detail
	return r
}

// TestDecode: records in the shapes that docs/aws.md lists under "Records of flow log calls", and those of tampering.
func TestDecode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		json string
		want Record
	}{
		"one ID": {`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-0aaaaaaaaaaaaaaa1"}}},"responseElements":{"DeleteFlowLogsResponse":{"xmlns":"x","requestId":"r","unsuccessful":""}}}`,
			deleting(func(r *Record) { r.FlowLogIDs = []string{"fl-0aaaaaaaaaaaaaaa1"} })},
		"several, one twice": {`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":[{"tag":1,"content":"fl-00000001"},{"tag":2,"content":"fl-00000002"},{"tag":3,"content":"fl-00000001"}]}}}`,
			deleting(func(r *Record) { r.FlowLogIDs = []string{"fl-00000001", "fl-00000002"} })},
		"partly refused": {`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":[{"tag":1,"content":"fl-00000001"},{"tag":2,"content":"fl-00000002"}]}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":{"item":{"error":{"code":400,"message":"no"},"resourceId":"fl-00000002"}}}}}`,
			deleting(func(r *Record) {
				r.FlowLogIDs, r.Refused = []string{"fl-00000001", "fl-00000002"}, []Refusal{{"fl-00000002", "400", "no"}}
			})},
		"several refused": {`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"content":"fl-00000001"}}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":{"item":[{"error":{"code":"A"},"resourceId":"fl-00000001"},{"resourceId":"fl-00000002"}]}}}}`,
			deleting(func(r *Record) {
				r.FlowLogIDs, r.Refused = []string{"fl-00000001"}, []Refusal{{"fl-00000001", "A", ""}, {"fl-00000002", "", ""}}
			})},
		"refused whole": {`{` + head + `"eventName":"DeleteFlowLogs","errorCode":"Client.UnauthorizedOperation","errorMessage":"You are not authorized","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-00000001"}}},"responseElements":null}`,
			deleting(func(r *Record) {
				r.FlowLogIDs, r.ErrorCode, r.ErrorText = []string{"fl-00000001"}, "Client.UnauthorizedOperation", "You are not authorized"
			})},
		"dry run": {`{` + head + `"eventName":"DeleteFlowLogs","errorCode":"Client.DryRunOperation","requestParameters":{"DeleteFlowLogsRequest":{"DryRun":true,"FlowLogId":{"tag":1,"content":"fl-00000001"}}}}`,
			deleting(func(r *Record) {
				r.FlowLogIDs, r.ErrorCode, r.DryRun = []string{"fl-00000001"}, "Client.DryRunOperation", true
			})},
		"omitted": {`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"omitted":true,"originalSize":300000,"reason":"too large"}}`,
			deleting(func(r *Record) { r.IDsUnknown = true })},
		"no wrapper": {`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"FlowLogId":{"content":"fl-00000001"}}}`,
			deleting(func(r *Record) { r.FlowLogIDs = []string{"fl-00000001"} })},
		"an unknown shape": {`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"flowLogIdSet":{"items":[{"flowLogId":"fl-00000001"},{"flowLogId":"fl-00000002"}]}}}`,
			deleting(func(r *Record) { r.FlowLogIDs = []string{"fl-00000001", "fl-00000002"} })},
		"created": {`{` + head + `"eventName":"CreateFlowLogs","requestParameters":{"CreateFlowLogsRequest":{"ResourceId":{"tag":1,"content":"vpc-1"}}},"responseElements":{"CreateFlowLogsResponse":{"flowLogIdSet":{"item":"fl-00000001"},"unsuccessful":""}}}`,
			func() Record {
				r := base(CreateFlowLogs)
				r.CreatedIDs = []string{"fl-00000001"}
				return r
			}()},
		"several created": {`{` + head + `"eventName":"CreateFlowLogs","requestParameters":{"CreateFlowLogsRequest":{"ResourceId":[{"content":"vpc-1"},{"content":"vpc-2"}]}},"responseElements":{"CreateFlowLogsResponse":{"flowLogIdSet":{"item":["fl-00000001","fl-00000002"]}}}}`,
			func() Record {
				r := base(CreateFlowLogs)
				r.CreatedIDs = []string{"fl-00000001", "fl-00000002"}
				return r
			}()},
		"a VPC": {`{` + head + `"eventName":"DeleteVpc","requestParameters":{"vpcId":"vpc-1"}}`, func() Record {
			r := base(DeleteVPC)
			r.VPC = "vpc-1"
			return r
		}()},
		"a retention": {`{` + other("logs", "PutRetentionPolicy") + `"requestParameters":{"logGroupName":"/vpc/flow","retentionInDays":1}}`, touched("logs", "PutRetentionPolicy", "/vpc/flow", "to 1 day")},
		"a bucket":    {`{` + other("s3", "PutBucketPolicy") + `"requestParameters":{"bucketName":"logs","Host":"s3.eu-west-1.amazonaws.com","policy":""}}`, touched("s3", "PutBucketPolicy", "logs", "")},
		"a bucket, by its ARN": {`{` + other("s3", "DeleteBucket") + `"requestParameters":null,"resources":[{"accountId":"1"},{"ARN":"arn:aws:s3:::logs","type":"AWS::S3::Bucket"}]}`,
			touched("s3", "DeleteBucket", "arn:aws:s3:::logs", "")},
		"a role's policy": {`{` + other("iam", "DetachRolePolicy") + `"requestParameters":{"roleName":"delivery","policyArn":"arn:aws:iam::1:policy/p"}}`, touched("iam", "DetachRolePolicy", "delivery", "arn:aws:iam::1:policy/p")},
		"a trail":         {`{` + other("cloudtrail", "StopLogging") + `"requestParameters":{"name":"arn:aws:cloudtrail:eu-west-1:111122223333:trail/t"}}`, touched("cloudtrail", "StopLogging", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/t", "")},
		"a queue": {`{` + other("sqs", "SetQueueAttributes") + `"requestParameters":{"queueUrl":"https://sqs/1/q","attributes":{"Policy":"{}","DelaySeconds":"900"}}}`,
			touched("sqs", "SetQueueAttributes", "https://sqs/1/q", "DelaySeconds, Policy")},
		"a parameter in another case": {`{` + other("sqs", "DeleteQueue") + `"requestParameters":{"QueueUrl":"https://sqs/1/q"}}`, touched("sqs", "DeleteQueue", "https://sqs/1/q", "")},
		"a stream's tags": {`{` + other("firehose", "UntagDeliveryStream") + `"requestParameters":{"deliveryStreamName":"s","tagKeys":["LogDeliveryEnabled","x"]}}`,
			touched("firehose", "UntagDeliveryStream", "s", "LogDeliveryEnabled, x")},
		"the same event of another service": {`{` + other("waf", "DeleteRule") + `"requestParameters":{"name":"r"}}`, touched("waf", "DeleteRule", "", "")},
		"a rule of a bus": {`{` + other("events", "RemoveTargets") + `"requestParameters":{"rule":"r","eventBusName":"b","ids":["1"]}}`, func() Record {
			r := touched("events", "RemoveTargets", "r", "")
			r.Bus = "b"
			return r
		}()},
		"a role": {`{"eventName":"X","eventSource":"s3.amazonaws.com","userIdentity":{"type":"AssumedRole","arn":"arn:s","sessionContext":{"sessionIssuer":{"arn":"arn:r"},"attributes":{"mfaAuthenticated":"true"}}}}`,
			Record{EventName: "X", EventSource: "s3.amazonaws.com", Identity: Identity{Type: "AssumedRole", ARN: "arn:s", SessionIssuer: "arn:r", MFA: yes()}}},
		"coerced": {`{"eventName":"X","eventSource":"x","recipientAccountId":111122223333,"userIdentity":{"type":true,"sessionContext":{"attributes":{"mfaAuthenticated":false}}},"userAgent":12,"eventTime":"yesterday"}`,
			Record{EventName: "X", EventSource: "x", Account: "111122223333", UserAgent: "12", Identity: Identity{Type: "true", MFA: no()}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode([]byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			got.RequestHash = "" // not compared
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"nothing": ``, "no object": `[]`, "text": `"x"`, "half": `{"eventName":"X"`, "no name": `{"eventSource":"x"}`, "no source": `{"eventName":"x"}`,
		"deep": strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100), "large": `{"eventName":"` + strings.Repeat("x", maxRecord) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r, err := Decode([]byte(in)); !errors.Is(err, ErrNotARecord) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", maxText)
	r, err := Decode(fmt.Appendf(nil, `{"eventName":"X","eventSource":"x","userAgent":%q}`, long))
	if err != nil || len(r.UserAgent) > maxText || !strings.HasPrefix(long, r.UserAgent) {
		t.Errorf("%d bytes kept, %v", len(r.UserAgent), err)
	}
}

// TestWantedNeverMissesARecord: Wanted searches the bytes of a record for the event name. It must be true for every
// record of a watched call that Decode decodes, even if its JSON has escaped letters or spaces.
func TestWantedNeverMissesARecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(wanted))).Draw(t, "name")
		written := func(s, what string) string { // some of its letters escaped
			var b strings.Builder
			for n, e := range rapid.SliceOfN(rapid.Bool(), len(s), len(s)).Draw(t, what) {
				if e {
					fmt.Fprintf(&b, `\u%04x`, s[n])
				} else {
					b.WriteByte(s[n])
				}
			}
			return b.String()
		}
		space := rapid.StringOfN(rapid.RuneFrom([]rune(" \t\r\n")), 0, 3, -1)
		raw := []byte(`{"x":"\"eventName\":\"Y\"","` + written("eventName", "key") + `"` + space.Draw(t, "before") + `:` + space.Draw(t, "after") + `"` + written(name, "escaped") + `","eventSource":"ec2.amazonaws.com"}`)
		r, err := Decode(raw)
		if err != nil || r.EventName != name {
			t.Fatal(r, err)
		}
		if !Wanted(raw) {
			t.Fatalf("%s is not wanted", raw)
		}
	})
	for _, raw := range []string{
		`{"eventName":"DescribeInstances","eventSource":"ec2.amazonaws.com"}`,
		`{"eventName":"DescribeFlowLogs","eventSource":"ec2.amazonaws.com","userAgent":"DeleteFlowLogs"}`,
		`{"eventName":"PutRule2","eventSource":"events.amazonaws.com"}`,
	} {
		if Wanted([]byte(raw)) {
			t.Errorf("a record of a call that is not watched is wanted: %s", raw)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":[{"content":"fl-00000001"},7,null,{"content":{}}]}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":{"item":[1,{"error":[]}]}}}}`))
	f.Add([]byte(`{"eventName":"CreateFlowLogs","eventSource":"ec2.amazonaws.com","responseElements":{"CreateFlowLogsResponse":{"flowLogIdSet":{"item":["fl-00000001"]}}}}`))
	f.Add([]byte(`{"eventName":"DeleteVpc","eventSource":"ec2.amazonaws.com","requestParameters":"x","userIdentity":[[[]]]}`))
	f.Add([]byte(`{"eventType":"AwsCloudTrailInsight","eventCategory":"Insight","insightDetails":{"eventName":"DeleteFlowLogs","eventSource":[]}}`))
	f.Add([]byte(`{` + other("events", "PutTargets") + `"eventTime":"2026-03-01 03:12:44 +","requestParameters":{"rule":"r","targets":[1,{"arn":{}},{"arn":"x"}]},"addendum":{"originalEventID":"x","updatedFields":[{}]}}`))
	f.Add([]byte(`{` + other("firehose", "UpdateDestination") + `"requestParameters":{"omitted":true,"xUpdate":[]},"userIdentity":{"onBehalfOf":1,"sessionContext":{"webIdFederationData":{"attributes":{"a":"b"}}}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Decode(raw)
		if err != nil {
			if !errors.Is(err, ErrNotARecord) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Fatal("a text that is not JSON was decoded")
		}
		// CloudTrail's records have one event name. The JSON decoder accepts several, in different cases.
		once := bytes.Count(bytes.ToLower(raw), []byte("eventname")) == 1
		if once && wanted[r.EventName] && !Wanted(raw) {
			t.Fatal("Wanted is false for the record of a watched call")
		}
		for _, id := range append(r.FlowLogIDs, r.CreatedIDs...) {
			if !flowLogID.MatchString(id) {
				t.Fatalf("ID %q", id)
			}
		}
		if r.NoCall != "" && (len(r.FlowLogIDs) > 0 || r.Target != "" || r.IDsUnknown) {
			t.Fatalf("a record that is no call names flow logs or a target: %+v", r)
		}
		if len(r.UserAgent) > maxText || len(r.EventID) > maxText || len(r.Identity.WebIdentity) > maxText || len(r.Detail) > maxText {
			t.Fatal("a text is longer than maxText")
		}
	})
}

func BenchmarkWantedNonMatching(b *testing.B) {
	raw := []byte(`{` + head + `"eventName":"DescribeInstances","requestParameters":{"instancesSet":{},"filterSet":{}},"responseElements":null}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if Wanted(raw) {
			b.Fatal("wanted")
		}
	}
}

func BenchmarkDecodeMatching(b *testing.B) {
	raw := []byte(`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-0aaaaaaaaaaaaaaa1"}}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":""}}}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}
