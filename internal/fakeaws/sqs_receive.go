package fakeaws

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

type receiveMessageOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

type receivedMessage struct {
	MessageId     string
	ReceiptHandle string
	MD5OfBody     string
	Body          string
	Attributes    map[string]string `json:",omitempty"`
}

// systemAttributes are the attributes of a message that may be asked for. No message here
// has those of FIFO queues and of X-Ray.
var systemAttributes = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "DeadLetterQueueSourceArn",
	"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader",
}

// receiveAsk is one ReceiveMessage, checked.
type receiveAsk struct {
	queue      *queue
	max        int
	visibility time.Duration
	wait       time.Duration
	attributes []string
}

// receiveMessage takes messages, and waits for the first one as long as the request says.
// Timers measure this wait; the clock of the service decides when a message becomes
// visible again.
func (s *SQS) receiveMessage(req *Request, in sqsInput) (any, error) {
	ask, err := s.checkReceive(req.Caller, in)
	if err != nil {
		return nil, err
	}
	ctx, end := req.HTTP.Context(), time.After(ask.wait)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, wake, visible, err := s.take(ask)
		if len(got) > 0 || ask.wait == 0 || err != nil {
			return receiveMessageOutput{got}, err
		}
		var due <-chan time.Time
		if visible > 0 {
			due = time.After(visible)
		}
		select {
		case <-end:
			return receiveMessageOutput{}, nil
		case <-ctx.Done():
		case <-wake:
		case <-due:
		}
	}
}

func (s *SQS) checkReceive(c Caller, in sqsInput) (ask receiveAsk, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, c)
	if err != nil {
		return ask, err
	}
	max, badMax := bounded("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 10, 1)
	visibility, badVisibility := bounded("VisibilityTimeout", in.VisibilityTimeout, 0, 43200, q.number("VisibilityTimeout"))
	wait, badWait := bounded("WaitTimeSeconds", in.WaitTimeSeconds, 0, 20, q.number("ReceiveMessageWaitTimeSeconds"))
	if err := cmp.Or(badMax, badVisibility, badWait); err != nil {
		return ask, err
	}
	names := append(in.AttributeNames, in.MessageSystemAttributeNames...)
	for _, name := range names {
		if !slices.Contains(systemAttributes, name) {
			return ask, unknownAttribute(name)
		}
	}
	return receiveAsk{q, max, time.Duration(visibility) * time.Second, time.Duration(wait) * time.Second, names}, nil
}

// take hides up to max visible messages and returns them. If there are none, it
// returns the results of queue.waiting.
func (s *SQS) take(ask receiveAsk) (got []receivedMessage, wake <-chan struct{}, visible time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, now := ask.queue, s.now()
	if s.queues[q.arn] != q { // it was deleted meanwhile
		return nil, nil, 0, queueDoesNotExist()
	}
	q.advance(now)
	for len(got) < ask.max && q.ready.Len() > 0 {
		m := q.ready.Front().Value.(*message)
		if s.redrive(q, m) {
			continue
		}
		got = append(got, q.receive(m, now, ask))
	}
	if len(got) == 0 {
		wake, visible = q.waiting(now)
	}
	return got, wake, visible, nil
}

// redrive moves a message that was received maxReceiveCount times to the dead-letter
// queue. There it keeps its ID, its time and the count of all receives. If that queue
// does not exist, the message can still be received, as in AWS.
func (s *SQS) redrive(q *queue, m *message) bool {
	dead := s.queues[q.redrive.Target]
	if dead == nil || int64(m.tries) < q.redrive.max {
		return false
	}
	q.remove(m)
	m.source, m.tries = q.arn, 0
	dead.add(m)
	return true
}

func (q *queue) receive(m *message, now time.Time, ask receiveAsk) receivedMessage {
	if m.received == 0 {
		m.firstReceived = now
	}
	m.lastReceived = now
	m.received++
	m.tries++
	q.detach(m)
	q.hide(m, now.Add(ask.visibility))
	attributes := map[string]string{
		"SenderId": m.sender, "SentTimestamp": millis(m.sent), "ApproximateReceiveCount": strconv.Itoa(m.received),
		"ApproximateFirstReceiveTimestamp": millis(m.firstReceived),
	}
	if m.source != "" {
		attributes["DeadLetterQueueSourceArn"] = m.source
	}
	return receivedMessage{
		MessageId: m.id, ReceiptHandle: fmt.Sprintf("%s/%d/%d", q.arn, m.seq, m.tries), MD5OfBody: m.md5, Body: m.body,
		Attributes: named(attributes, ask.attributes),
	}
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// maxInFlight is how long a message may stay hidden, counted from its receive.
const maxInFlight = 12 * time.Hour

// acknowledge deletes a received message. If the handle is stale because of a later
// receive, or the message was deleted before, it does nothing and succeeds, as AWS does.
func (q *queue) acknowledge(handle string) error {
	m, err := q.byHandle(handle)
	if err != nil || m == nil {
		return err
	}
	q.remove(m)
	q.acknowledged++
	return nil
}

func (s *SQS) changeMessageVisibility(q *queue, in sqsInput) (any, error) {
	if in.VisibilityTimeout == nil {
		return nil, missingParameter("VisibilityTimeout")
	}
	now := s.now()
	q.advance(now)
	seconds, badNumber := bounded("VisibilityTimeout", in.VisibilityTimeout, 0, 43200, 0)
	m, badHandle := q.byHandle(in.ReceiptHandle)
	until := now.Add(time.Duration(seconds) * time.Second)
	switch err := cmp.Or(badNumber, badHandle); {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", in.ReceiptHandle)
	case m.element != nil:
		return nil, sqsErr("MessageNotInflight", "The message referred to is not in flight.")
	case until.Sub(m.lastReceived) > maxInFlight:
		return nil, invalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", seconds)
	}
	q.detach(m)
	q.hide(m, until)
	return nil, nil
}

// byHandle finds the message that the handle was given for; nil if it is
// deleted or was received again since. A handle that this queue never gave
// out is an error.
func (q *queue) byHandle(handle string) (*message, error) {
	if handle == "" {
		return nil, missingParameter("ReceiptHandle")
	}
	badHandle := sqsErr("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle).WithStatus(http.StatusNotFound)
	parts := strings.Split(handle, "/")
	if len(parts) != 3 || parts[0] != q.arn {
		return nil, badHandle
	}
	seq, err1 := strconv.ParseUint(parts[1], 10, 64)
	tries, err2 := strconv.Atoi(parts[2])
	if err1 != nil || err2 != nil {
		return nil, badHandle
	}
	if m := q.messages[seq]; m != nil && m.tries == tries {
		return m, nil
	}
	return nil, nil
}
