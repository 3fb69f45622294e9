package fakeaws

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
