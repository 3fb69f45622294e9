package fakeaws

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxInFlight is how long a message may stay hidden, counted from its receive.
const maxInFlight = 12 * time.Hour

func (s *SQS) deleteMessage(q *queue, in sqsInput) (any, error) {
	return nil, q.acknowledge(in.ReceiptHandle)
}

// acknowledge deletes a received message. With a handle that a later receive
// made stale, or of a message deleted before, AWS answers success and does
// nothing; so does this.
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
	seconds, err := bounded("VisibilityTimeout", in.VisibilityTimeout, 0, 43200, 0)
	if err != nil {
		return nil, err
	}
	now := s.now()
	q.settle(now)
	m, err := q.byHandle(in.ReceiptHandle)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", in.ReceiptHandle)
	}
	if m.element != nil {
		return nil, sqsErr("MessageNotInflight", "The message referred to is not in flight.")
	}
	until := now.Add(time.Duration(seconds) * time.Second)
	if until.Sub(m.lastReceived) > maxInFlight {
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
