package store

import (
	"context"

	"flowkeeper/remediate/rehearse"
)

// Rehearsals is the file as rehearsals see it.
func (s *Store) Rehearsals() rehearse.Store { return rehearsals{s} }

type rehearsals struct{ s *Store }

func (r rehearsals) Update(ctx context.Context, fn func(rehearse.Tx) error) error {
	return r.s.write(ctx, func(t *tx) error { return fn(t) })
}

func (r rehearsals) View(ctx context.Context, fn func(rehearse.Tx) error) error {
	return r.s.read(ctx, func(t *tx) error { return fn(t) })
}
