package sigma_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// named is a part of a record, and the name that tests give it.
type named struct{ name, json string }

var identities = []named{
	{"a user", `{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/mallory","accountId":"111122223333","accessKeyId":"AKIAIOSFODNN7EXAMPLE","userName":"mallory"}`},
	{"a role", `{"type":"AssumedRole","principalId":"AROAEXAMPLE:session","arn":"arn:aws:sts::111122223333:assumed-role/admin/session","accountId":"111122223333","accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/admin","accountId":"111122223333","userName":"admin"},"attributes":{"creationDate":"2026-03-01T12:00:00Z","mfaAuthenticated":"false"}}}`},
	{"root", `{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","accessKeyId":"ASIAIOSFODNN7EXAMPLE"}`},
	{"a federated user", `{"type":"FederatedUser","principalId":"111122223333:bob","arn":"arn:aws:sts::111122223333:federated-user/bob","accountId":"111122223333"}`},
	{"another account", `{"type":"AWSAccount","principalId":"AIDAEXAMPLE","accountId":"444455556666"}`},
	{"a service", `{"type":"AWSService","invokedBy":"cloudformation.amazonaws.com"}`},
	{"an Identity Center user", `{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"u","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-1"},"credentialId":"c"}`},
	{"somebody without a type", `{"accountId":"111122223333","invokedBy":"AWS Internal"}`},
	{"nobody", `null`},
}

// outcome is how a call ended.
type outcome struct {
	name, code string
	dryRun     bool
}

var outcomes = []outcome{
	{"done", "", false},
	{"done, errorCode null", "null", false},
	{"not authorized", `"Client.UnauthorizedOperation"`, false},
	{"dry run allowed", `"Client.DryRunOperation"`, true},
	{"dry run refused", `"Client.UnauthorizedOperation"`, true},
	{"not found", `"Client.InvalidFlowLogId.NotFound"`, false},
	{"throttled", `"Client.RequestLimitExceeded"`, false},
	{"a fault of AWS", `"Server.InternalError"`, false},
	{"denied", `"AccessDenied"`, false},
	{"throttled by another service", `"ThrottlingException"`, false},
	{"a number for a code", `400`, false},
}

// of is the call with this outcome.
func (o outcome) of(c call) call {
	c.errorCode = o.code
	if o.code != "" && o.code != "null" {
		c.response = ""
	}
	if o.dryRun && c.event == "DeleteFlowLogs" {
		c.request = deleteFlowLogs(`"DryRun":true`, one)
	}
	if o.dryRun && c.event == "CreateFlowLogs" {
		c.request = createFlowLogs(`"DryRun":true`)
	}
	return c
}

// shape is the request of a call, and AWS's response if the call succeeds.
type shape struct{ request, response string }

const (
	one     = `"FlowLogId":{"tag":1,"content":"fl-0aaaaaaaaaaaaaaa1"}`
	several = `"FlowLogId":[{"tag":1,"content":"fl-0aaaaaaaaaaaaaaa1"},{"tag":2,"content":"fl-0aaaaaaaaaaaaaaa2"},{"tag":3,"content":"fl-0aaaaaaaaaaaaaaa3"}]`
)

// refusedIDs is the field "unsuccessful" of a response, for the flow logs whose IDs end in these digits.
func refusedIDs(digits ...int) string {
	var items []string
	for _, d := range digits {
		items = append(items, fmt.Sprintf(`{"error":{"code":"400","message":"Unable to delete"},"resourceId":"fl-0aaaaaaaaaaaaaaa%d"}`, d))
	}
	if len(items) == 1 {
		return `{"item":` + items[0] + `}`
	}
	return `{"item":[` + strings.Join(items, ",") + `]}`
}

func deleteFlowLogs(parts ...string) string {
	return `{"DeleteFlowLogsRequest":{` + strings.Join(parts, ",") + `}}`
}

func deleted(unsuccessful string) string {
	return `{"DeleteFlowLogsResponse":{"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/","requestId":"r","unsuccessful":` + unsuccessful + `}}`
}

func createFlowLogs(parts ...string) string {
	parts = append(parts, `"ResourceType":"VPC","TrafficType":"ALL","LogDestinationType":"s3","LogDestination":"arn:aws:s3:::flow-logs","ResourceId":{"tag":1,"content":"vpc-0aaaaaaaaaaaaaaa1"}`)
	return `{"CreateFlowLogsRequest":{` + strings.Join(parts, ",") + `}}`
}

func created(ids, unsuccessful string) string {
	return `{"CreateFlowLogsResponse":{"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/","requestId":"r","clientToken":"t","unsuccessful":` + unsuccessful + `,"flowLogIdSet":` + ids + `}}`
}

// calls has the shape of each call, by service and event.
var calls = map[string]map[string]shape{
	"ec2": {
		"DeleteFlowLogs": {deleteFlowLogs(one), deleted(`""`)},
		"CreateFlowLogs": {createFlowLogs(), created(`{"item":"fl-0aaaaaaaaaaaaaaa9"}`, `""`)},
	},
	"logs": {
		"DeleteLogGroup":     {`{"logGroupName":"/vpc/flow-logs"}`, ""},
		"DeleteLogStream":    {`{"logGroupName":"/vpc/flow-logs","logStreamName":"eni-0aaaaaaaaaaaaaaa1-all"}`, ""},
		"PutRetentionPolicy": {`{"logGroupName":"/vpc/flow-logs","retentionInDays":1}`, ""},
	},
	"s3": {
		"DeleteBucket":       {`{"bucketName":"flow-logs","Host":"flow-logs.s3.eu-west-1.amazonaws.com"}`, ""},
		"PutBucketPolicy":    {`{"bucketName":"flow-logs","Host":"flow-logs.s3.eu-west-1.amazonaws.com","policy":"","bucketPolicy":{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::flow-logs/*"}]}}`, ""},
		"DeleteBucketPolicy": {`{"bucketName":"flow-logs","Host":"flow-logs.s3.eu-west-1.amazonaws.com","policy":""}`, ""},
		"PutBucketLifecycle": {`{"bucketName":"flow-logs","Host":"flow-logs.s3.eu-west-1.amazonaws.com","lifecycle":"","LifecycleConfiguration":{"Rule":{"ID":"soon","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":1}}}}`, ""},
	},
	"iam": {
		"DeleteRole":             {`{"roleName":"flow-logs"}`, ""},
		"DeleteRolePolicy":       {`{"roleName":"flow-logs","policyName":"deliver"}`, ""},
		"DetachRolePolicy":       {`{"roleName":"flow-logs","policyArn":"arn:aws:iam::111122223333:policy/deliver"}`, ""},
		"PutRolePolicy":          {`{"roleName":"flow-logs","policyName":"deliver","policyDocument":"{}"}`, ""},
		"UpdateAssumeRolePolicy": {`{"roleName":"flow-logs","policyDocument":"{}"}`, ""},
	},
	"firehose": {
		"DeleteDeliveryStream": {`{"deliveryStreamName":"flow-logs","allowForceDelete":false}`, `{}`},
		"UntagDeliveryStream":  {`{"deliveryStreamName":"flow-logs","tagKeys":["LogDeliveryEnabled"]}`, `{}`},
		"UpdateDestination":    {`{"deliveryStreamName":"flow-logs","currentDeliveryStreamVersionId":"1","destinationId":"destinationId-000000000001","extendedS3DestinationUpdate":{"bucketARN":"arn:aws:s3:::elsewhere"}}`, `{}`},
	},
	"kms": {
		"DisableKey":          {`{"keyId":"arn:aws:kms:eu-west-1:111122223333:key/1"}`, ""},
		"ScheduleKeyDeletion": {`{"keyId":"arn:aws:kms:eu-west-1:111122223333:key/1","pendingWindowInDays":7}`, `{"keyId":"arn:aws:kms:eu-west-1:111122223333:key/1","keyState":"PendingDeletion","deletionDate":"Mar 8, 2026, 12:00:00 AM","pendingWindowInDays":7}`},
	},
	"cloudtrail": {
		"StopLogging":       {`{"name":"arn:aws:cloudtrail:eu-west-1:111122223333:trail/all"}`, ""},
		"DeleteTrail":       {`{"name":"all"}`, ""},
		"UpdateTrail":       {`{"name":"all","isMultiRegionTrail":false}`, `{"name":"all","isMultiRegionTrail":false}`},
		"PutEventSelectors": {`{"trailName":"all","eventSelectors":[{"readWriteType":"ReadOnly","includeManagementEvents":false}]}`, `{"trailARN":"arn:aws:cloudtrail:eu-west-1:111122223333:trail/all"}`},
	},
	"events": {
		"DeleteRule":    {`{"name":"flowkeeper","force":false}`, ""},
		"DisableRule":   {`{"name":"flowkeeper"}`, ""},
		"RemoveTargets": {`{"rule":"flowkeeper","ids":["queue"]}`, `{"failedEntryCount":0,"failedEntries":[]}`},
		"PutTargets":    {`{"rule":"flowkeeper","targets":[{"id":"queue","arn":"arn:aws:sqs:eu-west-1:111122223333:nowhere"}]}`, `{"failedEntryCount":0,"failedEntries":[]}`},
		"PutRule":       {`{"name":"flowkeeper","state":"ENABLED","eventPattern":"{\"source\":[\"my.app\"]}"}`, `{"ruleArn":"arn:aws:events:eu-west-1:111122223333:rule/flowkeeper"}`},
	},
	"sqs": {
		"DeleteQueue":        {`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper"}`, ""},
		"PurgeQueue":         {`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper"}`, ""},
		"SetQueueAttributes": {`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper","attributes":{"Policy":""}}`, ""},
	},
}

// nearby are other calls of the same services, which match no rule.
var nearby = map[string][]string{
	"ec2":        {"DescribeFlowLogs", "RunInstances", "DeleteSubnet", "DeleteVpc"},
	"logs":       {"CreateLogGroup", "DeleteRetentionPolicy", "PutSubscriptionFilter"},
	"s3":         {"CreateBucket", "PutBucketAcl", "DeleteBucketLifecycle", "PutBucketTagging"},
	"iam":        {"CreateRole", "AttachRolePolicy", "DeleteUser", "DeletePolicy"},
	"firehose":   {"CreateDeliveryStream", "TagDeliveryStream", "StartDeliveryStreamEncryption"},
	"kms":        {"EnableKey", "CancelKeyDeletion", "CreateGrant"},
	"cloudtrail": {"StartLogging", "CreateTrail", "PutInsightSelectors"},
	"events":     {"EnableRule", "PutPermission", "TagResource"},
	"sqs":        {"CreateQueue", "TagQueue", "AddPermission"},
}

// everyCall has all event names, with their shapes if these are known.
func everyCall() map[string]shape {
	out := map[string]shape{}
	for _, events := range calls {
		maps.Copy(out, events)
	}
	for _, names := range nearby {
		for _, name := range names {
			out[name] = shape{request: `{}`}
		}
	}
	return out
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
