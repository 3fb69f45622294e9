package watcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const record = `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventID":"e","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"content":"fl-00000001"}}}}`

func bridge(detail string) string {
	return `{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","account":"999988887777","region":"us-east-1","detail":` + detail + `}`
}

func notification(message string) string {
	b, err := json.Marshal(map[string]string{"Type": "Notification", "TopicArn": "arn:t", "Message": message})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestUnwrap: a message of every kind that reaches a queue, and what Unwrap finds in it.
func TestUnwrap(t *testing.T) {
	t.Parallel()
	deep := record
	for range maxNesting + 1 {
		deep = notification(deep)
	}
	for name, c := range map[string]struct {
		body    string
		kind    Kind // empty: not understood
		records int
	}{
		"EventBridge":                    {bridge(record), EventBridge, 1},
		"a bare record":                  {record, Bare, 1},
		"Records":                        {`{"Records":[` + record + `,` + record + `]}`, Batch, 2},
		"an Insights event":              {`{"eventType":"AwsCloudTrailInsight","eventCategory":"Insight","insightDetails":{}}`, Bare, 1},
		"somebody else's event":          {`{"eventType":"OrderPlaced","eventCategory":"Orders"}`, "", 0},
		"no Records":                     {`{"Records":[]}`, Batch, 0},
		"SNS":                            {notification(bridge(record)), EventBridge, 1},
		"SNS in SNS":                     {notification(notification(record)), Bare, 1},
		"SNS too deep":                   {deep, "", 0},
		"SNS confirmation":               {`{"Type":"SubscriptionConfirmation","SubscribeURL":"http://evil.example"}`, Subscription, 0},
		"CloudTrail's notice":            {`{"s3Bucket":"b","s3ObjectKey":["k"]}`, LogFile, 0},
		"S3's notice":                    {`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`, LogFile, 0},
		"S3's notice through SNS":        {notification(`{"Records":[{"eventSource":"aws:s3","s3":{}}]}`), LogFile, 0},
		"a call on a bucket":             {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{"eventName":"PutBucketPolicy","eventSource":"s3.amazonaws.com"}}`, EventBridge, 1},
		"S3 through EventBridge":         {`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"}}}`, LogFile, 0},
		"a notice of a digest":           {`{"s3Bucket":"b","s3ObjectKey":["AWSLogs/1/CloudTrail-Digest/eu-west-1/x.json.gz"]}`, NoRecords, 0},
		"S3's notice of a digest":        {`{"Records":[{"eventSource":"aws:s3","s3":{"object":{"key":"AWSLogs/1/CloudTrail-Digest/x.json.gz"}}},{"eventSource":"aws:s3","s3":{"object":{"key":"AWSLogs/1/CloudTrail-Insight/x.json.gz"}}}]}`, NoRecords, 0},
		"a digest through EventBridge":   {`{"detail-type":"Object Created","source":"aws.s3","detail":{"object":{"key":"o-1/AWSLogs/1/CloudTrail-Digest/x.json.gz"}}}`, NoRecords, 0},
		"a folder":                       {`{"Records":[{"eventSource":"aws:s3","s3":{"object":{"key":"AWSLogs/"}}}]}`, NoRecords, 0},
		"a digest and a log file":        {`{"s3Bucket":"b","s3ObjectKey":["AWSLogs/1/CloudTrail-Digest/x.json.gz","AWSLogs/1/CloudTrail/x.json.gz"]}`, LogFile, 0},
		"a notice without a key":         {`{"s3Bucket":"b","s3ObjectKey":"/CloudTrail-Digest/"}`, LogFile, 0},
		"a digest itself":                {`{"awsAccountId":"1","digestStartTime":"t","digestS3Bucket":"b","logFiles":[]}`, NoRecords, 0},
		"S3's test":                      {`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`, SetupNoise, 0},
		"CloudTrail's test":              {`CloudTrail validation message.`, SetupNoise, 0},
		"another event":                  {`{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{}}`, Other, 0},
		"an event without detail":        {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.ec2"}`, "", 0},
		"nothing":                        {``, "", 0},
		"text":                           {`hello`, "", 0},
		"half a message":                 {`{"Records":[`, "", 0},
		"Records of another kind":        {`{"Records":7}`, "", 0},
		"an object of something else":    {`{"a":1}`, "", 0},
		"a notification without message": {`{"Type":"Notification"}`, "", 0},
		"aws cloudtrail lookup-events":   {`{"Events":[{"CloudTrailEvent":"{}"}]}`, "", 0},
		"a query of CloudTrail Lake":     {`{"QueryResultRows":[[{"eventData":"{}"}]]}`, "", 0},
		"aws sqs receive-message":        {`{"Messages":[{"ReceiptHandle":"h","Body":"{}"}]}`, "", 0},
		"a message that is an object":    {`{"Type":"Notification","Message":{}}`, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Unwrap([]byte(c.body))
			if (err != nil) != (c.kind == "") || err != nil && !errors.Is(err, ErrNotUnderstood) {
				t.Fatalf("%+v, %v", got, err)
			}
			if got.Kind != c.kind || len(got.Records) != c.records {
				t.Errorf("kind %q with %d records, want %q with %d", got.Kind, len(got.Records), c.kind, c.records)
			}
		})
	}
}

func TestI8DecodeKeepsTheGoodOnes(t *testing.T) {
	t.Parallel()
	c, err := Unwrap([]byte(`{"Records":[` + record + `,{"eventName":"DeleteFlowLogs","awsRegion":"eu-west-1","recipientAccountId":"111122223333"},7,{"eventName":"DescribeVpcs","eventSource":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	d := decode(c)
	if len(d.records) != 1 || d.bad != 2 || len(d.suspects) != 1 || d.suspects[0] != (Suspect{Account: "111122223333", Region: "eu-west-1"}) {
		t.Errorf("%+v", d)
	}
}

func TestSuspect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		raw  string
		want Suspect
	}{
		"neither account nor Region": {`{"eventName":"DeleteFlowLogs`, Suspect{}},
		"a record that is cut":       {`{"awsRegion":"us-gov-west-1","recipientAccountId":"111122223333","eventName":"DeleteFlowLogs"`, Suspect{Account: "111122223333", Region: "us-gov-west-1"}},
		"in a text":                  {`"{\"awsRegion\":\"eu-west-1\",\"recipientAccountId\" : \"111122223333\",\"eventName\":\"DeleteFlowLogs\"`, Suspect{Account: "111122223333", Region: "eu-west-1"}},
		"values that are too long":   {`DeleteFlowLogs "awsRegion":"` + strings.Repeat("x", 100) + `","recipientAccountId":"1111222233334444"`, Suspect{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if s, ok := suspect([]byte(c.raw)); !ok || s != c.want {
				t.Errorf("%+v, %v", s, ok)
			}
		})
	}
	if _, ok := suspect([]byte(`{"eventName":"DescribeFlowLogs"`)); ok {
		t.Error("a text without the name of a watched call is suspect")
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add([]byte(bridge(record)))
	f.Add([]byte(notification(record)))
	f.Add([]byte(`{"Records":[` + record + `,null]}`))
	f.Add([]byte(`{"Records":[{"eventSource":"aws:s3"}]}`))
	for _, body := range noCalls {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := Unwrap(body)
		if err != nil {
			suspect(body)
			return
		}
		if c.Kind == "" {
			t.Fatal("neither a kind nor an error")
		}
		decode(c)
	})
}

func BenchmarkIrrelevantMessage(b *testing.B) {
	body := []byte(bridge(fmt.Sprintf(`{"eventName":"DescribeInstances","eventSource":"ec2.amazonaws.com","requestParameters":{"filler":%q}}`, strings.Repeat("x", 1000))))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := Unwrap(body)
		if err != nil {
			b.Fatal(err)
		}
		if len(decode(c).records) > 0 {
			b.Fatal("wanted")
		}
	}
}
