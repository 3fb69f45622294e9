package fakeaws

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxInFlight is how long a message may stay hidden, counted from its receive.
const maxInFlight = 12 * time.Hour

// receiptEntry is what single and batched operations on a received message
// share. VisibilityTimeout is in seconds and not part of the deletions.
type receiptEntry struct {
	ReceiptHandle string
}

type deleteMessageInput struct {
	QueueUrl string
	receiptEntry
}

func (s *sqsService) deleteMessage(req *Request, in *deleteMessageInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	return nil, s.acknowledge(q, in.ReceiptHandle)
}

// acknowledge deletes a received message. With a handle that a later receive
// made stale, or of a message deleted before, AWS answers success and does
// nothing; so does this.
func (s *sqsService) acknowledge(q *queue, handle string) error {
	m, err := q.byHandle(handle)
	if err != nil || m == nil {
		return err
	}
	q.remove(m)
	q.acknowledged++
	return nil
}

type visibilityEntry struct {
	receiptEntry
	VisibilityTimeout *int
}

type changeVisibilityInput struct {
	QueueUrl string
	visibilityEntry
}

func (s *sqsService) changeMessageVisibility(req *Request, in *changeVisibilityInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	return nil, s.changeVisibility(q, in.visibilityEntry)
}

func (s *sqsService) changeVisibility(q *queue, e visibilityEntry) error {
	if e.VisibilityTimeout == nil {
		return missingParameter("VisibilityTimeout")
	}
	seconds, err := bounded("VisibilityTimeout", e.VisibilityTimeout, 0, 43200, 0)
	if err != nil {
		return err
	}
	now := s.now()
	q.settle(now)
	m, err := q.byHandle(e.ReceiptHandle)
	if err != nil {
		return err
	}
	if m == nil {
		return invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", e.ReceiptHandle)
	}
	if m.element != nil {
		return sqsErr("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "The message referred to is not in flight.")
	}
	until := now.Add(time.Duration(seconds) * time.Second)
	if until.Sub(m.lastReceived) > maxInFlight {
		return invalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", seconds)
	}
	q.rehide(m, until)
	return nil
}

// byHandle finds the message that the handle was given for; nil if it is
// deleted or was received again since. A handle that this queue never gave
// out is an error.
func (q *queue) byHandle(handle string) (*message, error) {
	if handle == "" {
		return nil, missingParameter("ReceiptHandle")
	}
	parts := strings.Split(handle, "/")
	if len(parts) != 3 || parts[0] != q.arn {
		return nil, badHandle(handle)
	}
	seq, err1 := strconv.ParseUint(parts[1], 10, 64)
	receipt, err2 := strconv.ParseUint(parts[2], 10, 64)
	if err1 != nil || err2 != nil {
		return nil, badHandle(handle)
	}
	m := q.messages[seq]
	if m == nil || m.receipt != receipt {
		return nil, nil
	}
	return m, nil
}

func badHandle(handle string) *Error {
	return sqsErr("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid",
		"The input receipt handle %q is not a valid receipt handle.", handle).WithStatus(http.StatusNotFound)
}
