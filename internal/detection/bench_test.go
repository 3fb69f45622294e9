package detection

import (
	"bytes"
	"encoding/json"
	"testing"

	"flowkeeper/internal/cloudtrail"
)

// The records have all fields that CloudTrail writes, so that they are as long as real ones.
const (
	identity = `"userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session","arn":"arn:aws:sts::111122223333:assumed-role/Admin/session","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE",` +
		`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/Admin","accountId":"111122223333","userName":"Admin"},` +
		`"attributes":{"creationDate":"2026-03-01T11:58:00Z","mfaAuthenticated":"false"}}}`
	common = `"eventTime":"2026-03-01T12:02:26Z","awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.17.9 md/awscrt#0.20.11 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.8 md/command#ec2.describe-instances",` +
		`"requestID":"59dbff89-35bd-4eac-99ed-be587EXAMPLE","eventID":"6f0c2f5e-7a1b-4d7f-9b0e-2f1c3d4e5f60","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"`
	unwanted = `{"eventVersion":"1.09",` + identity + `,"eventSource":"ec2.amazonaws.com","eventName":"RunInstances",` + common + `,"requestParameters":{"instancesSet":{"items":[{"imageId":"ami-0123456789abcdef0","minCount":1,"maxCount":1}]},"instanceType":"m7g.large"},"responseElements":null}`
	wanted   = `{"eventVersion":"1.09",` + identity + `,"eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs",` + common + `,"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-0aaaaaaaaaaaaaaa1"}}},"responseElements":{"DeleteFlowLogsResponse":{"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/","requestId":"r","unsuccessful":""}}}`
	tampers  = `{"eventVersion":"1.09",` + identity + `,"eventSource":"logs.amazonaws.com","eventName":"DeleteLogGroup",` + common + `,"requestParameters":{"logGroupName":"/vpc/flow-logs"},"responseElements":null}`
)

// fromBytes does with one record what the daemon does with each record of a message.
func fromBytes(raw []byte) (Finding, bool) {
	if !cloudtrail.Wanted(raw) {
		return Finding{}, false
	}
	r, err := cloudtrail.Decode(raw)
	if err != nil {
		return Finding{}, false
	}
	return Judge(r)
}

func benchmark(b *testing.B, record string, found bool) {
	raw := []byte(record)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := fromBytes(raw); ok != found {
			b.Fatalf("found is %v, want %v", ok, found)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// From the bytes of a record to its finding: a call that is not watched, as most are, a deletion, and a call that may
// be tampering.
func BenchmarkRecordUnwanted(b *testing.B) { benchmark(b, unwanted, false) }
func BenchmarkRecordDeletion(b *testing.B) { benchmark(b, wanted, true) }
func BenchmarkRecordTamper(b *testing.B)   { benchmark(b, tampers, true) }

// Two limits for comparison: reading the record once from memory, and parsing it once
// with encoding/json.
func BenchmarkLimitRead(b *testing.B) {
	raw, needle := []byte(unwanted), []byte("DeleteFlowLogs")
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if bytes.Contains(raw, needle) {
			b.Fatal("found")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkLimitParse(b *testing.B) {
	raw := []byte(unwanted)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		var r struct{ EventSource, EventName, ErrorCode string }
		if err := json.Unmarshal(raw, &r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
