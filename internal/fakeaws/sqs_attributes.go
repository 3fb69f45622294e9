package fakeaws

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxMessageBytes is the most that one message, or the bodies of one batch
// together, may have.
const maxMessageBytes = 1 << 20

// attributes of a queue that can be set, checked, with their defaults.
type attributes map[string]string

// number is a numeric attribute's value.
func (a attributes) number(name string) int {
	n, _ := strconv.Atoi(a[name]) // checked when it was set
	return n
}

func (a attributes) seconds(name string) time.Duration {
	return time.Duration(a.number(name)) * time.Second
}

// numberAttributes are the numeric ones, with their bounds and defaults.
var numberAttributes = map[string]struct{ low, high, absent int }{
	"VisibilityTimeout":             {0, 43200, 30},
	"MessageRetentionPeriod":        {60, 1209600, 345600},
	"ReceiveMessageWaitTimeSeconds": {0, 20, 0},
	"MaximumMessageSize":            {1024, maxMessageBytes, maxMessageBytes},
}

// otherAttributes may be asked for too.
var otherAttributes = []string{
	"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp",
	"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
	"Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds",
}

// with is the attributes with others set. An empty Policy or RedrivePolicy
// removes it.
func (a attributes) with(set map[string]string) (attributes, error) {
	out := maps.Clone(a)
	for name, value := range set {
		if err := checkAttribute(name, value); err != nil {
			return nil, err
		}
		if out[name] = value; value == "" {
			delete(out, name)
		}
	}
	return out, nil
}

// defaultAttributes are those of a queue that is made with none.
func defaultAttributes() attributes {
	a := attributes{"SqsManagedSseEnabled": "true"}
	for name, n := range numberAttributes {
		a[name] = strconv.Itoa(n.absent)
	}
	return a
}

func checkAttribute(name, value string) error {
	ok := true
	if n, numeric := numberAttributes[name]; numeric {
		v, err := strconv.Atoi(value)
		ok = err == nil && v >= n.low && v <= n.high
	} else {
		switch name {
		case "Policy":
			ok = value == "" || json.Unmarshal([]byte(value), &map[string]json.RawMessage{}) == nil
		case "SqsManagedSseEnabled":
			ok = value == "true" || value == "false"
		case "RedrivePolicy": // parsed with the other settings
		default: // FIFO queues and customer-managed keys are not faked
			return unknownAttribute(name)
		}
	}
	if !ok {
		return sqsErr("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
	}
	return nil
}

func unknownAttribute(name string) *Error {
	return sqsErr("InvalidAttributeName", "Unknown Attribute %s.", name)
}

// redrivePolicy is empty for a queue without a dead-letter queue.
type redrivePolicy struct {
	target string
	max    int
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
	most, err := strconv.Atoi(strings.Trim(string(policy.Max), `"`))
	if err != nil || most < 1 || most > 1000 {
		return redrivePolicy{}, badRedrive(text, "Invalid value for maxReceiveCount: must be an integer from 1 to 1000.")
	}
	if policy.Target == "" {
		return redrivePolicy{}, badRedrive(text, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	return redrivePolicy{target: policy.Target, max: most}, nil
}

func badRedrive(text, reason string) *Error {
	return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, reason)
}

// attribute is one attribute's value as GetQueueAttributes answers it; empty
// for one that the queue does not have.
func (q *queue) attribute(name string) string {
	switch name {
	case "QueueArn":
		return q.arn
	case "CreatedTimestamp":
		return strconv.FormatInt(q.created.Unix(), 10)
	case "LastModifiedTimestamp":
		return strconv.FormatInt(q.modified.Unix(), 10)
	case "ApproximateNumberOfMessages":
		return strconv.Itoa(q.ready.Len())
	case "ApproximateNumberOfMessagesNotVisible":
		return strconv.Itoa(len(q.hidden))
	case "ApproximateNumberOfMessagesDelayed":
		return "0" // no message here is delayed
	}
	return q.attributes[name]
}

type getQueueAttributesInput struct {
	queueInput
	AttributeNames []string
}

type queueAttributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *SQS) getQueueAttributes(q *queue, in getQueueAttributesInput, _ Caller) (any, error) {
	q.settle(s.now())
	known := slices.AppendSeq(slices.Clone(otherAttributes), maps.Keys(numberAttributes))
	names := in.AttributeNames
	if slices.Contains(names, "All") {
		names = known
	}
	out := queueAttributesOutput{map[string]string{}}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, unknownAttribute(name)
		}
		if value := q.attribute(name); value != "" {
			out.Attributes[name] = value
		}
	}
	return out, nil
}

type setQueueAttributesInput struct {
	queueInput
	Attributes map[string]string
}

func (s *SQS) setQueueAttributes(q *queue, in setQueueAttributesInput, _ Caller) (any, error) {
	if len(in.Attributes) == 0 {
		return nil, missingParameter("Attribute.Name")
	}
	return nil, s.set(q, in.Attributes)
}

// set sets attributes of a queue, all or none. A dead-letter queue must exist
// in the queue's account and Region.
func (s *SQS) set(q *queue, values map[string]string) error {
	changed, err := q.attributes.with(values)
	if err != nil {
		return err
	}
	redrive, err := parseRedrive(changed["RedrivePolicy"])
	if err != nil {
		return err
	}
	if text := values["RedrivePolicy"]; text != "" {
		if dead := s.queues[redrive.target]; dead == nil || dead.region != q.region || dead.account != q.account {
			return badRedrive(text, "Dead letter target does not exist.")
		}
	}
	q.attributes, q.redrive, q.modified = changed, redrive, s.now()
	return nil
}
