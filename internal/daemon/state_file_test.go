package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
)

// TestDroppedAlertsAreLoggedOnce, and again when there are more, a day later.
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
			t.Errorf("%d dropped after %s: %d said, want %d", c.all, c.after, got, c.want)
		}
	}
}

// TestTheStateFileIsDeleted: if an attacker deletes the file, nothing is lost. The daemon
// writes it back and ends; the next daemon has all that was in it.
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
	h.again()
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

// TestSecondDaemon on one state file is refused, before it touches anything.
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
	if n := h.on(region, "vpc-1"); n != 0 {
		t.Error("restored what was released")
	}
}
