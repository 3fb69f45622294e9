package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/queueclient"
)

// Limits of one SendMessageBatch that every queue accepts; AWS has raised the number
// of bytes for some.
const (
	batchMessages = 10
	batchBytes    = 256 << 10
)

// send sends the records with a finding to the queue.
func sendRecords(ctx context.Context, a *app, files []string) error {
	c, _, err := a.config(needs{queue: true})
	if err != nil {
		return err
	}
	q, err := newQueue(ctx, c, a.warnings())
	if err != nil {
		return err
	}
	r := recordReader{app: a, found: func(raw []byte, f detection.Finding) error {
		if f.Kind == 0 {
			return nil // the daemon would ignore it
		}
		text, err := envelope(raw, f.Record)
		if err != nil {
			return err
		}
		return q.add(ctx, text)
	}}
	if err = r.read(ctx, files); err == nil {
		err = q.flush(ctx)
	}
	out := struct {
		Records int `json:"records"`
		Sent    int `json:"sent"`
		Bad     int `json:"bad"`
	}{r.records, q.sent, r.bad}
	a.Result(out, "%s sent, %s read", alert.Plural(out.Sent, "message"), alert.Plural(out.Records, "record"))
	if err != nil {
		return err
	}
	return r.incomplete()
}

// envelope is the message that EventBridge sends for a record.
func envelope(raw []byte, r cloudtrail.Record) (string, error) {
	text, err := json.Marshal(map[string]any{
		"version": "0", "id": r.EventID, "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
		"account": r.Account, "region": r.Region, "time": r.EventTime.UTC().Format(time.RFC3339),
		"resources": []string{}, "detail": json.RawMessage(raw),
	})
	return string(text), err
}

// queue collects messages into batches.
type queue struct {
	client *sqs.Client
	url    string
	batch  []string
	bytes  int
	sent   int
}

func newQueue(ctx context.Context, c configs.Config, log *slog.Logger) (*queue, error) {
	base, err := daemon.Base(ctx, c, log)
	if err != nil {
		return nil, err
	}
	client, q, err := queueclient.New(base, c)
	if err != nil {
		return nil, err
	}
	return &queue{client: client, url: q.URL}, nil
}

func (q *queue) add(ctx context.Context, text string) error {
	if len(text) > batchBytes {
		return fmt.Errorf("a record of %d bytes does not fit into a message: %d at most", len(text), batchBytes)
	}
	if len(q.batch) == batchMessages || q.bytes+len(text) > batchBytes {
		if err := q.flush(ctx); err != nil {
			return err
		}
	}
	q.batch = append(q.batch, text)
	q.bytes += len(text)
	return nil
}

// flush sends the batch.
func (q *queue) flush(ctx context.Context) error {
	if len(q.batch) == 0 {
		return nil
	}
	var entries []types.SendMessageBatchRequestEntry
	for n, text := range q.batch {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), MessageBody: aws.String(text)})
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(q.url), Entries: entries})
	if api := smithy.APIError(nil); errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied") {
		return fmt.Errorf("send to %s: %w: the sender needs sqs:SendMessage, which the daemon does not, and a queue policy that lets it: a stack's ReplayRoleArn names it (docs/setup.md)", q.url, err)
	}
	if err != nil {
		return fmt.Errorf("send to %s: %w", q.url, err)
	}
	q.sent += len(out.Successful)
	q.batch, q.bytes = nil, 0
	if len(out.Failed) > 0 {
		f := out.Failed[0]
		return fmt.Errorf("send to %s: %d messages were refused, the first with %s: %s", q.url, len(out.Failed), aws.ToString(f.Code), aws.ToString(f.Message))
	}
	return nil
}
