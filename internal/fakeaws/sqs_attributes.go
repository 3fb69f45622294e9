package fakeaws

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// maxMessageBytes is the most that one message, or the bodies of one batch
// together, may have.
const maxMessageBytes = 1 << 20

// queueAttributes are the attributes that may be read. Those with a check can also be
// set; FIFO queues and customer-managed keys are not faked.
var queueAttributes = map[string]func(value string) bool{
	"VisibilityTimeout": within(0, 43200), "MessageRetentionPeriod": within(60, 1209600),
	"DelaySeconds": within(0, 900), "ReceiveMessageWaitTimeSeconds": within(0, 20), "MaximumMessageSize": within(1024, maxMessageBytes),
	"Policy":               func(v string) bool { return v == "" || json.Unmarshal([]byte(v), &map[string]json.RawMessage{}) == nil },
	"SqsManagedSseEnabled": func(v string) bool { return v == "true" || v == "false" },
	"RedrivePolicy":        func(string) bool { return true }, // see parseRedrive
	"QueueArn":             nil, "CreatedTimestamp": nil, "LastModifiedTimestamp": nil, "ApproximateNumberOfMessages": nil,
	"ApproximateNumberOfMessagesNotVisible": nil, "ApproximateNumberOfMessagesDelayed": nil,
	"RedriveAllowPolicy": nil, "KmsMasterKeyId": nil, "KmsDataKeyReusePeriodSeconds": nil,
}

// defaultAttributes are the attributes of a queue that is made without any.
var defaultAttributes = map[string]string{
	"VisibilityTimeout": "30", "MessageRetentionPeriod": "345600", "DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0",
	"MaximumMessageSize": strconv.Itoa(maxMessageBytes), "SqsManagedSseEnabled": "true",
}

func within(low, high int) func(string) bool {
	return func(value string) bool {
		n, err := strconv.Atoi(value)
		return err == nil && n >= low && n <= high
	}
}

func unknownAttribute(name string) *Error {
	return sqsErr("InvalidAttributeName", "Unknown Attribute %s.", name)
}

// redrivePolicy is empty for a queue without a dead-letter queue.
type redrivePolicy struct {
	Target string      `json:"deadLetterTargetArn"`
	Max    json.Number `json:"maxReceiveCount"` // a number, or a text with a number, which AWS accepts too
	max    int64
}

func parseRedrive(text string) (policy redrivePolicy, err error) {
	if text == "" {
		return policy, nil
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return policy, badRedrive(text, "Redrive policy is not a valid JSON map.")
	}
	policy.max, err = policy.Max.Int64()
	switch {
	case err != nil || policy.max < 1 || policy.max > 1000:
		return policy, badRedrive(text, "Invalid value for maxReceiveCount: must be an integer from 1 to 1000.")
	case policy.Target == "":
		return policy, badRedrive(text, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	return policy, nil
}

func badRedrive(text, reason string) *Error {
	return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, reason)
}

func (q *queue) number(name string) int {
	n, _ := strconv.Atoi(q.attributes[name]) // checked when it was set
	return n
}

func (s *SQS) getQueueAttributes(q *queue, in sqsInput) (any, error) {
	q.advance(s.now())
	all := maps.Clone(q.attributes)
	maps.Copy(all, map[string]string{
		"QueueArn":                              q.arn,
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.modified.Unix(), 10),
		"ApproximateNumberOfMessages":           strconv.Itoa(q.ready.Len()),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(len(q.hidden) - q.delayed()),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(q.delayed()),
	})
	for _, name := range in.AttributeNames {
		if _, known := queueAttributes[name]; !known && name != "All" {
			return nil, unknownAttribute(name)
		}
	}
	return struct {
		Attributes map[string]string `json:",omitempty"`
	}{named(all, in.AttributeNames)}, nil
}

func named(all map[string]string, names []string) map[string]string {
	maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(names, name) && !slices.Contains(names, "All") })
	return all
}

func (s *SQS) setQueueAttributes(q *queue, in sqsInput) (any, error) {
	if len(in.Attributes) == 0 {
		return nil, missingParameter("Attribute.Name")
	}
	return nil, s.set(q, in.Attributes)
}

// set sets attributes of a queue, all or none; an empty Policy or RedrivePolicy
// removes it. A dead-letter queue must exist in the queue's account and Region.
func (s *SQS) set(q *queue, values map[string]string) error {
	changed := maps.Clone(q.attributes)
	for name, value := range values {
		switch check := queueAttributes[name]; {
		case check == nil:
			return unknownAttribute(name)
		case !check(value):
			return sqsErr("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
		}
		if changed[name] = value; value == "" {
			delete(changed, name)
		}
	}
	redrive, err := parseRedrive(changed["RedrivePolicy"])
	if err != nil {
		return err
	}
	if text := values["RedrivePolicy"]; text != "" {
		if dead := s.queues[redrive.Target]; dead == nil || dead.region != q.region || dead.account != q.account {
			return badRedrive(text, "Dead letter target does not exist.")
		}
	}
	q.attributes, q.redrive, q.modified = changed, redrive, s.now()
	return nil
}
