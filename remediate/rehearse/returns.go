package rehearse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

// begin begins a rehearsal. It stores who makes the rehearsal before the first record can come back, so
// that the record is then known to be ours.
func (r *Rehearser) begin(ctx context.Context, s inventory.Scope) (PipelineHealth, error) {
	arn, err := r.Fleet.Caller(ctx, s)
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("AWS does not say who makes this rehearsal: it is assumed to be the same as the last time", "account", s.Account, "region", s.Region, "error", err)
	}
	return r.changeHealth(ctx, s, func(h PipelineHealth) (PipelineHealth, []alert.Alert) {
		if h = h.madeBy(callerOf(arn)); h.Instance == "" {
			h.Instance = strconv.FormatUint(uint64(r.random()*(1<<40)), 36)
		}
		return h, nil
	})
}

func (r *Rehearser) random() float64 {
	if r.Rand != nil {
		return r.Rand()
	}
	return rand.Float64()
}

// noteSent notes that AWS has answered calls of a rehearsal, so that their records
// are on the way.
func (r *Rehearser) noteSent(ctx context.Context, s inventory.Scope, started time.Time) error {
	_, err := r.changeHealth(ctx, s, func(h PipelineHealth) (PipelineHealth, []alert.Alert) { return h.sent(started, r.Now()), nil })
	return err
}

// Returned notes that the record of a rehearsal, ours or that of another daemon,
// has come through the queue. A stranger's dry run with a token like ours does not
// count: it could delay the alert that the pipeline is cut.
func (r *Rehearser) Returned(ctx context.Context, s inventory.Scope, f detection.Finding) error {
	_, err := r.changeHealth(ctx, s, func(h PipelineHealth) (PipelineHealth, []alert.Alert) {
		if !h.isOurs(f.Record.Identity.ARN, r.Others) {
			return h, nil
		}
		now := r.Now()
		return h.returned(f.Record.ClientToken, now), h.endAlerts(s, now)
	})
	if err != nil {
		return fmt.Errorf("note that a rehearsal in %s came back: %w", s, err)
	}
	return nil
}

// AlertSilence alerts once when the records of rehearsals no longer come back.
func (r *Rehearser) AlertSilence(ctx context.Context, s inventory.Scope) error {
	_, err := r.changeHealth(ctx, s, func(h PipelineHealth) (PipelineHealth, []alert.Alert) { return h, h.silenceAlerts(s, r.Now()) })
	return err
}

// changeHealth changes the health of a scope's pipeline, and adds the alerts about that, in one
// commit. It returns the health after that.
func (r *Rehearser) changeHealth(ctx context.Context, s inventory.Scope, change func(PipelineHealth) (PipelineHealth, []alert.Alert)) (after PipelineHealth, err error) {
	var alerts []alert.Alert
	err = r.Pipelines.Update(ctx, func(tx PipelineTx) error {
		before, err := tx.PipelineHealth(s)
		if err != nil {
			return err
		}
		after, alerts = change(before)
		if after = after.alerted(s, alerts); after == before {
			return nil
		}
		write(alerts)
		return tx.SavePipelineHealth(s, after, alerts)
	})
	if err == nil && len(alerts) > 0 {
		r.Senders.Wake()
	}
	return after, err
}
