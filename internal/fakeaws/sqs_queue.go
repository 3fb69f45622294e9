package fakeaws

import (
	"cmp"
	"container/list"
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
	tries         int // receives in this queue: maxReceiveCount bounds them, and the valid receipt handle has the number

	element   *list.Element // in ready; nil while hidden
	visibleAt time.Time     // only used while hidden
}

// queue is one standard queue. The cost of an operation grows with the messages in
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

// advance makes hidden messages visible that are due, and drops messages at the front that
// are older than the retention period.
func (q *queue) advance(now time.Time) {
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

// add adds a message; if the queue delays messages, it is hidden at first.
func (q *queue) add(m *message) {
	q.messages[m.seq] = m
	if delay := time.Duration(q.number("DelaySeconds")) * time.Second; delay > 0 {
		q.hide(m, m.sent.Add(delay))
		return
	}
	q.show(m)
}

// delayed counts the messages that are hidden since they were sent.
func (q *queue) delayed() (n int) {
	for _, m := range q.hidden {
		if m.tries == 0 {
			n++
		}
	}
	return n
}

// show appends a message to ready; it must not be in hidden.
func (q *queue) show(m *message) {
	m.element = q.ready.PushBack(m)
	q.announce()
}

// hide puts a message into hidden; it must not be in ready.
func (q *queue) hide(m *message, until time.Time) {
	m.visibleAt = until
	n, _ := slices.BinarySearchFunc(q.hidden, m, soonest)
	q.hidden = slices.Insert(q.hidden, n, m)
	q.announce() // waiting receivers may now have to wait for this message
}

func soonest(a, b *message) int {
	return cmp.Or(a.visibleAt.Compare(b.visibleAt), cmp.Compare(a.seq, b.seq))
}

// detach takes a message out of ready or hidden.
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

// waiting returns a channel that the next announcement closes, and the time until
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
