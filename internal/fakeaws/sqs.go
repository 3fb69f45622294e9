package fakeaws

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// SQS has the queues of all accounts and Regions: standard queues only. One mutex
// guards all queues, because a redrive changes two of them. The work under it is small,
// and does not grow with the backlog.
type SQS struct {
	now func() time.Time

	mu     sync.Mutex        // guards what follows
	queues map[string]*queue // by ARN
	seq    uint64            // of the message sent last, over all queues
}

// sqsInput has the input fields of all operations. Any other field is refused: a client
// must not believe that it had an effect.
type sqsInput struct {
	QueueUrl, QueueName, MessageBody, ReceiptHandle         string
	Attributes                                              map[string]string
	AttributeNames, MessageSystemAttributeNames             []string
	MessageAttributeNames                                   []string // no message here has attributes of its sender
	MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds *int
	Entries                                                 []sqsEntry

	sender string // the caller's account
}

// sqsEntry is one entry of a batch.
type sqsEntry struct{ Id, MessageBody, ReceiptHandle string }

// sqsOperations work on one queue. Each returns what to encode (nil: an empty body),
// and is called with SQS.mu held.
var sqsOperations = map[string]func(*SQS, *queue, sqsInput) (any, error){
	"GetQueueAttributes":      (*SQS).getQueueAttributes,
	"SetQueueAttributes":      (*SQS).setQueueAttributes,
	"DeleteQueue":             (*SQS).deleteQueue,
	"SendMessage":             func(s *SQS, q *queue, in sqsInput) (any, error) { return s.accept(q, in.MessageBody, in.sender) },
	"SendMessageBatch":        (*SQS).sendMessageBatch,
	"DeleteMessage":           func(_ *SQS, q *queue, in sqsInput) (any, error) { return nil, q.acknowledge(in.ReceiptHandle) },
	"DeleteMessageBatch":      (*SQS).deleteMessageBatch,
	"ChangeMessageVisibility": (*SQS).changeMessageVisibility,
}

// sqsService answers in the JSON 1.0 protocol of SQS.
type sqsService struct{ *SQS }

// Parse implements Service.
func (sqsService) Parse(req *Request) error {
	_, req.Operation, _ = strings.Cut(req.HTTP.Header.Get("X-Amz-Target"), ".")
	return nil
}

// Answer implements Service.
func (s sqsService) Answer(out http.ResponseWriter, req *Request) error {
	in := sqsInput{sender: req.Account}
	d := json.NewDecoder(http.MaxBytesReader(nil, req.HTTP.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return sqsErr("SerializationException", "%v", err)
	}
	answer, err := s.do(req, in)
	if err == nil && answer != nil {
		writeJSON(out, http.StatusOK, answer)
	}
	return err
}

func (s *SQS) do(req *Request, in sqsInput) (any, error) {
	if req.Operation == "ReceiveMessage" { // does not hold s.mu while it waits
		return s.receiveMessage(req, in)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Operation == "CreateQueue" {
		return s.createQueue(req, in)
	}
	operation := sqsOperations[req.Operation]
	if operation == nil {
		return nil, sqsErr("UnknownOperationException", "The action %s is not valid for this endpoint.", req.Operation)
	}
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	return operation(s, q, in)
}

// Refuse implements Service. Only errors of SQS itself have both a shape and a code.
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

// queryCodes are the codes of the older query protocol that differ from the shapes of
// the JSON protocol. Clients still get them as the error code.
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

// sqsErr returns an error by its shape in the JSON protocol.
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

// bounded returns the value of an optional number, or absent if it is not given. Outside
// of low to high it is an error, in AWS's words.
func bounded(name string, value *int, low, high, absent int) (int, error) {
	if value == nil {
		return absent, nil
	}
	if *value < low || *value > high {
		return 0, invalidParameter("Value %d for parameter %s is invalid. Reason: Must be >= %d and <= %d, if provided.", *value, name, low, high)
	}
	return *value, nil
}

// nameLike reports whether a text can be the name of a queue, or the ID of a batch entry.
var nameLike = regexp.MustCompile(`^[\w-]{1,80}$`).MatchString

// CreateQueue makes a queue without a request, or keeps the one with that name and
// the same attributes. It returns the queue's URL, in AWS's own form, and its ARN. It
// panics on attributes that SQS would refuse: they are a mistake in the test.
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
		return fmt.Errorf("send to %s: %w", queueARN, queueDoesNotExist())
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
	q.advance(s.now())
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
