package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/replay"
)

func sendRecords(ctx context.Context, r *replayCommand, args []string) error {
	c, base, err := r.configAndAWS(ctx, needs{queue: true}, r.warnings())
	if err != nil {
		return err
	}
	q, err := queueclient.NewSender(base, c)
	if err != nil {
		return err
	}
	r.reader.Raw = true
	err = r.read(ctx, args, func(raw []byte, f detection.Finding, _ string) error {
		if f.Kind == 0 {
			return nil // the daemon would ignore it
		}
		text, err := replay.Envelope(raw, f.Record)
		if err != nil {
			return err
		}
		return q.Send(ctx, text)
	})
	if err == nil {
		err = q.Flush(ctx)
	}
	out := struct {
		Records int `json:"records"`
		Sent    int `json:"sent"`
		Bad     int `json:"bad"`
	}{r.records(), q.Sent, r.reader.Bad}
	r.Result(out, "%s sent, %s read", alert.Plural(out.Sent, "message"), alert.Plural(out.Records, "record"))
	if api := smithy.APIError(nil); err != nil && !errors.As(err, &api) { // SQS did not answer
		return plainError(err)
	}
	return cmp.Or(err, r.incomplete())
}
