package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// intake stores what the records of one message say of one scope.
type intake struct {
	scopeParts
	background func(task func()) // runs a task at the same time as the caller
	meter      Meter             // nil: nothing is counted
	refreshes  Refreshes
}

// commitAll returns nil once everything that the findings ask for is on disk.
func (in intake) commitAll(ctx context.Context, fs []detection.Finding, keepAlive func()) error {
	now := in.store.now()
	err := in.commitWhileAsking(ctx, fs, func() error { return in.commit(ctx, fs, now, keepAlive) })
	for _, f := range fs {
		live := f.Kind == detection.TornDown && in.hasLiveFlowLog(ctx, f.Record.VPC)
		if needsRefresh(f, live) {
			in.refreshes.Soon(in.store.scope)
		}
	}
	return err
}

// needsRefresh reports whether only a refresh can show what has happened. The record may not
// say which flow logs were deleted or created. Or a resource was torn down, and AWS also removes
// its flow logs, even one that was just restored. live: the snapshot has a live flow log there.
func needsRefresh(f detection.Finding, live bool) bool {
	switch f.Kind {
	case detection.Deleted, detection.Created:
		return f.Record.IDsUnknown
	case detection.TornDown:
		return live
	case detection.Attempted, detection.Rehearsed, detection.Tampered:
	}
	return false
}

// hasLiveFlowLog reports whether the snapshot has a live flow log on a resource.
func (in intake) hasLiveFlowLog(ctx context.Context, resource string) bool {
	has, err := read(ctx, in.store, func(tx scopeTx) (bool, error) {
		c, err := tx.load(incident.Selection{Resources: []string{resource}})
		return err == nil && len(c.Live(resource)) > 0, err
	})
	return err == nil && has
}

// commit writes incidents and alerts of one message in one transaction. If the message names
// more flow logs than namedAtOnce, it takes several: all other commits wait for each.
func (in intake) commit(ctx context.Context, fs []detection.Finding, now time.Time, keepAlive func()) error {
	for len(fs) > 0 {
		n := together(fs)
		err := in.commitTogether(ctx, fs[:n], now)
		if err == nil {
			fs = fs[n:]
			continue
		}
		for _, f := range fs {
			if f.Kind == detection.Deleted {
				in.alertDirectly(ctx, f, now)
				keepAlive()
			}
		}
		return fmt.Errorf("record what was done to flow logs in %s: %w", in.store.scope, err)
	}
	return nil
}

// namedAtOnce is how many flow logs one commit of a message may name: as many as one call to AWS
// may name. A single record may have more.
const namedAtOnce = 1000

// together is how many of the findings are written in one transaction.
func together(fs []detection.Finding) (n int) {
	named := 0
	for n < len(fs) {
		named += max(1, len(fs[n].Deleted)+len(fs[n].Failed))
		if n > 0 && named > namedAtOnce {
			break
		}
		n++
	}
	return n
}

func (in intake) commitTogether(ctx context.Context, fs []detection.Finding, now time.Time) error {
	var deletions []time.Time // of those that are new
	err := in.store.at(now).update(ctx, func(tx scopeTx) error {
		deletions = nil
		for _, f := range fs {
			isNew, err := in.applyFinding(tx, f)
			if err != nil {
				return err
			}
			if isNew {
				deletions = append(deletions, f.Record.EventTime)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range fs {
		if f.Kind == detection.TornDown {
			in.memory.noteTornDown(f.Record.VPC, now)
		}
	}
	if in.meter == nil {
		return nil
	}
	for _, at := range deletions {
		if !at.IsZero() {
			in.meter.DeletionRecorded(in.store.now().Sub(at))
		}
	}
	return nil
}

// applyFinding writes what one finding asks for. isNew: it is a deletion that was not recorded before.
func (in intake) applyFinding(tx scopeTx, f detection.Finding) (isNew bool, err error) {
	switch f.Kind {
	case detection.Deleted:
		return recordDeletion(tx, f)
	case detection.Attempted:
		return false, recordAttempt(tx, f)
	case detection.Created:
		_, err = repeat.RecordCall(tx, f, len(f.Record.CreatedIDs), tx.now)
		return false, err
	case detection.TornDown:
		vpc := f.Record.VPC
		return false, tx.changeCase(incident.Selection{Resources: []string{vpc}}, func(c *incident.Case) error { c.TornDown(vpc); return nil })
	case detection.Rehearsed, detection.Tampered: // RecordFindings passes these to Rehearsals and Tampering
	}
	return false, fmt.Errorf("findings of the kind %q are not applied", f.Kind)
}
