package cloudtrail

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// tamper is a call that may blind flow logs without deleting them: its
// service, and the request parameter that names what it changes
// (aws-facts.md, "Ways to blind flow logs without deleting them").
type tamper struct{ source, target string }

var tampers = map[string]tamper{
	"DeleteLogGroup":         {"logs.amazonaws.com", "logGroupName"},
	"DeleteLogStream":        {"logs.amazonaws.com", "logGroupName"},
	"PutRetentionPolicy":     {"logs.amazonaws.com", "logGroupName"},
	"DeleteBucket":           {"s3.amazonaws.com", "bucketName"},
	"PutBucketPolicy":        {"s3.amazonaws.com", "bucketName"},
	"DeleteBucketPolicy":     {"s3.amazonaws.com", "bucketName"},
	"PutBucketLifecycle":     {"s3.amazonaws.com", "bucketName"},
	"DeleteRole":             {"iam.amazonaws.com", "roleName"},
	"DeleteRolePolicy":       {"iam.amazonaws.com", "roleName"},
	"DetachRolePolicy":       {"iam.amazonaws.com", "roleName"},
	"PutRolePolicy":          {"iam.amazonaws.com", "roleName"},
	"UpdateAssumeRolePolicy": {"iam.amazonaws.com", "roleName"},
	"DeleteDeliveryStream":   {"firehose.amazonaws.com", "deliveryStreamName"},
	"UntagDeliveryStream":    {"firehose.amazonaws.com", "deliveryStreamName"},
	"DisableKey":             {"kms.amazonaws.com", "keyId"},
	"ScheduleKeyDeletion":    {"kms.amazonaws.com", "keyId"},
	"StopLogging":            {"cloudtrail.amazonaws.com", "name"},
	"DeleteTrail":            {"cloudtrail.amazonaws.com", "name"},
	"UpdateTrail":            {"cloudtrail.amazonaws.com", "name"},
	"PutEventSelectors":      {"cloudtrail.amazonaws.com", "trailName"},
	"DeleteRule":             {"events.amazonaws.com", "name"},
	"DisableRule":            {"events.amazonaws.com", "name"},
	"PutRule":                {"events.amazonaws.com", "name"},
	"RemoveTargets":          {"events.amazonaws.com", "rule"},
	"DeleteQueue":            {"sqs.amazonaws.com", "queueUrl"},
	"PurgeQueue":             {"sqs.amazonaws.com", "queueUrl"},
	"SetQueueAttributes":     {"sqs.amazonaws.com", "queueUrl"},
}

// readTarget fills what the call changes.
func (r *Record) readTarget(t tamper, request, resources json.RawMessage) {
	params := object(request)
	r.Target = scalar(param(params, t.target))
	r.Bus = scalar(param(params, "eventBusName"))
	if r.Target == "" { // left out, or of a shape unknown: some services list what they touched
		for _, e := range elements(resources) {
			if r.Target = scalar(param(object(e), "ARN")); r.Target != "" {
				break
			}
		}
	}
	r.Detail = detail(r.EventName, params)
}

// detail says how, where that takes few words.
func detail(event string, params map[string]json.RawMessage) string {
	switch event {
	case "PutRetentionPolicy":
		if days := scalar(param(params, "retentionInDays")); days != "" {
			return "to " + days + " days"
		}
	case "DeleteLogStream":
		return scalar(param(params, "logStreamName"))
	case "DeleteRolePolicy", "PutRolePolicy":
		return scalar(param(params, "policyName"))
	case "DetachRolePolicy":
		return scalar(param(params, "policyArn"))
	case "ScheduleKeyDeletion":
		if days := scalar(param(params, "pendingWindowInDays")); days != "" {
			return "in " + days + " days"
		}
	case "UntagDeliveryStream":
		return clip(strings.Join(contents(param(params, "tagKeys")), ", "))
	case "SetQueueAttributes":
		return clip(strings.Join(slices.Sorted(maps.Keys(object(param(params, "attributes")))), ", "))
	}
	return ""
}

// param is a parameter whatever the case of its first letter: services differ
// in that, and over time.
func param(params map[string]json.RawMessage, name string) json.RawMessage {
	if v, ok := params[name]; ok {
		return v
	}
	for k, v := range params {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}
