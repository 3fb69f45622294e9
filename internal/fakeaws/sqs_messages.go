package fakeaws

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func (s *SQS) sendMessage(q *queue, in sqsInput) (any, error) {
	return s.accept(q, in.MessageBody, in.sender)
}

func (s *SQS) accept(q *queue, body, sender string) (sqsDone, error) {
	if err := checkBody(body, q.number("MaximumMessageSize")); err != nil {
		return sqsDone{}, err
	}
	m := s.enqueue(q, body, sender)
	return sqsDone{MessageId: m.id, MD5OfMessageBody: m.md5}, nil
}

// enqueue adds a checked message. IDs count up, so that two runs with the same
// calls are the same.
func (s *SQS) enqueue(q *queue, body, sender string) *message {
	s.seq++
	sum := md5.Sum([]byte(body))
	m := &message{
		id:  fmt.Sprintf("%08x-5175-4000-8000-%012x", s.seq>>48, s.seq&(1<<48-1)),
		seq: s.seq, body: body, md5: hex.EncodeToString(sum[:]), sender: sender, sent: s.now(),
	}
	q.add(m)
	return m
}

// checkBody refuses what is empty, longer than max bytes, or holds a
// character that XML 1.0 does not have.
func checkBody(body string, max int) error {
	notInXML := func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}
	switch {
	case body == "":
		return missingParameter("MessageBody")
	case len(body) > max:
		return invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", max)
	case !utf8.ValidString(body) || strings.ContainsFunc(body, notInXML):
		return sqsErr("InvalidMessageContents",
			"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	return nil
}

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

// maxBatch is how many entries a batch may have.
const maxBatch = 10

type batchOutput struct {
	Successful []sqsDone     `json:",omitempty"`
	Failed     []batchFailed `json:",omitempty"`
}

// sqsDone is what is answered for a message, alone or in a batch.
type sqsDone struct {
	Id, MessageId, MD5OfMessageBody string `json:",omitempty"`
}

type batchFailed struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

func (s *SQS) deleteMessageBatch(q *queue, in sqsInput) (any, error) {
	return runBatch(in.Entries, func(e sqsEntry) (sqsDone, error) {
		return sqsDone{}, q.acknowledge(e.ReceiptHandle)
	})
}

func (s *SQS) sendMessageBatch(q *queue, in sqsInput) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += len(e.MessageBody)
	}
	if total > maxMessageBytes {
		return nil, sqsErr("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	return runBatch(in.Entries, func(e sqsEntry) (sqsDone, error) { return s.accept(q, e.MessageBody, in.sender) })
}

// runBatch checks the batch as a whole, then does each entry: one that is
// refused does not keep the others from taking effect.
func runBatch(entries []sqsEntry, do func(sqsEntry) (sqsDone, error)) (any, error) {
	if err := checkBatch(entries); err != nil {
		return nil, err
	}
	var out batchOutput
	for _, e := range entries {
		done, err := do(e)
		if err != nil {
			refused := asError(err)
			out.Failed = append(out.Failed, batchFailed{Id: e.Id, SenderFault: true, Code: refused.Code, Message: refused.Message})
			continue
		}
		done.Id = e.Id
		out.Successful = append(out.Successful, done)
	}
	return out, nil
}

func checkBatch(entries []sqsEntry) error {
	if len(entries) == 0 {
		return sqsErr("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > maxBatch {
		return sqsErr("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if !nameLike(e.Id) {
			return sqsErr("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[e.Id] {
			return sqsErr("BatchEntryIdsNotDistinct", "Id %s repeated.", e.Id)
		}
		seen[e.Id] = true
	}
	return nil
}
