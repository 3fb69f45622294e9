package fakeaws

// maxBatch is how many entries a batch may have.
const maxBatch = 10

type batchInput[E any] struct {
	queueInput
	Entries []E
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

func (s *SQS) deleteMessageBatch(q *queue, in batchInput[deleteEntry], _ Caller) (any, error) {
	return runBatch(in.Entries, func(e deleteEntry) (any, error) {
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

func (s *SQS) sendMessageBatch(q *queue, in batchInput[sendBatchEntry], c Caller) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += len(e.MessageBody)
	}
	if total > maxMessageBytes {
		return nil, sqsErr("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	return runBatch(in.Entries, func(e sendBatchEntry) (any, error) {
		sent, err := s.accept(q, e.sendEntry, c)
		return sentBatchEntry{e.batchID, sent}, err
	})
}

// runBatch checks the batch as a whole, then does each entry: one that is
// refused does not keep the others from taking effect.
func runBatch[E interface{ entryID() string }](entries []E, do func(E) (any, error)) (any, error) {
	if err := checkBatch(entries); err != nil {
		return nil, err
	}
	var out batchOutput
	for _, e := range entries {
		done, err := do(e)
		if err != nil {
			refused := asError(err)
			out.Failed = append(out.Failed, batchFailed{Id: e.entryID(), SenderFault: true, Code: refused.Code, Message: refused.Message})
			continue
		}
		out.Successful = append(out.Successful, done)
	}
	return out, nil
}

func checkBatch[E interface{ entryID() string }](entries []E) error {
	if len(entries) == 0 {
		return sqsErr("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > maxBatch {
		return sqsErr("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		id := e.entryID()
		if !nameLike(id) {
			return sqsErr("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return sqsErr("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}
