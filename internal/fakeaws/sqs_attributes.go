package fakeaws

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// maxMessageBytes is the most that one message, or the bodies of one batch
// together, may have.
const maxMessageBytes = 1 << 20

// queueSettings is a queue's attributes as they were set, and as the hot path
// wants them.
type queueSettings struct {
	text       map[string]string
	visibility time.Duration
	retention  time.Duration
	delay      time.Duration
	wait       int // seconds
	maxSize    int
	redrive    redrivePolicy
}

// redrivePolicy is empty for a queue without a dead-letter queue.
type redrivePolicy struct {
	target string
	max    int
}

// numberAttribute is an attribute that is a number: its bounds and its default.
type numberAttribute struct {
	low, high, absent int
}

func numberAttributes() map[string]numberAttribute {
	return map[string]numberAttribute{
		"VisibilityTimeout":             {0, 43200, 30},
		"MessageRetentionPeriod":        {60, 1209600, 345600},
		"DelaySeconds":                  {0, 900, 0},
		"ReceiveMessageWaitTimeSeconds": {0, 20, 0},
		"MaximumMessageSize":            {1024, maxMessageBytes, maxMessageBytes},
	}
}

// newSettings is the base with the given attributes set. An empty Policy or
// RedrivePolicy removes it.
func newSettings(base, set map[string]string) (queueSettings, error) {
	text := maps.Clone(base)
	if text == nil {
		text = map[string]string{"SqsManagedSseEnabled": "true"}
	}
	maps.Copy(text, set)
	for name, value := range set {
		if err := checkAttribute(name, value); err != nil {
			return queueSettings{}, err
		}
		if value == "" {
			delete(text, name)
		}
	}
	numbers := map[string]int{}
	for name, n := range numberAttributes() {
		if text[name] == "" {
			text[name] = strconv.Itoa(n.absent)
		}
		numbers[name], _ = strconv.Atoi(text[name]) // checked when it was set
	}
	redrive, err := parseRedrive(text["RedrivePolicy"])
	seconds := func(name string) time.Duration { return time.Duration(numbers[name]) * time.Second }
	return queueSettings{
		text:       text,
		visibility: seconds("VisibilityTimeout"),
		retention:  seconds("MessageRetentionPeriod"),
		delay:      seconds("DelaySeconds"),
		wait:       numbers["ReceiveMessageWaitTimeSeconds"],
		maxSize:    numbers["MaximumMessageSize"],
		redrive:    redrive,
	}, err
}

func checkAttribute(name, value string) error {
	if n, ok := numberAttributes()[name]; ok {
		v, err := strconv.Atoi(value)
		if err != nil || v < n.low || v > n.high {
			return badAttribute(name)
		}
		return nil
	}
	switch name {
	case "Policy":
		if value != "" && !isJSONObject(value) {
			return badAttribute(name)
		}
	case "SqsManagedSseEnabled":
		if value != "true" && value != "false" {
			return badAttribute(name)
		}
	case "RedrivePolicy": // parsed with the other settings
	default: // FIFO queues and customer-managed keys are not faked
		return unknownAttribute(name)
	}
	return nil
}

func badAttribute(name string) *Error {
	return sqsErr("InvalidAttributeValue", "InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

func unknownAttribute(name string) *Error {
	return sqsErr("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", name)
}

func isJSONObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil
}

// parseRedrive takes maxReceiveCount as a number or, as AWS does, as text.
func parseRedrive(text string) (redrivePolicy, error) {
	if text == "" {
		return redrivePolicy{}, nil
	}
	var policy struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return redrivePolicy{}, badRedrive(text, "Redrive policy is not a valid JSON map.")
	}
	max, err := strconv.Atoi(strings.Trim(string(policy.Max), `"`))
	if err != nil || max < 1 || max > 1000 {
		return redrivePolicy{}, badRedrive(text, "Invalid value for maxReceiveCount: must be an integer from 1 to 1000.")
	}
	if policy.Target == "" {
		return redrivePolicy{}, badRedrive(text, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	return redrivePolicy{target: policy.Target, max: max}, nil
}

func badRedrive(text, reason string) *Error {
	return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, reason)
}

// attribute is one attribute's value as GetQueueAttributes answers it; ok is
// false for one that the queue does not have.
func (q *queue) attribute(name string) (value string, ok bool) {
	switch name {
	case "QueueArn":
		return q.arn, true
	case "CreatedTimestamp":
		return strconv.FormatInt(q.created.Unix(), 10), true
	case "LastModifiedTimestamp":
		return strconv.FormatInt(q.modified.Unix(), 10), true
	case "ApproximateNumberOfMessages":
		return strconv.Itoa(q.ready.Len()), true
	case "ApproximateNumberOfMessagesNotVisible":
		return strconv.Itoa(len(q.hidden) - q.delayed), true
	case "ApproximateNumberOfMessagesDelayed":
		return strconv.Itoa(q.delayed), true
	}
	value, ok = q.settings.text[name]
	return value, ok
}

// queueAttributeNames is every attribute that may be asked for.
func queueAttributeNames() []string {
	return []string{
		"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp",
		"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
		"VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "MaximumMessageSize",
		"Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds",
	}
}
