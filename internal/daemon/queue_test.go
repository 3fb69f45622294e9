package daemon

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// TestTryStore: the first commit that succeeds again has the messages shown, but
// one whose own commit alone fails can't have itself shown in a hurry.
func TestTryStore(t *testing.T) {
	t.Parallel()
	broken := &brokenStore{Store: noStore{}}
	q := &queueState{log: slog.New(slog.DiscardHandler), commits: broken, showAgain: make(chan struct{}, 1), answered: true}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		what         string
		after        time.Duration
		fails, full  bool
		ready, shown bool
	}{
		{what: "nothing failed", ready: true},
		{what: "no room yet", fails: true, full: true},
		{what: "room", after: time.Second, ready: true, shown: true},
		{what: "no second time for one failure", after: time.Hour, ready: true},
		{what: "another failure", after: time.Second, fails: true, ready: true, shown: true},
		{what: "too soon again", after: showAgainAfter - 1, fails: true, ready: true},
		{what: "a minute later", after: showAgainAfter, fails: true, ready: true, shown: true},
	} {
		now = now.Add(step.after)
		broken.full(step.full)
		if step.fails {
			q.storeFailed()
		}
		q.tryStore(t.Context(), now)
		shown := len(q.showAgain) == 1
		for len(q.showAgain) > 0 {
			<-q.showAgain
		}
		if ready := q.ready() == nil; ready != step.ready || shown != step.shown {
			t.Errorf("%s: ready %v, shown %v", step.what, ready, shown)
		}
	}
}

// noStore commits nothing, with success.
type noStore struct{ remediate.Store }

func (noStore) Update(_ context.Context, fn func(remediate.Tx) error) error { return fn(noTx{}) }

type noTx struct{ remediate.Tx }

func (noTx) SetTrouble(inventory.Scope, remediate.Part, bool) error { return nil }
