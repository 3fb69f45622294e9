package rehearse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

// setOut begins a rehearsal. Who makes it is on disk before its first record can
// come back: by that it is told from a stranger's.
func (r *Rehearser) setOut(ctx context.Context, s inventory.Scope) (h PipelineHealth, err error) {
	by := ""
	if r.Caller != nil {
		arn, err := r.Caller(ctx, s)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("AWS does not say who makes this rehearsal: taking it for whom it was the last time", "account", s.Account, "region", s.Region, "error", err)
		}
		by = callerOf(arn)
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		before, err := tx.PipelineHealth(s)
		if err != nil {
			return err
		}
		if h = before.madeBy(by); h.Instance == "" {
			h.Instance = strconv.FormatUint(uint64(r.random()*(1<<40)), 36)
		}
		if h == before {
			return nil
		}
		return tx.PutPipelineHealth(s, h)
	})
	return h, err
}

func (r *Rehearser) random() float64 {
	if r.Rand != nil {
		return r.Rand()
	}
	return rand.Float64()
}

// sent notes that AWS has answered calls of a rehearsal, so that their records
// are on the way.
func (r *Rehearser) sent(ctx context.Context, s inventory.Scope, started time.Time) error {
	return r.Store.Update(ctx, func(tx Tx) error {
		before, err := tx.PipelineHealth(s)
		if err != nil {
			return err
		}
		after := before.sent(started, r.Now())
		if after == before {
			return nil
		}
		return tx.PutPipelineHealth(s, after)
	})
}

// Returned notes that the record of a rehearsal has come through the
// queue, ours or that of another daemon. A stranger's dry run with a token like
// ours counts for nothing, or it could put off the alert that the pipeline is cut.
func (r *Rehearser) Returned(ctx context.Context, s inventory.Scope, f detection.Finding) error {
	alerted := false
	err := r.Store.Update(ctx, func(tx Tx) error {
		now := r.Now()
		h, err := tx.PipelineHealth(s)
		ours := err == nil && h.isOurs(f.Record.Identity.ARN, r.Others)
		if alerted = ours && h.Told; !ours {
			return err
		}
		if err := tx.PutPipelineHealth(s, h.returned(f.Record.ClientToken, now)); err != nil || !alerted {
			return err
		}
		return add(tx, backAgain(s, now))
	})
	if err != nil {
		return fmt.Errorf("note that a rehearsal in %s came back: %w", s, err)
	}
	if alerted {
		r.AlertsAdded()
	}
	return nil
}

// AlertSilence alerts once when rehearsals do not come back any more.
func (r *Rehearser) AlertSilence(ctx context.Context, s inventory.Scope) error {
	alerted := false
	err := r.Store.Update(ctx, func(tx Tx) error {
		now := r.Now()
		h, err := tx.PipelineHealth(s)
		if alerted = err == nil && !h.Told && h.silent(now); !alerted {
			return err
		}
		h.Told = true
		return errors.Join(tx.PutPipelineHealth(s, h), add(tx, silence(s, h.BackAt, now)))
	})
	if alerted && err == nil {
		r.AlertsAdded()
	}
	return err
}
