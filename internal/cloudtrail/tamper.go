package cloudtrail

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tamper is a call that may blind flow logs without deleting them: its
// service, and the request parameter that names what it changes
// (docs/aws.md, "Calls that blind flow logs").
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
	"UpdateDestination":      {"firehose.amazonaws.com", "deliveryStreamName"},
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
	"PutTargets":             {"events.amazonaws.com", "rule"},
	"DeleteQueue":            {"sqs.amazonaws.com", "queueUrl"},
	"PurgeQueue":             {"sqs.amazonaws.com", "queueUrl"},
	"SetQueueAttributes":     {"sqs.amazonaws.com", "queueUrl"},
}

// answered is the field of an answer that names what was changed, by event. It helps if
// CloudTrail has left out the parameters.
var answered = map[string]string{"PutRule": "ruleArn", "UpdateTrail": "trailARN", "PutEventSelectors": "trailARN", "ScheduleKeyDeletion": "keyId"}

// readTarget fills what the call changes.
func (r *Record) readTarget(t tamper, request, response, resources json.RawMessage) {
	params := object(request)
	r.Target = scalar(param(params, t.target))
	r.Bus = scalar(param(params, "eventBusName"))
	if field := answered[r.EventName]; r.Target == "" && field != "" {
		r.Target = scalar(param(object(response), field))
	}
	if r.Target == "" { // left out, or of an unknown shape: some services list the resources of a call
		for _, e := range elements(resources) {
			if r.Target = scalar(param(object(e), "ARN")); r.Target != "" {
				break
			}
		}
	}
	r.Detail = detail(r.EventName, params)
	r.OmittedSize, _ = omitted(request)
	r.RequestHash = fmt.Sprintf("%x", sha256.Sum256(request))[:16]
}

// detail says in few words how a call changes its target; empty: not known.
func detail(event string, params map[string]json.RawMessage) string {
	switch event {
	case "PutRetentionPolicy":
		if days := scalar(param(params, "retentionInDays")); days != "" {
			return "to " + dayCount(days)
		}
	case "DeleteLogStream":
		return scalar(param(params, "logStreamName"))
	case "DeleteRolePolicy", "PutRolePolicy":
		return scalar(param(params, "policyName"))
	case "DetachRolePolicy":
		return scalar(param(params, "policyArn"))
	case "ScheduleKeyDeletion":
		if days := scalar(param(params, "pendingWindowInDays")); days != "" {
			return "in " + dayCount(days)
		}
	case "UntagDeliveryStream":
		keys := contents(param(params, "tagKeys"))
		if n := slices.Index(keys, DeliveryTag); n > 0 { // first, so that clip does not cut the tag that matters
			keys[0], keys[n] = keys[n], keys[0]
		}
		return clip(strings.Join(keys, ", "))
	case "PutTargets":
		var to []string
		for _, e := range elements(param(params, "targets")) {
			if arn := scalar(param(object(e), "arn")); arn != "" && len(to) < maxTargets {
				to = append(to, arn)
			}
		}
		return headed("to ", unique(to))
	case "UpdateDestination":
		var to []string
		for _, name := range slices.Sorted(maps.Keys(params)) {
			if strings.HasSuffix(name, "Update") {
				to = append(to, scalar(param(object(params[name]), "bucketARN")))
			}
		}
		return headed("to ", unique(to))
	case "SetQueueAttributes":
		return clip(strings.Join(slices.Sorted(maps.Keys(object(param(params, "attributes")))), ", "))
	}
	return ""
}

// maxTargets is how many targets of a rule are named: AWS allows fewer.
const maxTargets = 10

// headed joins texts after a word; empty if there are no texts.
func headed(word string, texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return clip(word + strings.Join(texts, ", "))
}

// DeliveryTag is the tag of a delivery stream that lets AWS deliver logs to it.
const DeliveryTag = "LogDeliveryEnabled"

func dayCount(n string) string {
	if n == "1" {
		return "1 day"
	}
	return n + " days"
}

// param returns a parameter by its name, in upper or lower case: services differ in the
// first letter, and change it over time.
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
