package store

import (
	"context"

	"flowkeeper/remediate"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
)

// Tx is one transaction, read or write. Each of its parts knows one table, or a few that
// belong together; each package that asks anything declares the methods that it calls.
type Tx struct {
	*tx
	alerts
	campaigns
	cases
	dependencies
	destinations
	events
	facts
	flowLogs
	incidents
	rehearsals
	repeats
}

// The parts of a transaction.
type (
	alerts       struct{ *tx }
	campaigns    struct{ *tx }
	cases        struct{ *tx }
	dependencies struct{ *tx }
	destinations struct{ *tx }
	events       struct{ *tx }
	facts        struct{ *tx }
	flowLogs     struct{ *tx }
	incidents    struct{ *tx }
	rehearsals   struct{ *tx }
	repeats      struct{ *tx }
)

func whole(t *tx) *Tx {
	return &Tx{t, alerts{t}, campaigns{t}, cases{t}, dependencies{t}, destinations{t}, events{t}, facts{t}, flowLogs{t}, incidents{t}, rehearsals{t}, repeats{t}}
}

// room is the file as a package sees it that asks for a few things of it, T, in
// transactions of its own.
type room[T any] struct {
	s  *Store
	of func(*Tx) T
}

func (r room[T]) Update(ctx context.Context, fn func(T) error) error {
	return r.s.write(ctx, func(t *Tx) error { return fn(r.of(t)) })
}

func (r room[T]) View(ctx context.Context, fn func(T) error) error {
	return r.s.read(ctx, func(t *Tx) error { return fn(r.of(t)) })
}

// Update runs fn in a transaction and returns once it is on disk. Callers that
// come together share one commit; each one's failure is its own. Whoever comes first
// commits for those who wait, once, and hands that over to the first of those who
// have come meanwhile.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	return s.write(ctx, fn)
}

// View runs fn on one consistent state, reading only.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	return s.read(ctx, fn)
}

// Remediation is the file as remediation sees it.
func (s *Store) Remediation() remediate.Store {
	return room[remediate.Tx]{s, func(t *Tx) remediate.Tx { return t }}
}

// News is the file as the news of the snapshot see it.
func (s *Store) News() remediate.NewsStore {
	return room[remediate.NewsTx]{s, func(t *Tx) remediate.NewsTx { return t }}
}

// Rehearsals is the file as rehearsals see it.
func (s *Store) Rehearsals() rehearse.Store {
	return room[rehearse.Tx]{s, func(t *Tx) rehearse.Tx { return t }}
}

// Tampering is the file as package tamper sees it.
func (s *Store) Tampering() tamper.Store {
	return room[tamper.Tx]{s, func(t *Tx) tamper.Tx { return t }}
}
