package queueclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"flowkeeper/configs"
)

// Limits of one SendMessageBatch that every queue accepts; AWS has raised the number
// of bytes for some.
const (
	batchMessages = 10
	batchBytes    = 256 << 10
)

// Sender sends messages to the queue in batches. It is not safe for concurrent use.
type Sender struct {
	Sent   int // messages that the queue has taken
	client *sqs.Client
	url    string
	batch  []string
	bytes  int
}

// NewSender returns a sender to the configured queue. It makes no call.
func NewSender(base aws.Config, c configs.Config) (*Sender, error) {
	client, q, err := New(base, c)
	if err != nil {
		return nil, err
	}
	return &Sender{client: client, url: q.URL}, nil
}

// Send adds a message to the batch, and sends the batch first if the message does not fit. The
// caller flushes the last batch.
func (s *Sender) Send(ctx context.Context, text string) error {
	if len(text) > batchBytes {
		return fmt.Errorf("a record of %d bytes does not fit into a message: %d at most", len(text), batchBytes)
	}
	if len(s.batch) == batchMessages || s.bytes+len(text) > batchBytes {
		if err := s.Flush(ctx); err != nil {
			return err
		}
	}
	s.batch = append(s.batch, text)
	s.bytes += len(text)
	return nil
}

// Flush sends the batch.
func (s *Sender) Flush(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	var entries []types.SendMessageBatchRequestEntry
	for n, text := range s.batch {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), MessageBody: aws.String(text)})
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := s.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(s.url), Entries: entries})
	if api := smithy.APIError(nil); errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied") {
		return fmt.Errorf("send to %s: %w: the sender needs sqs:SendMessage, which the daemon does not, and a queue policy that lets it: a stack's ReplayRoleArn names it (docs/setup.md)", s.url, err)
	}
	if err != nil {
		return fmt.Errorf("send to %s: %w", s.url, err)
	}
	s.Sent += len(out.Successful)
	s.batch, s.bytes = nil, 0
	if len(out.Failed) > 0 {
		f := out.Failed[0]
		return fmt.Errorf("send to %s: %d messages were refused, the first with %s: %s", s.url, len(out.Failed), aws.ToString(f.Code), aws.ToString(f.Message))
	}
	return nil
}
