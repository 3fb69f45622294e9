package remediate

import (
	"context"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// scopeStore runs the transactions of one scope.
type scopeStore struct {
	store      Store
	scope      inventory.Scope
	configured bool // there is a client of the scope
	policy     incident.Policy
	startedAt  time.Time // when this process began to work on the scope
	now        func() time.Time
	random     func() [32]byte
	senders    Senders
}

// scopeTx is one transaction about one scope. Its methods load and save cases (case.go), and
// add the alerts that events owe (event_alerts.go).
type scopeTx struct {
	Tx
	scope      inventory.Scope
	configured bool
	policy     incident.Policy
	startedAt  time.Time
	now        time.Time // as of which all is decided
	random     func() [32]byte
	events     map[string]incident.Event // that it has read or written, by ID
}

// update runs fn in a transaction that may change what is stored: see Store.
func (s scopeStore) update(ctx context.Context, fn func(scopeTx) error) error {
	defer s.senders.Wake() // also after an error: a commit that failed may be on disk all the same
	return s.store.Update(ctx, func(tx Tx) error { return fn(s.in(tx)) })
}

// view runs fn in a transaction that only reads.
func (s scopeStore) view(ctx context.Context, fn func(scopeTx) error) error {
	return s.store.View(ctx, func(tx Tx) error { return fn(s.in(tx)) })
}

// read returns what fn reads in a transaction that only reads.
func read[T any](ctx context.Context, s scopeStore, fn func(scopeTx) (T, error)) (v T, err error) {
	err = s.view(ctx, func(tx scopeTx) (err error) { v, err = fn(tx); return err })
	return v, err
}

func (s scopeStore) in(tx Tx) scopeTx {
	return scopeTx{Tx: tx, scope: s.scope, configured: s.configured, policy: s.policy, startedAt: s.startedAt, now: s.now(), random: s.random, events: map[string]incident.Event{}}
}

// event finds an event of the scope.
func (tx scopeTx) event(id string) (incident.Event, bool, error) {
	if e, ok := tx.events[id]; ok {
		return e, true, nil
	}
	e, ok, err := tx.Event(tx.scope, id)
	if ok && err == nil {
		tx.events[id] = e
	}
	return e, ok, err
}

// PutEvent implements [Tx].
func (tx scopeTx) PutEvent(e incident.Event) error {
	tx.events[e.ID] = e
	return tx.Tx.PutEvent(e)
}

// at is a store whose transactions decide as of a time.
func (s scopeStore) at(now time.Time) scopeStore {
	s.now = func() time.Time { return now }
	return s
}
