package fakeaws

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sqsService is SQS as the JSON 1.0 protocol shows it: standard queues only.
// One mutex guards every queue, because a redrive touches two of them; what is
// done under it is small and never grows with the backlog.
type sqsService struct {
	now func() time.Time

	mu      sync.Mutex
	queues  map[string]*queue    // by ARN
	deleted map[string]time.Time // by ARN: when DeleteQueue was called last
	seq     uint64               // of the message sent last, over all queues
}

func newSQS(now func() time.Time) *sqsService {
	return &sqsService{now: now, queues: map[string]*queue{}, deleted: map[string]time.Time{}}
}

// sqsOperation decodes the body, does the operation, and returns what to
// encode (nil: an empty body).
type sqsOperation func(q *Request, body []byte) (any, error)

// Parse implements Service.
func (s *sqsService) Parse(q *Request) error {
	_, q.Operation, _ = strings.Cut(q.HTTP.Header.Get("X-Amz-Target"), ".")
	return nil
}

// Answer implements Service.
func (s *sqsService) Answer(out http.ResponseWriter, q *Request) error {
	operation := s.operation(q.Operation)
	if operation == nil {
		return sqsErr("UnknownOperationException", "InvalidAction", "The action %s is not valid for this endpoint.", q.Operation)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, q.HTTP.Body, maxRequest))
	if err != nil {
		return sqsErr("SerializationException", "MalformedInput", "The request body cannot be read: %v", err)
	}
	answer, err := operation(q, body)
	if err == nil && answer != nil {
		writeJSON(out, http.StatusOK, answer)
	}
	return err
}

func (s *sqsService) operation(name string) sqsOperation {
	switch name {
	case "CreateQueue":
		return sqsCall(s.createQueue)
	case "GetQueueUrl":
		return sqsCall(s.getQueueURL)
	case "GetQueueAttributes":
		return sqsCall(s.getQueueAttributes)
	case "SetQueueAttributes":
		return sqsCall(s.setQueueAttributes)
	case "PurgeQueue":
		return sqsCall(s.purgeQueue)
	case "DeleteQueue":
		return sqsCall(s.deleteQueue)
	case "SendMessage":
		return sqsCall(s.sendMessage)
	case "SendMessageBatch":
		return sqsCall(s.sendMessageBatch)
	case "ReceiveMessage":
		return sqsCall(s.receiveMessage)
	case "DeleteMessage":
		return sqsCall(s.deleteMessage)
	case "DeleteMessageBatch":
		return sqsCall(s.deleteMessageBatch)
	case "ChangeMessageVisibility":
		return sqsCall(s.changeMessageVisibility)
	}
	return nil
}

// send puts a body on the queue as another AWS service would (SNS,
// EventBridge): without a signed request, and without asking the queue's
// policy, which this fake stores but does not evaluate.
func (s *sqsService) send(queueARN, body string) error {
	if err := checkBody(body, maxMessageBytes); err != nil {
		return fmt.Errorf("send to %s: %w", queueARN, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueARN]
	if q == nil {
		return fmt.Errorf("send to %s: %w", queueARN, errNoQueue)
	}
	s.enqueue(q, body, "AIDAFAKEAWSSERVICE", q.settings.delay)
	return nil
}

var errNoQueue = errors.New("no such queue: create it first")

// CreateQueue makes a queue without a request (a queue with that name and the
// same attributes is kept) and returns its URL, in AWS's own form, and ARN.
// It panics on attributes that SQS would refuse: a mistake in the test itself.
func (w *World) CreateQueue(account, region, name string, attrs map[string]string) (url, arn string) {
	s := w.sqs
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.ensureQueue(account, region, name, attrs)
	if err != nil {
		panic(fmt.Sprintf("fakeaws: create queue %s: %v", name, err))
	}
	return fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", region, account, name), q.arn
}

// Send puts a body on the queue as EventBridge would. It fails if there is no
// such queue or the body is one that SQS refuses.
func (w *World) Send(queueARN, body string) error { return w.sqs.send(queueARN, body) }

// QueueDepth counts the messages that a receive would find now and those that
// are in flight; both are 0 for a queue that does not exist.
func (w *World) QueueDepth(queueARN string) (visible, inFlight int) {
	s := w.sqs
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueARN]
	if q == nil {
		return 0, 0
	}
	q.settle(s.now())
	return q.ready.Len(), len(q.hidden) - q.delayed
}

// Deleted counts the messages of the queue that a client acknowledged: each
// once, however often its deletion was asked for. Purges, redrives and
// expiries are not counted.
func (w *World) Deleted(queueARN string) int {
	s := w.sqs
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[queueARN]; q != nil {
		return q.acknowledged
	}
	return 0
}
