package store

import (
	"context"

	"flowkeeper/remediate"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
)

// Tx is one transaction, read or write. Each of its parts knows one table, or a few that
// belong together, and calls no other part: what needs several is a method of Tx. Each package
// that uses transactions declares an interface of the methods that it calls. Here a call names the
// part, as in t.dependencies.fill(), if the name of the method alone would not say what it is about.
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
	naming
	rehearsals
	repeats
}

// whole is a transaction with all of its parts.
func whole(t *tx) *Tx {
	return &Tx{
		t, accounts{t}, alerts{t}, approvals{t}, campaigns{t}, cases{t}, dependencies{t}, destinations{t}, droppable{t},
		events{t}, facts{t}, flowLogs{t}, incidents{t}, naming{t}, rehearsals{t}, repeats{t},
	}
}

// storeFor is the file as one package uses it: with transactions of its own, of which it
// calls only the methods of T.
type storeFor[T any] struct {
	f  *file
	of func(*Tx) T
}

func (r storeFor[T]) Update(ctx context.Context, fn func(T) error) error {
	return r.f.Update(ctx, func(t *Tx) error { return fn(r.of(t)) })
}

func (r storeFor[T]) View(ctx context.Context, fn func(T) error) error {
	return r.f.View(ctx, func(t *Tx) error { return fn(r.of(t)) })
}

// Remediation is the file as package remediate uses it.
func (s *Store) Remediation() remediate.Store {
	return storeFor[remediate.Tx]{s.file, func(t *Tx) remediate.Tx { return t }}
}

// News is the file for alerts about what is new in the snapshot.
func (s *Store) News() remediate.NewsStore {
	return storeFor[remediate.NewsTx]{s.file, func(t *Tx) remediate.NewsTx { return t }}
}

// Rehearsals is the file as package rehearse uses it.
func (s *Store) Rehearsals() rehearse.Store {
	return storeFor[rehearse.Tx]{s.file, func(t *Tx) rehearse.Tx { return t }}
}

// Pipelines is the file for records of rehearsals that come back.
func (s *Store) Pipelines() rehearse.PipelineStore {
	return storeFor[rehearse.PipelineTx]{s.file, func(t *Tx) rehearse.PipelineTx { return t }}
}

// Tampering is the file as package tamper uses it.
func (s *Store) Tampering() tamper.Store {
	return storeFor[tamper.Tx]{s.file, func(t *Tx) tamper.Tx { return t }}
}
