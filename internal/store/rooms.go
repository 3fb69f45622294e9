package store

import (
	"context"

	"flowkeeper/remediate"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
)

// room is the file as a package sees it that asks for a few things of it, T, in
// transactions of its own.
type room[T any] struct {
	s  *Store
	of func(*tx) T
}

func (r room[T]) Update(ctx context.Context, fn func(T) error) error {
	return r.s.write(ctx, func(t *tx) error { return fn(r.of(t)) })
}

func (r room[T]) View(ctx context.Context, fn func(T) error) error {
	return r.s.read(ctx, func(t *tx) error { return fn(r.of(t)) })
}

// Remediation is the file as remediation sees it.
func (s *Store) Remediation() remediate.Store {
	return room[remediate.Tx]{s, func(t *tx) remediate.Tx { return t }}
}

// News is the file as the news of the snapshot see it.
func (s *Store) News() remediate.NewsStore {
	return room[remediate.NewsTx]{s, func(t *tx) remediate.NewsTx { return t }}
}

// Rehearsals is the file as rehearsals see it.
func (s *Store) Rehearsals() rehearse.Store {
	return room[rehearse.Tx]{s, func(t *tx) rehearse.Tx { return t }}
}

// Tampering is the file as package tamper sees it.
func (s *Store) Tampering() tamper.Store {
	return room[tamper.Tx]{s, func(t *tx) tamper.Tx { return t }}
}
