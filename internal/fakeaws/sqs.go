package fakeaws

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// SQS is the queues of all accounts and Regions: standard queues only. One mutex
// guards every queue, because a redrive touches two of them; what is done under it is
// small and never grows with the backlog.
type SQS struct {
	now func() time.Time

	mu     sync.Mutex        // guards what follows
	queues map[string]*queue // by ARN
	seq    uint64            // of the message sent last, over all queues
}

func newSQS(now func() time.Time) *SQS { return &SQS{now: now, queues: map[string]*queue{}} }

// sqsService is SQS as the JSON 1.0 protocol shows it.
type sqsService struct{ operations map[string]sqsOperation }

// sqsOperation decodes the body, does the operation, and returns what to
// encode (nil: an empty body).
type sqsOperation func(req *Request, body []byte) (any, error)

func newSQSService(s *SQS) sqsService {
	return sqsService{map[string]sqsOperation{
		"CreateQueue":             byName(s, s.createQueue),
		"GetQueueAttributes":      onQueue(s, s.getQueueAttributes),
		"SetQueueAttributes":      onQueue(s, s.setQueueAttributes),
		"DeleteQueue":             onQueue(s, s.deleteQueue),
		"SendMessage":             onQueue(s, s.sendMessage),
		"SendMessageBatch":        onQueue(s, s.sendMessageBatch),
		"ReceiveMessage":          s.receiveMessage,
		"DeleteMessage":           onQueue(s, s.deleteMessage),
		"DeleteMessageBatch":      onQueue(s, s.deleteMessageBatch),
		"ChangeMessageVisibility": onQueue(s, s.changeMessageVisibility),
	}}
}

// Parse implements Service.
func (sqsService) Parse(req *Request) error {
	_, req.Operation, _ = strings.Cut(req.HTTP.Header.Get("X-Amz-Target"), ".")
	return nil
}

// Answer implements Service.
func (s sqsService) Answer(out http.ResponseWriter, req *Request) error {
	operation := s.operations[req.Operation]
	if operation == nil {
		return sqsErr("UnknownOperationException", "The action %s is not valid for this endpoint.", req.Operation)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, req.HTTP.Body, maxRequest))
	if err != nil {
		return sqsErr("SerializationException", "The request body cannot be read: %v", err)
	}
	answer, err := operation(req, body)
	if err == nil && answer != nil {
		writeJSON(out, http.StatusOK, answer)
	}
	return err
}

// Refuse implements Service. Only what SQS itself refuses has both names.
func (sqsService) Refuse(out http.ResponseWriter, _ *Request, e *Error) {
	if e.shape != "" {
		out.Header().Set("X-Amzn-Query-Error", e.Code+";Sender")
	}
	writeJSON(out, e.Status, map[string]string{"__type": "com.amazonaws.sqs#" + cmp.Or(e.shape, e.Code), "message": e.Message})
}

func writeJSON(out http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("fakeaws: an answer is plain JSON: " + err.Error())
	}
	out.Header().Set("Content-Type", "application/x-amz-json-1.0")
	out.WriteHeader(status)
	out.Write(body) //nolint:errcheck // the client is gone
}

// byName makes an operation of a method that finds its queue itself. It holds
// s.mu while it is called.
func byName[In any](s *SQS, do func(In, *Request) (any, error)) sqsOperation {
	return func(req *Request, body []byte) (any, error) {
		var in In
		if err := decodeSQS(body, &in); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return do(in, req)
	}
}

// queueInput is the part of an input that names the queue.
type queueInput struct{ QueueUrl string }

func (q queueInput) url() string { return q.QueueUrl }

// onQueue makes an operation of a method on one queue. It holds s.mu while it
// is called.
func onQueue[In interface{ url() string }](s *SQS, do func(*queue, In, Caller) (any, error)) sqsOperation {
	return byName(s, func(in In, req *Request) (any, error) {
		q, err := s.queueAt(in.url(), req.Caller)
		if err != nil {
			return nil, err
		}
		return do(q, in, req.Caller)
	})
}

// decodeSQS refuses members that the operation does not have (or that this
// fake does not implement): a client must not believe that they took effect.
func decodeSQS(body []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return sqsErr("SerializationException", "%v", err)
	}
	if d.More() {
		return sqsErr("SerializationException", "data after the request's object")
	}
	return nil
}

// queryCodes are the codes of the older query protocol, which clients still see
// as the error code, where they are not the shapes of the JSON protocol.
var queryCodes = map[string]string{
	"AccessDeniedException":             "AccessDenied",
	"BatchEntryIdsNotDistinct":          "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"BatchRequestTooLong":               "AWS.SimpleQueueService.BatchRequestTooLong",
	"EmptyBatchRequest":                 "AWS.SimpleQueueService.EmptyBatchRequest",
	"InvalidBatchEntryId":               "AWS.SimpleQueueService.InvalidBatchEntryId",
	"InvalidParameterValueException":    "InvalidParameterValue",
	"MessageNotInflight":                "AWS.SimpleQueueService.MessageNotInflight",
	"MissingRequiredParameterException": "MissingParameter",
	"QueueDoesNotExist":                 "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":                   "QueueAlreadyExists",
	"SerializationException":            "MalformedInput",
	"TooManyEntriesInBatchRequest":      "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"UnknownOperationException":         "InvalidAction",
}

// sqsErr is a refusal by its shape in the JSON protocol.
func sqsErr(shape, format string, args ...any) *Error {
	e := Errorf(cmp.Or(queryCodes[shape], shape), format, args...)
	e.shape = shape
	return e
}

func invalidParameter(format string, args ...any) *Error {
	return sqsErr("InvalidParameterValueException", format, args...)
}

func missingParameter(name string) *Error {
	return sqsErr("MissingRequiredParameterException", "The request must contain the parameter %s.", name)
}

func queueDoesNotExist() *Error {
	return sqsErr("QueueDoesNotExist", "The specified queue does not exist or you do not have access to it.")
}

// bounded gives an optional number's value: the default if it is absent, an
// error in AWS's words if it is outside.
func bounded(name string, value *int, low, high, absent int) (int, error) {
	if value == nil {
		return absent, nil
	}
	if *value < low || *value > high {
		return 0, invalidParameter("Value %d for parameter %s is invalid. Reason: Must be >= %d and <= %d, if provided.", *value, name, low, high)
	}
	return *value, nil
}

// nameLike says whether s consists of 1 to 80 letters, digits, hyphens and
// underscores: the alphabet of queue names and of batch entry IDs.
func nameLike(s string) bool {
	return s != "" && len(s) <= 80 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

var errNoQueue = errors.New("no such queue: create it first")

// CreateQueue makes a queue without a request (a queue with that name and the
// same attributes is kept) and returns its URL, in AWS's own form, and ARN.
// It panics on attributes that SQS would refuse: a mistake in the test itself.
func (s *SQS) CreateQueue(account, region, name string, attributes map[string]string) (url, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.ensureQueue(account, region, name, attributes)
	if err != nil {
		panic(fmt.Sprintf("fakeaws: create queue %s: %v", name, err))
	}
	return fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", region, account, name), q.arn
}

// Send puts a body on the queue as EventBridge or SNS would: without a signed
// request, and without asking the queue's policy, which this fake stores but
// does not evaluate. It fails if there is no such queue or the body is one that
// SQS refuses.
func (s *SQS) Send(queueARN, body string) error {
	if err := checkBody(body, maxMessageBytes); err != nil {
		return fmt.Errorf("send to %s: %w", queueARN, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueARN]
	if q == nil {
		return fmt.Errorf("send to %s: %w", queueARN, errNoQueue)
	}
	s.enqueue(q, body, "AIDAFAKEAWSSERVICE")
	return nil
}

// QueueDepth counts the messages that a receive would find now and those that
// are in flight; both are 0 for a queue that does not exist.
func (s *SQS) QueueDepth(queueARN string) (visible, inFlight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueARN]
	if q == nil {
		return 0, 0
	}
	q.settle(s.now())
	return q.ready.Len(), len(q.hidden)
}

// Deleted counts the messages of the queue that a client acknowledged: each
// once, however often its deletion was asked for. Redrives and expiries are not
// counted.
func (s *SQS) Deleted(queueARN string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[queueARN]; q != nil {
		return q.acknowledged
	}
	return 0
}
