package fakeaws

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

type receiveMessageInput struct {
	queueInput
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string // no message here has attributes of its sender
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
}

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

// receiveAsk is one ReceiveMessage, checked.
type receiveAsk struct {
	queue      *queue
	max        int
	visibility time.Duration
	wait       time.Duration
	attributes []string
}

// receiveMessage does not hold s.mu while it waits.
func (s *SQS) receiveMessage(req *Request, body []byte) (any, error) {
	var ask receiveAsk
	check := onQueue(s, func(q *queue, in receiveMessageInput, _ Caller) (_ any, err error) {
		ask, err = checkReceive(q, in)
		return nil, err
	})
	if _, err := check(req, body); err != nil {
		return nil, err
	}
	messages, err := s.poll(req.HTTP.Context(), ask)
	return receiveMessageOutput{messages}, err
}

func checkReceive(q *queue, in receiveMessageInput) (ask receiveAsk, err error) {
	max, err := bounded("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 10, 1)
	if err != nil {
		return ask, err
	}
	visibility, err := bounded("VisibilityTimeout", in.VisibilityTimeout, 0, 43200, q.attributes.number("VisibilityTimeout"))
	if err != nil {
		return ask, err
	}
	wait, err := bounded("WaitTimeSeconds", in.WaitTimeSeconds, 0, 20, q.attributes.number("ReceiveMessageWaitTimeSeconds"))
	if err != nil {
		return ask, err
	}
	names, err := systemAttributes(append(in.AttributeNames, in.MessageSystemAttributeNames...))
	return receiveAsk{
		queue: q, max: max, attributes: names,
		visibility: time.Duration(visibility) * time.Second,
		wait:       time.Duration(wait) * time.Second,
	}, err
}

// systemAttributes checks the names and spells out All.
func systemAttributes(names []string) ([]string, error) {
	all := []string{"SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "DeadLetterQueueSourceArn"}
	never := []string{"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader"}
	if slices.Contains(names, "All") {
		return all, nil
	}
	for _, name := range names {
		if !slices.Contains(all, name) && !slices.Contains(never, name) {
			return nil, unknownAttribute(name)
		}
	}
	return names, nil
}

// poll takes messages, waiting for the first one as long as was asked for. The
// wait itself is measured by timers; when a message becomes visible again is
// measured by the service's clock.
func (s *SQS) poll(ctx context.Context, ask receiveAsk) ([]receivedMessage, error) {
	end := time.NewTimer(ask.wait)
	defer end.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, wake, visible, err := s.take(ask)
		if len(got) > 0 || ask.wait == 0 || err != nil {
			return got, err
		}
		if ended := waitForMessage(ctx, end.C, wake, visible); ended {
			return nil, nil
		}
	}
}

// waitForMessage returns when there may be a message (visible is how long until one
// becomes visible again, 0 if none does), or true when the time to wait has ended.
func waitForMessage(ctx context.Context, end <-chan time.Time, wake <-chan struct{}, visible time.Duration) bool {
	var due <-chan time.Time
	if visible > 0 {
		t := time.NewTimer(visible)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-end:
		return true
	case <-ctx.Done():
	case <-wake:
	case <-due:
	}
	return false
}

// take hides up to max visible messages and returns them. If there are none,
// it returns what to wait for.
func (s *SQS) take(ask receiveAsk) (got []receivedMessage, wake <-chan struct{}, visible time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, now := ask.queue, s.now()
	if q.gone {
		return nil, nil, 0, queueDoesNotExist()
	}
	q.settle(now)
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

// redrive moves a message that was received maxReceiveCount times already to
// the dead-letter queue. There it keeps its ID, its time and the count of all
// receives. Without that queue it stays receivable, as in AWS.
func (s *SQS) redrive(q *queue, m *message) bool {
	policy := q.redrive
	if policy.target == "" || m.tries < policy.max {
		return false
	}
	dead := s.queues[policy.target]
	if dead == nil {
		return false
	}
	q.remove(m)
	m.source, m.tries, m.receipt = q.arn, 0, 0
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
	m.receipt++
	q.detach(m)
	q.hide(m, now.Add(ask.visibility))
	return receivedMessage{
		MessageId: m.id, ReceiptHandle: q.handle(m), MD5OfBody: m.md5, Body: m.body,
		Attributes: m.attributes(ask.attributes),
	}
}

func (m *message) attributes(names []string) map[string]string {
	values := make(map[string]string, len(names))
	for _, name := range names {
		switch name {
		case "SenderId":
			values[name] = m.sender
		case "SentTimestamp":
			values[name] = strconv.FormatInt(m.sent.UnixMilli(), 10)
		case "ApproximateReceiveCount":
			values[name] = strconv.Itoa(m.received)
		case "ApproximateFirstReceiveTimestamp":
			values[name] = strconv.FormatInt(m.firstReceived.UnixMilli(), 10)
		case "DeadLetterQueueSourceArn":
			if m.source != "" {
				values[name] = m.source
			}
		}
	}
	return values
}

// handle is the receipt handle of the message's latest receive.
func (q *queue) handle(m *message) string {
	return fmt.Sprintf("%s/%d/%d", q.arn, m.seq, m.receipt)
}
