package fakeaws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

const (
	acct      = "111122223333"
	region    = "eu-west-1"
	bucketARN = "arn:aws:s3:::b"
	group     = "arn:aws:logs:eu-west-1:111122223333:log-group:g"
	roleOf    = "arn:aws:iam::111122223333:role/r"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func testWorld(t *testing.T) (*fakeawstest.World, *ec2.Client, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w := fakeawstest.New(fakeawstest.Options{Now: c.now})
	for _, id := range []string{"vpc-1", "vpc-2", "subnet-1", "eni-1", "tgw-1", "tgw-attach-1", "nat-1"} {
		w.AddResource(acct, region, id)
	}
	for _, arn := range []string{bucketARN, group, roleOf} {
		w.AddDestination(arn)
	}
	user := w.User(acct, "mallory", false)
	return w, ec2Client(w, user), c
}

func ec2Client(w *fakeawstest.World, c fakeaws.Credentials) *ec2.Client {
	return ec2.New(ec2.Options{Region: region, HTTPClient: w.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")})
}

// resourceType returns the type of a resource by its ID.
func resourceType(id string) types.FlowLogsResourceType {
	prefix := id[:strings.LastIndex(id, "-")]
	return map[string]types.FlowLogsResourceType{"vpc": "VPC", "subnet": "Subnet", "eni": "NetworkInterface",
		"tgw": "TransitGateway", "tgw-attach": "TransitGatewayAttachment", "nat": "RegionalNatGateway"}[prefix]
}

func toBucket(resource string, change func(*ec2.CreateFlowLogsInput)) *ec2.CreateFlowLogsInput {
	in := &ec2.CreateFlowLogsInput{ResourceIds: []string{resource}, ResourceType: resourceType(resource), TrafficType: "ALL",
		LogDestinationType: "s3", LogDestination: aws.String(bucketARN)}
	if change != nil {
		change(in)
	}
	return in
}

func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// These tests are about the fake alone. Package test/contract tests the behaviour that the fake shares with LocalStack.

func TestTagFields(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	out, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) {
		in.TagFieldSpecifications = []types.TagFieldSpecificationRequest{{ResourceType: "vpc", TagKeys: []string{"k1", "k2"}}}
	}))
	if err != nil || len(out.FlowLogIds) != 1 {
		t.Fatal(out, err)
	}
	all, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{FlowLogIds: out.FlowLogIds})
	if err != nil || len(all.FlowLogs) != 1 || !slices.Equal(all.FlowLogs[0].TagFieldSpecifications[0].TagKeys, []string{"k1", "k2"}) {
		t.Errorf("described %+v, %v", all, err)
	}
	if calls := w.Calls("CreateFlowLogs"); len(calls) != 1 || calls[0].IDs[0] != out.FlowLogIds[0] {
		t.Errorf("calls %+v", calls)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	_, api, _ := testWorld(t)
	if _, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-2", nil)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   *ec2.CreateFlowLogsInput
		code string // of the error, or of the unsuccessful item
	}{
		"a decoy exists":   {toBucket("vpc-2", func(in *ec2.CreateFlowLogsInput) { in.TrafficType = "REJECT" }), "FlowLogAlreadyExists"},
		"a role for S3":    {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) { in.DeliverLogsPermissionArn = aws.String(roleOf) }), "InvalidParameter"},
		"tgw with traffic": {toBucket("tgw-1", nil), "InvalidParameter"},
		"tgw with 600":     {toBucket("tgw-1", func(in *ec2.CreateFlowLogsInput) { in.TrafficType, in.MaxAggregationInterval = "", aws.Int32(600) }), "InvalidParameter"},
		"no traffic":       {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) { in.TrafficType = "" }), "InvalidParameter"},
		"another type":     {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) { in.ResourceType = "Subnet" }), "InvalidParameterValue"},
		"a log group's :*": {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) {
			in.LogDestinationType, in.LogDestination, in.DeliverLogsPermissionArn = "cloud-watch-logs", aws.String(group+":*"), aws.String(roleOf)
		}), "InvalidParameter"},
		"a role that is none": {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) {
			in.LogDestinationType, in.LogDestination, in.DeliverLogsPermissionArn = "cloud-watch-logs", aws.String(group), aws.String("arn:none")
		}), "400"},
		"options for a group": {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) {
			in.LogDestinationType, in.LogDestination, in.DeliverLogsPermissionArn = "cloud-watch-logs", aws.String(group), aws.String(roleOf)
			in.DestinationOptions = &types.DestinationOptionsRequest{FileFormat: "parquet"}
		}), "InvalidParameter"},
		"aws: tag": {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "vpc-flow-log", Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}}}
		}), "InvalidParameterValue"},
		"tags of a VPC": {toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "vpc"}}
		}), "InvalidParameterValue"},
		"no such gateway": {toBucket("tgw-attach-9", func(in *ec2.CreateFlowLogsInput) { in.TrafficType = "" }), "InvalidTransitGatewayAttachmentID.NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := api.CreateFlowLogs(t.Context(), c.in)
			got := code(err)
			if err == nil && len(out.Unsuccessful) == 1 {
				got = *out.Unsuccessful[0].Error.Code
			}
			if got != c.code {
				t.Errorf("answered %q, want %q", got, c.code)
			}
		})
	}
}

// TestEveryCreateParameterIsTaken: if a new version of the SDK adds a parameter to CreateFlowLogs, this test fails
// until the fake handles or refuses it.
func TestEveryCreateParameterIsTaken(t *testing.T) {
	t.Parallel()
	known := []string{"ResourceIds", "ResourceType", "ClientToken", "DeliverCrossAccountRole", "DeliverLogsPermissionArn", "DestinationOptions", "DryRun",
		"LogDestination", "LogDestinationType", "LogFormat", "LogGroupName", "MaxAggregationInterval", "TagFieldSpecifications", "TagSpecifications", "TrafficType"}
	typ := reflect.TypeFor[ec2.CreateFlowLogsInput]()
	for f := range typ.Fields() {
		if f.IsExported() && !slices.Contains(known, f.Name) {
			t.Errorf("the fake does not know CreateFlowLogsInput.%s", f.Name)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	var want []string
	for n := range 25 {
		want = append(want, w.Plant(acct, region, fakeaws.FlowLog{ResourceID: fmt.Sprintf("vpc-%d", n), LogDestinationType: "s3", LogDestination: bucketARN}))
	}
	var got []string
	in := &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(10)}
	for pages := 1; ; pages++ {
		out, err := api.DescribeFlowLogs(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out.FlowLogs {
			got = append(got, *f.FlowLogId)
		}
		if out.NextToken == nil {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		in.NextToken = out.NextToken
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if _, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String("colour"), Values: []string{"red"}}}}); code(err) != "InvalidParameterValue" {
		t.Errorf("an unknown filter: %v", err)
	}
}

func TestEventualConsistency(t *testing.T) {
	t.Parallel()
	w, api, c := testWorld(t)
	id := w.Plant(acct, region, fakeaws.FlowLog{ResourceID: "vpc-1", LogDestinationType: "s3", LogDestination: bucketARN, CreatedAt: c.t.Add(-time.Hour)})
	w.SetConsistencyDelay(5 * time.Second)
	shown := func() int {
		t.Helper()
		out, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String("resource-id"), Values: []string{"vpc-1", "vpc-2"}}}})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.FlowLogs)
	}
	w.Remove(acct, region, id)
	if shown() != 1 {
		t.Error("a flow log that was just deleted is not shown any more")
	}
	if _, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-2", nil)); err != nil {
		t.Fatal(err)
	}
	if shown() != 1 {
		t.Error("a flow log that was just made is shown already")
	}
	c.t = c.t.Add(6 * time.Second)
	if n := shown(); n != 1 || w.FlowLogs(acct, region)[0].ResourceID != "vpc-2" {
		t.Errorf("after the delay: %d flow logs shown, want the new one only", n)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	w.Throttle("CreateFlowLogs", 1)
	w.LoseAnswers("CreateFlowLogs", 1)
	if _, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-1", nil)); code(err) != "RequestLimitExceeded" {
		t.Errorf("throttled: %v", err)
	}
	if _, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-1", nil)); err == nil || len(w.FlowLogs(acct, region)) != 1 {
		t.Errorf("a lost answer: %v, and %d flow logs; want an error and 1", err, len(w.FlowLogs(acct, region)))
	}
	w.Deny("mallory", "DeleteFlowLogs")
	if _, err := api.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{"fl-1"}}); code(err) != "UnauthorizedOperation" {
		t.Errorf("denied: %v", err)
	}
	w.Chaos(1, fakeawstest.Odds{Throttled: 0.5})
	n := 0
	for range 100 {
		if _, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{}); err != nil {
			n++
		}
	}
	if n < 25 || n > 75 {
		t.Errorf("%d of 100 calls throttled, want about half", n)
	}
}

// TestRecords: the records of flow log calls have the shapes of CloudTrail's.
func TestRecords(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	_, arn := w.CreateQueue(acct, region, "q", nil)
	w.TrailTo(arn)
	var ids []string
	for n := range 3 {
		ids = append(ids, w.Plant(acct, region, fakeaws.FlowLog{ResourceID: fmt.Sprintf("vpc-1%d", n), LogDestinationType: "s3", LogDestination: bucketARN}))
	}
	detail := func() map[string]any { return receive(t, w) }
	del := func(ids ...string) map[string]any {
		_, _ = api.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
		return detail()
	}
	one := del(ids[0])
	if got := at(one, "requestParameters", "DeleteFlowLogsRequest", "FlowLogId", "content"); got != ids[0] {
		t.Errorf("one ID: %v", one)
	}
	if got := at(one, "responseElements", "DeleteFlowLogsResponse", "unsuccessful"); got != "" {
		t.Errorf("nothing unsuccessful: %v", got)
	}
	if at(one, "userIdentity", "arn") != "arn:aws:iam::111122223333:user/mallory" || at(one, "userIdentity", "sessionContext") != nil {
		t.Errorf("identity: %v", one["userIdentity"])
	}
	several := del(ids[1], ids[2], "fl-0000dead")
	if list, ok := at(several, "requestParameters", "DeleteFlowLogsRequest", "FlowLogId").([]any); !ok || len(list) != 3 {
		t.Errorf("several IDs: %v", several["requestParameters"])
	}
	if got := at(several, "responseElements", "DeleteFlowLogsResponse", "unsuccessful", "item", "resourceId"); got != "fl-0000dead" {
		t.Errorf("partly refused: %v", several["responseElements"])
	}
	refused := del("fl-0000dead")
	if refused["errorCode"] != "Client.InvalidFlowLogId.NotFound" || refused["responseElements"] != nil {
		t.Errorf("refused whole: %v", refused)
	}
	if _, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-1", nil)); err != nil {
		t.Fatal(err)
	}
	if made := detail(); at(made, "responseElements", "CreateFlowLogsResponse", "flowLogIdSet", "item") != w.FlowLogs(acct, region)[0].ID {
		t.Errorf("created: %v", made)
	}
}

func at(v any, path ...string) any {
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return fmt.Sprintf("no object above %s: %v", p, v)
		}
		v = m[p]
	}
	return v
}

func receive(t *testing.T, w *fakeawstest.World) map[string]any {
	t.Helper()
	user := w.User(acct, "reader", true)
	q := sqs.New(sqs.Options{Region: region, HTTPClient: w.HTTPClient(), BaseEndpoint: aws.String("http://aws.test"),
		Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, "")})
	url := "http://aws.test/queue/eu-west-1/" + acct + "/q"
	out, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("receive: %v, %v", out, err)
	}
	if _, err := q.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: out.Messages[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(*out.Messages[0].Body), &body); err != nil {
		t.Fatal(err)
	}
	if body["source"] != "aws.ec2" || body["detail-type"] != "AWS API Call via CloudTrail" {
		t.Errorf("envelope %v", body)
	}
	return body["detail"].(map[string]any)
}
