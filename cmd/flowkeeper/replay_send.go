package main

import (
	"context"
	"encoding/json"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/queueclient"
)

func sendRecords(ctx context.Context, x *replay, args []string) error {
	a := x.app
	c, _, err := a.config(needs{queue: true})
	if err != nil {
		return err
	}
	base, err := daemon.Base(ctx, c, a.warnings())
	if err != nil {
		return err
	}
	q, err := queueclient.NewSender(base, c)
	if err != nil {
		return err
	}
	r := newRecordReader(x, func(raw []byte, f detection.Finding, _ string) error {
		if f.Kind == 0 {
			return nil // the daemon would ignore it
		}
		text, err := envelope(raw, f.Record)
		if err != nil {
			return err
		}
		return q.Send(ctx, text)
	})
	r.raw = true
	if err = r.read(ctx, args); err == nil {
		err = q.Flush(ctx)
	}
	out := struct {
		Records int `json:"records"`
		Sent    int `json:"sent"`
		Bad     int `json:"bad"`
	}{r.records(), q.Sent, r.bad}
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
