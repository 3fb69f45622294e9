package fakeaws

import (
	"cmp"
	"container/list"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// message is one message in one queue. It is in exactly one place: its
// queue's ready list, or its hidden ones.
type message struct {
	id     string
	seq    uint64
	body   string
	md5    string
	sender string
	source string // ARN of the queue it was redriven from
	sent   time.Time

	firstReceived time.Time
	lastReceived  time.Time
	received      int // in all queues: ApproximateReceiveCount
	tries         int // in this queue: maxReceiveCount bounds it, and the valid receipt handle has it

	element   *list.Element // in ready; nil while hidden
	visibleAt time.Time     // meaningful while hidden
}

// queue is one standard queue. What an operation costs grows with the messages in
// flight, not with the backlog. SQS.mu guards every field.
type queue struct {
	arn, account, region, name string

	attributes        map[string]string // that can be set
	redrive           redrivePolicy
	created, modified time.Time

	messages     map[uint64]*message // by sequence number
	ready        *list.List          // visible, oldest arrival first
	hidden       []*message          // in flight, soonest visible first
	acknowledged int
	wake         chan struct{} // closed when waiting receivers must try again; nil if none waits
}

// settle makes visible what is due, and drops what outlived the retention
// period once it is at the front.
func (q *queue) settle(now time.Time) {
	for len(q.hidden) > 0 && !q.hidden[0].visibleAt.After(now) {
		m := q.hidden[0]
		q.detach(m)
		q.show(m)
	}
	retention := time.Duration(q.number("MessageRetentionPeriod")) * time.Second
	for front := q.ready.Front(); front != nil; front = q.ready.Front() {
		m := front.Value.(*message)
		if now.Sub(m.sent) < retention {
			return
		}
		q.remove(m)
	}
}

func (q *queue) add(m *message) {
	q.messages[m.seq] = m
	q.show(m)
}

// show appends a message that is in no place to ready.
func (q *queue) show(m *message) {
	m.element = q.ready.PushBack(m)
	q.announce()
}

// hide puts a message that is in no place into hidden.
func (q *queue) hide(m *message, until time.Time) {
	m.visibleAt = until
	n, _ := slices.BinarySearchFunc(q.hidden, m, soonest)
	q.hidden = slices.Insert(q.hidden, n, m)
	q.announce() // those who wait may have to wait for this one now
}

func soonest(a, b *message) int {
	return cmp.Or(a.visibleAt.Compare(b.visibleAt), cmp.Compare(a.seq, b.seq))
}

// detach takes a message out of the place that it is in.
func (q *queue) detach(m *message) {
	if m.element == nil {
		n, _ := slices.BinarySearchFunc(q.hidden, m, soonest)
		q.hidden = slices.Delete(q.hidden, n, n+1)
		return
	}
	q.ready.Remove(m.element)
	m.element = nil
}

func (q *queue) remove(m *message) {
	q.detach(m)
	delete(q.messages, m.seq)
}

// announce wakes every receiver that waits on the queue.
func (q *queue) announce() {
	if q.wake != nil {
		close(q.wake)
		q.wake = nil
	}
}

// waiting returns what closes at the next announcement, and how long until
// the next hidden message becomes visible (0: none is hidden).
func (q *queue) waiting(now time.Time) (<-chan struct{}, time.Duration) {
	if q.wake == nil {
		q.wake = make(chan struct{})
	}
	if len(q.hidden) == 0 {
		return q.wake, 0
	}
	return q.wake, q.hidden[0].visibleAt.Sub(now)
}

// queueURL has the host's Region or the path's, if one is there, the account and the name.
var queueURL = regexp.MustCompile(`^https?://(?:sqs\.([^./]+)\.)?[^/]+(?:/queue/([^/]+))?/([^/]+)/([^/]+)$`)

// queueAt finds the queue that a URL names, as this caller sees it. A queue of another
// Region is refused as AWS's regional endpoints do. Another account is let in if the
// queue has a policy at all; which one is not evaluated.
func (s *SQS) queueAt(address string, c Caller) (*queue, error) {
	if address == "" {
		return nil, missingParameter("QueueUrl")
	}
	part := queueURL.FindStringSubmatch(address)
	if part == nil || cmp.Or(part[2], part[1], c.Region) != c.Region {
		return nil, sqsErr("InvalidAddress", "The address %s is not valid for this endpoint.", address).WithStatus(http.StatusNotFound)
	}
	q := s.queues[queueARN(c.Region, part[3], part[4])]
	switch {
	case q == nil:
		return nil, queueDoesNotExist()
	case q.account != c.Account && q.attributes["Policy"] == "":
		return nil, sqsErr("AccessDeniedException", "Access to the resource %s is denied.", q.arn).WithStatus(http.StatusForbidden)
	}
	return q, nil
}

func queueARN(region, account, name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", region, account, name)
}

// createQueue answers the queue's URL at the host that was asked.
func (s *SQS) createQueue(req *Request, in sqsInput) (any, error) {
	q, err := s.ensureQueue(req.Account, req.Region, in.QueueName, in.Attributes)
	if err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": fmt.Sprintf("http://%s/queue/%s/%s/%s", req.HTTP.Host, q.region, q.account, q.name)}, nil
}

// ensureQueue creates a queue, or finds the one of that name whose attributes
// are as asked for. The caller holds s.mu.
func (s *SQS) ensureQueue(account, region, name string, attributes map[string]string) (*queue, error) {
	if name == "" {
		return nil, missingParameter("QueueName")
	}
	if !nameLike(name) {
		return nil, invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	arn := queueARN(region, account, name)
	if q := s.queues[arn]; q != nil {
		for name, value := range attributes {
			if q.attributes[name] != value {
				return nil, sqsErr("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", name)
			}
		}
		return q, nil
	}
	q := &queue{
		arn: arn, account: account, region: region, name: name, created: s.now(),
		attributes: maps.Clone(defaultAttributes), messages: map[uint64]*message{}, ready: list.New(),
	}
	if err := s.set(q, attributes); err != nil {
		return nil, err
	}
	s.queues[arn] = q
	return q, nil
}

func (s *SQS) deleteQueue(q *queue, _ sqsInput) (any, error) {
	delete(s.queues, q.arn)
	q.announce()
	return nil, nil
}
