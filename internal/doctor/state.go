package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

// stateFacts is what is read from the state file.
type stateFacts struct {
	counts    store.Counts
	guarded   []string                // accounts
	known     []inventory.Scope       // every scope that was ever refreshed
	protected map[inventory.Scope]int // flow logs
	telemetry map[inventory.Scope]int // flow logs with the tag of CloudWatch's telemetry rules
	rows      map[inventory.Scope]candidates
	pipelines map[inventory.Scope]rehearse.PipelineHealth
}

// readState reads the state file. It returns store.ErrMissing if there is none, and creates
// nothing.
func (d *Doctor) readState(ctx context.Context) (m stateFacts, err error) {
	if f, err := os.OpenFile(d.Config.State.Path, os.O_RDWR, 0); err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return m, err // SQLite would report another error
	}
	s, err := store.Open(ctx, d.Config.State.Path, store.Options{})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m.counts, err = s.Counts(ctx); err != nil {
		return m, err
	}
	if m.known, err = s.Scopes(ctx); err != nil {
		return m, err
	}
	if m.guarded, err = s.Guarded(ctx); err != nil {
		return m, err
	}
	m.protected, m.telemetry, m.rows = map[inventory.Scope]int{}, map[inventory.Scope]int{}, map[inventory.Scope]candidates{}
	if err := s.FlowLogs(ctx, func(r inventory.Row) error {
		if _, tagged := r.Tags[incident.TelemetryTag]; tagged && r.State == inventory.Live {
			m.telemetry[r.Scope]++
		}
		if !r.Rehearsable() {
			return nil
		}
		if m.protected[r.Scope]++; m.rows[r.Scope] == nil {
			m.rows[r.Scope] = candidates{}
		}
		m.rows[r.Scope].add(r)
		return nil
	}); err != nil {
		return m, err
	}
	m.pipelines = map[inventory.Scope]rehearse.PipelineHealth{}
	return m, s.Rehearsals().View(ctx, func(tx rehearse.Tx) error {
		for scope := range m.counts.RefreshedAt {
			if m.pipelines[scope], err = tx.PipelineHealth(scope); err != nil {
				return err
			}
		}
		return nil
	})
}

// candidates are the protected flow logs of a scope that are tried: restores with the same target
// are alike.
type candidates map[delivery.Target][]inventory.Row

const (
	maxTargets = 20 // of a scope
	maxTries   = 3  // of each, where a resource is gone
)

func (t candidates) add(r inventory.Row) {
	key := delivery.TargetOf(r.FlowLog)
	if have := t[key]; len(have) < maxTries && (len(have) > 0 || len(t) < maxTargets) {
		t[key] = append(have, r)
	}
}
