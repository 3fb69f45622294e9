package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
)

const copies = "copies"

// withCopies gives the house a bucket for copies of its state file.
func (h *house) withCopies() {
	h.world.AddBucket("999988887777", region, copies)
	h.daemon.Config.State.Path = filepath.Join(h.t.TempDir(), "flowkeeper", "state.db")
	h.daemon.Config.State.Backup = "s3://" + copies + "/flowkeeper"
}

func (h *house) latestCopy() string {
	b, _ := h.world.Object(copies, "flowkeeper/state.db.gz")
	return string(b)
}

// lose takes the machine away, with everything on it.
func (h *house) lose() {
	h.t.Helper()
	h.stop()
	if err := h.end(); err != nil {
		h.t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(h.daemon.Config.State.Path)); err != nil {
		h.t.Fatal(err)
	}
}

// TestMemorySurvivesTheMachine: a flow log that was deleted while there was no
// Flowkeeper comes back on another machine, from the copy of the state file.
func TestMemorySurvivesTheMachine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.await("a copy", func() bool { return h.latestCopy() != "" })
	h.lose() // what was written since the copy is in the one that is made at the end
	h.world.Remove(account, region, id)
	h.again()
	h.await("the flow log to be back", func() bool {
		logs := h.world.FlowLogs(account, region)
		return len(logs) == 1 && logs[0].ID != id && logs[0].Tags["Name"] == "vpc-1"
	})
	if !strings.Contains(h.log.String(), "the state file is back from its copy") {
		t.Error(h.log)
	}
}

// TestLeftoversOfAnotherFileAreNotTheCopys: only the state file is lost. What
// SQLite kept beside it, and beside a copy that was never finished, is there,
// and knows less than the copy.
func TestLeftoversOfAnotherFileAreNotTheCopys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	h.plant(region, "vpc-1")
	h.refreshed()
	path := h.daemon.Config.State.Path
	wal, err := os.ReadFile(path + "-wal")
	if err != nil || len(wal) == 0 {
		t.Fatalf("%d bytes, %v", len(wal), err)
	}
	id := h.plant(region, "vpc-2")
	h.await("it to be known", func() bool { _, ok, err := h.daemon.store.FindFlowLog(t.Context(), id); return ok && err == nil })
	h.lose()
	h.world.Remove(account, region, id)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path + "-wal", path + ".copy", path + ".copy-wal"} {
		if err := os.WriteFile(name, wal, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.again()
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-2") == 1 })
}

// TestACopyThatCannotBeReadIsLeftAlone: the daemon begins anew, says so, and
// does not write over what may be the only memory there is.
func TestACopyThatCannotBeReadIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.withCopies()
	h.plant(region, "vpc-1")
	h.refreshed()
	h.await("a copy", func() bool { return h.latestCopy() != "" })
	h.lose()
	before := h.latestCopy()
	h.world.Fail("GET", 1000, "AccessDenied", 403)
	h.again()
	h.await("people to be told", func() bool {
		for _, a := range h.pager.of(alert.Pipeline) {
			if strings.Contains(a.Cause, "its copy can't be read") {
				return true
			}
		}
		return false
	})
	h.await("a try to copy", func() bool { return strings.Contains(h.log.String(), "could not be copied") })
	if h.latestCopy() != before {
		t.Error("the old copy is overwritten")
	}
}

func TestWhenCopiesAreDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		saves saves
		due   bool
	}{
		"at the start":                 {saves{}, true},
		"nothing changed":              {saves{saved: ago(time.Hour)}, false},
		"a day without a change":       {saves{saved: ago(24 * time.Hour)}, true},
		"just changed":                 {saves{saved: ago(time.Hour), first: ago(time.Second), latest: ago(time.Second)}, false},
		"quiet again":                  {saves{saved: ago(time.Hour), first: ago(40 * time.Second), latest: ago(30 * time.Second)}, true},
		"change after change":          {saves{saved: ago(time.Hour), first: ago(5 * time.Minute), latest: now}, true},
		"the last one is a moment ago": {saves{saved: ago(50 * time.Second), first: ago(40 * time.Second), latest: ago(40 * time.Second)}, false},
		"failed a minute ago":          {saves{saved: ago(time.Minute), failed: 1}, false},
		"failed, and time has passed":  {saves{saved: ago(2 * time.Minute), failed: 1}, true},
		"failed for long":              {saves{saved: ago(16 * time.Minute), failed: 100}, true},
	} {
		if got := c.saves.due(now); got != c.due {
			t.Errorf("%s: due %v", name, got)
		}
	}
}
