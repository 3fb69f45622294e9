package fakeaws

import "errors"

// maxBatch is how many entries a batch may have.
const maxBatch = 10

type batchInput[E any] struct {
	QueueUrl string
	Entries  []E
}

// batchID is the part of every entry that the answer refers to.
type batchID struct{ Id string }

func (b batchID) entryID() string { return b.Id }

type batchOutput struct {
	Successful []any         `json:",omitempty"`
	Failed     []batchFailed `json:",omitempty"`
}

type batchFailed struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

type deleteEntry struct {
	batchID
	receiptEntry
}

func (s *sqsService) deleteMessageBatch(req *Request, in *batchInput[deleteEntry]) (any, error) {
	return runBatch(s, req, in, func(q *queue, e deleteEntry) (any, error) {
		return e.batchID, s.acknowledge(q, e.ReceiptHandle)
	})
}

type sendBatchEntry struct {
	batchID
	sendEntry
}

type sentBatchEntry struct {
	batchID
	sentMessage
}

func (s *sqsService) sendMessageBatch(req *Request, in *batchInput[sendBatchEntry]) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += len(e.MessageBody)
	}
	if total > maxMessageBytes {
		return nil, sqsErr("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong",
			"Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	return runBatch(s, req, in, func(q *queue, e sendBatchEntry) (any, error) {
		sent, err := s.accept(q, e.sendEntry, req.Caller)
		return sentBatchEntry{e.batchID, sent}, err
	})
}

// runBatch checks the batch as a whole, then does each entry: one that is
// refused does not keep the others from taking effect.
func runBatch[E interface{ entryID() string }](s *sqsService, req *Request, in *batchInput[E], do func(*queue, E) (any, error)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries); err != nil {
		return nil, err
	}
	var out batchOutput
	for _, e := range in.Entries {
		done, err := do(q, e)
		if err != nil {
			out.Failed = append(out.Failed, failedEntry(e.entryID(), err))
			continue
		}
		out.Successful = append(out.Successful, done)
	}
	return out, nil
}

func failedEntry(id string, err error) batchFailed {
	failed := batchFailed{Id: id, Code: "InternalError", Message: err.Error()}
	if e := (*Error)(nil); errors.As(err, &e) {
		failed.SenderFault, failed.Code, failed.Message = true, e.Code, e.Message
	}
	return failed
}

func checkBatch[E interface{ entryID() string }](entries []E) error {
	if len(entries) == 0 {
		return sqsErr("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > maxBatch {
		return sqsErr("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
			"Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		id := e.entryID()
		if !nameLike(id, 80) {
			return sqsErr("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId",
				"A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return sqsErr("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}
