package fakeaws

import (
	"container/heap"
	"container/list"
	"time"
)

// message is one message in one queue. It is in exactly one place: its
// queue's ready list, or its queue's hidden heap.
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
	received      int    // in all queues: ApproximateReceiveCount
	tries         int    // in this queue: what maxReceiveCount is compared with
	receipt       uint64 // which receive the valid receipt handle is of

	element   *list.Element // in ready, or nil
	index     int           // in hidden, if element is nil
	visibleAt time.Time     // meaningful while hidden
}

// queue is one standard queue. Taking, hiding and deleting a message costs at
// most the logarithm of the messages in flight, whatever the backlog.
// SQS.mu guards every field.
type queue struct {
	arn, account, region, name string

	attributes        attributes
	redrive           redrivePolicy
	created, modified time.Time
	gone              bool // deleted: receivers that still wait get an error

	messages     map[uint64]*message // by sequence number
	ready        *list.List          // visible, oldest arrival first
	hidden       hiddenHeap          // in flight, soonest visible first
	acknowledged int
	wake         chan struct{} // closed when waiting receivers must try again; nil if none waits
}

// settle makes visible what is due, and drops what outlived the retention
// period once it is at the front.
func (q *queue) settle(now time.Time) {
	for len(q.hidden) > 0 && !q.hidden[0].visibleAt.After(now) {
		m := q.hidden[0]
		heap.Remove(&q.hidden, m.index)
		q.show(m)
	}
	retention := q.attributes.seconds("MessageRetentionPeriod")
	for front := q.ready.Front(); front != nil; front = q.ready.Front() {
		m := front.Value.(*message)
		if now.Sub(m.sent) < retention {
			return
		}
		q.remove(m)
	}
}

// add makes a message part of the queue.
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
	heap.Push(&q.hidden, m)
	q.announceIfNext(m)
}

// rehide changes when a hidden message becomes visible.
func (q *queue) rehide(m *message, until time.Time) {
	m.visibleAt = until
	heap.Fix(&q.hidden, m.index)
	q.announceIfNext(m)
}

// announceIfNext wakes the waiting receivers if they would otherwise wait for
// a later message than this one.
func (q *queue) announceIfNext(m *message) {
	if m.index == 0 {
		q.announce()
	}
}

// detach takes a message out of the place that it is in.
func (q *queue) detach(m *message) {
	if m.element == nil {
		heap.Remove(&q.hidden, m.index)
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

// hiddenHeap orders messages by the time they become visible (container/heap).
type hiddenHeap []*message

func (h hiddenHeap) Len() int { return len(h) }
func (h hiddenHeap) Less(i, j int) bool {
	if h[i].visibleAt.Equal(h[j].visibleAt) {
		return h[i].seq < h[j].seq
	}
	return h[i].visibleAt.Before(h[j].visibleAt)
}
func (h hiddenHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is container/heap's.
func (h *hiddenHeap) Push(x any) {
	m := x.(*message)
	m.index = len(*h)
	*h = append(*h, m)
}

// Pop is container/heap's.
func (h *hiddenHeap) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return m
}
