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
	accounts
	alerts
	approvals
	campaigns
	cases
	dependencies
	destinations
	droppable
	events
	facts
	flowLogs
	incidents
	rehearsals
	repeats
}

// whole is a transaction with all of its parts.
func whole(t *tx) *Tx {
	return &Tx{t, accounts{t}, alerts{t}, approvals{t}, campaigns{t}, cases{t}, dependencies{t}, destinations{t}, droppable{t}, events{t}, facts{t}, flowLogs{t}, incidents{t}, rehearsals{t}, repeats{t}}
}

// room is the file as a package sees it that asks for a few things of it, T, in
// transactions of its own.
type room[T any] struct {
	f  *file
	of func(*Tx) T
}

func (r room[T]) Update(ctx context.Context, fn func(T) error) error {
	return r.f.Update(ctx, func(t *Tx) error { return fn(r.of(t)) })
}

func (r room[T]) View(ctx context.Context, fn func(T) error) error {
	return r.f.View(ctx, func(t *Tx) error { return fn(r.of(t)) })
}

// Remediation is the file as remediation sees it.
func (s *Store) Remediation() remediate.Store {
	return room[remediate.Tx]{s.file, func(t *Tx) remediate.Tx { return t }}
}

// News is the file as the news of the snapshot see it.
func (s *Store) News() remediate.NewsStore {
	return room[remediate.NewsTx]{s.file, func(t *Tx) remediate.NewsTx { return t }}
}

// Rehearsals is the file as rehearsals see it.
func (s *Store) Rehearsals() rehearse.Store {
	return room[rehearse.Tx]{s.file, func(t *Tx) rehearse.Tx { return t }}
}

// Pipelines is the file as the health of the pipelines sees it.
func (s *Store) Pipelines() rehearse.PipelineStore {
	return room[rehearse.PipelineTx]{s.file, func(t *Tx) rehearse.PipelineTx { return t }}
}

// Tampering is the file as package tamper sees it.
func (s *Store) Tampering() tamper.Store {
	return room[tamper.Tx]{s.file, func(t *Tx) tamper.Tx { return t }}
}
