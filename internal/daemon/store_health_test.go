package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"flowkeeper/alert"
)

// TestStoreHealth: once the file can be written, the messages that waited for it are received
// again at once, but not a message whose own commit fails. If the file has room for little
// only, that happens once a minute.
func TestStoreHealth(t *testing.T) {
	t.Parallel()
	full := false
	commit := func(context.Context) error {
		if full {
			return syscall.ENOSPC
		}
		return nil
	}
	h := &storeHealth{log: slog.New(slog.DiscardHandler), commit: commit, showAgain: make(chan struct{}, 1)}
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
		{what: "too soon", after: showAgainPause - 2*time.Second, ready: true},
		{what: "a minute later", after: time.Second, ready: true, shown: true},
	} {
		now = now.Add(step.after)
		full = step.full
		if step.fails != nil {
			h.failed(step.fails)
		}
		h.retry(t.Context(), now)
		shown := len(h.showAgain) == 1
		for len(h.showAgain) > 0 {
			<-h.showAgain
		}
		if ready := h.ready() == nil; ready != step.ready || shown != step.shown {
			t.Errorf("%s: ready %v, shown %v", step.what, ready, shown)
		}
	}
}

// TestI1FullStore: a deletion that can't be stored is alerted, and its message stays in the
// queue until it can be stored.
func TestI1FullStore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Queue.VisibilityTimeout = time.Second
	id := h.plant(region, "vpc-1")
	h.broken = &brokenStore{}
	h.refreshed()
	h.await("readiness", func() bool { return h.daemon.health().ready() == nil })
	h.broken.full(true)
	h.strike(id)
	h.await("the alert, past the store", func() bool { return len(h.pager.of(alert.Deletion)) > 0 })
	if n := h.world.Deleted(h.queue); n != 0 {
		t.Errorf("%d messages acknowledged that are not stored", n)
	}
	if err := h.daemon.health().ready(); !errors.Is(err, errNotStored) {
		t.Errorf("ready: %v", err)
	}
	h.broken.full(false)
	h.awaitBack(region, "vpc-1")
	h.await("the message to be acknowledged", func() bool { return h.world.Deleted(h.queue) > 0 })
}
