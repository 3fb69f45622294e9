package remediate

import (
	"context"
	"errors"
	"fmt"

	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// notifier adds the alerts of one scope that follow from no message and no change of an
// incident: those that are due, and those of what the snapshot has learned (news.go).
type notifier struct {
	store scopeStore
	news  NewsStore
}

// notifyDue adds the alerts of all events that are due.
func (n notifier) notifyDue(ctx context.Context) error {
	events, err := read(ctx, n.store, func(tx scopeTx) ([]incident.Event, error) { return tx.DueEvents(tx.scope, tx.now) })
	if err != nil {
		return err
	}
	return n.notifyEvents(ctx, events)
}

// notifyEvents adds the alerts of events that are due, each event in a transaction of its own.
func (n notifier) notifyEvents(ctx context.Context, due []incident.Event) error {
	var errs []error
	for _, e := range due {
		errs = append(errs, n.store.update(ctx, func(tx scopeTx) error { return tx.notifyDueEvent(e.ID) }))
	}
	return errors.Join(errs...)
}

// endBursts ends the windows of bursts that are over, with the alerts that sum these up.
func (n notifier) endBursts(ctx context.Context, due []repeat.Burst) error {
	for _, b := range due {
		if err := n.store.update(ctx, func(tx scopeTx) error { return repeat.EndWindow(tx, b.Key, tx.now) }); err != nil {
			return fmt.Errorf("alert of what was repeated: %w", err)
		}
	}
	return nil
}
