package daemon

import (
	"database/sql"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/internal/pipeline"
)

// fullDisk makes each commit of an alert or a fact fail until undo is called.
func (h *house) fullDisk() (undo func()) {
	h.t.Helper()
	h.sql(`CREATE TRIGGER full1 BEFORE INSERT ON alerts BEGIN SELECT RAISE(ABORT, 'disk full'); END; CREATE TRIGGER full2 BEFORE INSERT ON facts BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
	return func() { h.sql(`DROP TRIGGER full1; DROP TRIGGER full2`) }
}

func (h *house) sql(q string) {
	h.t.Helper()
	db, err := sql.Open("sqlite", h.daemon.Config.State.Path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(q); err != nil {
		h.t.Fatal(err)
	}
}

// The daemon dies after it has stored the alert of an outage, and before it has noted that
// there was one. The end of the outage must still be alerted.
func TestOutageAlertAndItsNoteInOneCommit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	h.sql(`CREATE TRIGGER dies BEFORE INSERT ON facts WHEN NEW.name LIKE 'trouble%' BEGIN SELECT RAISE(ABORT, 'dead'); END`)
	o := pipeline.New(outbox{h.daemon}, home, alert.PartBackup, "it works")
	o.Alert(t.Context(), "it fails")
	h.sql(`DROP TRIGGER dies`)
	o.End(t.Context())
	h.await("the outage and its end", func() bool {
		all := h.pager.of(alert.Pipeline)
		return len(all) == 2 && !all[0].Resolves() && all[1].Resolves()
	})
}

// With a full disk the end of an outage is alerted once, not with every receive.
func TestEndOfAnOutageOnAFullDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	o := h.daemon.newOutage(alert.PartBackup, "it works again")
	o.Alert(t.Context(), "it fails")
	undo := h.fullDisk()
	for range 4 { // queueState.Received calls End after every receive
		o.End(t.Context())
	}
	ends := 0
	for _, a := range h.pager.of(alert.Pipeline) {
		if a.Resolves() {
			ends++
		}
	}
	undo()
	if ends > 0 {
		t.Errorf("%d alerts of the end were sent before it could be stored, want 0", ends)
	}
	o.End(t.Context())
	h.await("the end", func() bool {
		all := h.pager.of(alert.Pipeline)
		return len(all) == 2 && all[1].Resolves()
	})
}

// The first GetQueueAttributes call is throttled. The daemon asks again before it judges and
// acknowledges messages, not ten minutes later.
func TestTamperingWhileTheQueueIsNotKnown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.nameRuleInQueuePolicy()
	h.world.Fail("GetQueueAttributes", 1, "ThrottlingException", 400)
	h.sendRecord(account, "events", "DisableRule", `{"name":"flowkeeper"}`)
	h.refreshed()
	h.await("the message to be acknowledged", func() bool { return h.world.Deleted(h.queue) == 1 })
	h.await("the alert", func() bool { return len(h.pager.of(alert.Tamper)) == 1 })
}

// The alert that an outage has ended can't be stored, because the disk is full. The next outage must be alerted all the
// same.
func TestASecondOutageBeforeTheEndOfTheFirstIsStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	o := h.daemon.newOutage(alert.PartBackup, "it works again")
	o.Alert(t.Context(), "it fails")
	undo := h.fullDisk()
	o.End(t.Context())
	o.Alert(t.Context(), "it fails again")
	o.Alert(t.Context(), "it fails again")
	undo()
	o.End(t.Context())
	h.await("both outages, and one end", func() bool {
		fails, ends := 0, 0
		for _, a := range h.pager.of(alert.Pipeline) {
			if a.Resolves() {
				ends++
			} else {
				fails++
			}
		}
		return fails == 2 && ends == 1
	})
}
