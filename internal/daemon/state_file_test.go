package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
)

// TestDroppedAlertsAreLoggedOnce: dropped alerts are logged when the first one is dropped, and then once a day if
// there are more.
func TestDroppedAlertsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var n droppedNotice
	for _, c := range []struct {
		after time.Duration
		all   int64
		want  int64
	}{{0, 0, 0}, {0, 5, 5}, {time.Second, 9, 0}, {23 * time.Hour, 90, 0}, {24 * time.Hour, 100, 95}, {72 * time.Hour, 100, 0}} {
		if got := n.due(c.all, at.Add(c.after)); got != c.want {
			t.Errorf("%d dropped after %s: %d are logged, want %d", c.all, c.after, got, c.want)
		}
	}
}

// TestTheStateFileIsDeleted: if an attacker deletes the state file, nothing is lost. The daemon
// writes the file back and ends, and the next daemon finds everything in it.
func TestTheStateFileIsDeleted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(h.daemon.Config.State.Path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.end(); !errors.Is(err, store.ErrTaken) {
		t.Fatalf("ended with %v", err)
	}
	h.strike(id)
	h.restart()
	h.awaitBack(region, "vpc-1")
	h.await("the alerts", func() bool {
		deletions, byMallory := h.pager.of(alert.Deletion), 0
		for _, a := range deletions {
			if a.Actor != nil {
				byMallory++
			}
		}
		early := len(deletions) - byMallory // the first refresh may have found the loss before the event came
		return byMallory == 1 && early <= 1 && len(h.pager.of(alert.Pipeline)) > 0
	})
}

// TestSecondDaemon: a second daemon on the same state file ends with an error that names the file.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	second := &Daemon{Config: h.daemon.Config, Log: h.daemon.Log, AWS: h.daemon.AWS}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "state.db") {
		t.Errorf("%v", err)
	}
}

// TestReleaseIsNoticed: a release by a command of another process takes effect at once.
func TestReleaseIsNoticed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.release(time.Now().Add(time.Hour))
	h.strike(id)
	h.await("the closing alert", func() bool { return len(h.pager.of(alert.Closed)) == 1 })
	if n := h.countOn(region, "vpc-1"); n != 0 {
		t.Error("a released flow log is restored")
	}
}

// TestStoreHealth: the daemon is not ready while the disk is full. Once a commit succeeds, messages that could not be
// stored become visible in the queue at once. This happens once a minute at most, because on a nearly full disk small
// commits may succeed while those of messages fail. After a failure that only one message has, no message is shown
// again.
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
		{what: "nothing new failed", after: time.Hour, ready: true},
		{what: "a failure of one message", fails: errors.New("constraint failed"), ready: true},
		{what: "room for little", fails: noRoom, ready: true, shown: true},
		{what: "room for little, a second later", after: time.Second, fails: noRoom, ready: true},
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
			t.Errorf("%s: ready %v, want %v; messages shown again %v, want %v", step.what, ready, step.ready, shown, step.shown)
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
	h.broken.setFull(true)
	h.strike(id)
	h.await("the alert, sent without the store", func() bool { return len(h.pager.of(alert.Deletion)) > 0 })
	if n := h.world.Deleted(h.queue); n != 0 {
		t.Errorf("%d messages acknowledged that are not stored", n)
	}
	if err := h.daemon.health().ready(); !errors.Is(err, errNotStored) {
		t.Errorf("ready: %v", err)
	}
	h.broken.setFull(false)
	h.awaitBack(region, "vpc-1")
	h.await("the message to be acknowledged", func() bool { return h.world.Deleted(h.queue) > 0 })
}
