package fakeaws

import (
	"cmp"
	"container/list"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"
)

// queueURL matches the Region, in the host or in the path if the URL has one, the account and the name.
var queueURL = regexp.MustCompile(`^https?://(?:sqs\.([^./]+)\.)?[^/]+(?:/queue/([^/]+))?/([^/]+)/([^/]+)$`)

// queueAt finds the queue that a URL names, for this caller. It refuses a queue of another
// Region, as AWS's regional endpoints do. Callers of another account may use a queue that
// has any policy: the policy is not evaluated.
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

// createQueue returns the queue's URL at the host of the request.
func (s *SQS) createQueue(req *Request, in sqsInput) (any, error) {
	q, err := s.ensureQueue(req.Account, req.Region, in.QueueName, in.Attributes)
	if err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": fmt.Sprintf("http://%s/queue/%s/%s/%s", req.HTTP.Host, q.region, q.account, q.name)}, nil
}

// ensureQueue creates a queue, or finds the one with that name and these attributes.
// The caller holds s.mu.
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

// accept checks a message and puts it on the queue.
func (s *SQS) accept(q *queue, body, sender string) (sqsDone, error) {
	if err := checkBody(body, q.number("MaximumMessageSize")); err != nil {
		return sqsDone{}, err
	}
	m := s.enqueue(q, body, sender)
	return sqsDone{MessageId: m.id, MD5OfMessageBody: m.md5}, nil
}

// enqueue adds a checked message. The IDs are counted, so that two runs with the same
// calls have the same ones.
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

// checkBody refuses a body that is empty, longer than max bytes, or has a
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

// maxBatch is how many entries a batch may have.
const maxBatch = 10

type batchOutput struct {
	Successful []sqsDone     `json:",omitempty"`
	Failed     []batchFailed `json:",omitempty"`
}

// sqsDone is the answer about one message, alone or in a batch.
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

// runBatch checks the batch as a whole, then does each entry: the others take
// effect even if one is refused.
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
