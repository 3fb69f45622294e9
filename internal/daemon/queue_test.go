package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"flowkeeper/configs"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// TestTryStore: once the file can be written, the messages that waited for it are
// shown, and not one whose own commit fails; where it takes only little, once a
// minute.
func TestTryStore(t *testing.T) {
	t.Parallel()
	broken := &brokenStore{Store: noStore{}}
	q := &queueState{log: slog.New(slog.DiscardHandler), commits: broken, showAgain: make(chan struct{}, 1), answered: true}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	noRoom := fmt.Errorf("write: %w", syscall.ENOSPC)
	for _, step := range []struct {
		what         string
		after        time.Duration
		fails        error
		full         bool
		ready, shown bool
	}{
		{what: "nothing failed", ready: true},
		{what: "no room", fails: noRoom, full: true},
		{what: "no room yet", after: time.Second, full: true},
		{what: "room", after: time.Second, ready: true, shown: true},
		{what: "no second time for one failure", after: time.Hour, ready: true},
		{what: "one message's own failure", fails: errors.New("constraint failed"), ready: true},
		{what: "room for little", fails: noRoom, ready: true, shown: true},
		{what: "still", after: time.Second, fails: noRoom, ready: true},
		{what: "too soon", after: showAgainAfter - 2*time.Second, ready: true},
		{what: "a minute later", after: time.Second, ready: true, shown: true},
	} {
		now = now.Add(step.after)
		broken.full(step.full)
		if step.fails != nil {
			q.storeFailed(step.fails)
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
