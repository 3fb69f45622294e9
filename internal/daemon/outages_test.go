package daemon

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// fullDisk has each commit of an alert or a fact fail until undo is called.
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
	o := h.daemon.newOutage(home, notify.Copying, "it works")
	o.alert(t.Context(), "it fails")
	h.sql(`DROP TRIGGER dies`)
	o.end(t.Context())
	h.await("the outage and its end", func() bool {
		all := h.pager.of(alert.Pipeline)
		return len(all) == 2 && !all[0].Resolves() && all[1].Resolves()
	})
}

// The alert of an outage says what to do, and names the page that explains it.
func TestAdviceOfAnOutage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/troubleshoot.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []notify.Part{notify.Receiving, notify.Refreshing, notify.Reaching, notify.Copying, stateFile} {
		a := outageAlert(inventory.Scope{}, p, alert.High, "it fails: AWS said no")
		_, anchor, _ := strings.Cut(a.Advice, "docs/troubleshoot.md#")
		anchor, _, _ = strings.Cut(anchor, ")")
		if !strings.Contains(a.Advice, "`flowkeeper doctor`") || anchor == "" || !strings.Contains(string(page), "\n## "+anchor+"\n") {
			t.Errorf("%s: %q", p, a.Advice)
		}
		if a := outageAlert(inventory.Scope{}, p, alert.Informational, "it works"); a.Advice != "" {
			t.Errorf("%s is over, and still: %s", p, a.Advice)
		}
	}
}

// The alert about an account says what to do, and names the page that explains it.
func TestAdviceAboutAccounts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/troubleshoot.md")
	if err != nil {
		t.Fatal(err)
	}
	for part, anchor := range map[notify.Part]string{
		listing: "accounts-unlisted", departed: "account-departed", departed + " 12 medium": "account-departed",
		reachingAccount: "account-refused", reachingAccount + " medium": "account-refused",
	} {
		a := outageAlert(inventory.Scope{}, part, alert.Medium, "it fails")
		if !strings.Contains(a.Advice, "(docs/troubleshoot.md#"+anchor+")") || !strings.Contains(string(page), "\n## "+anchor+"\n") {
			t.Errorf("%s: %q", part, a.Advice)
		}
	}
}

// TestAMediumOutage goes to the sinks of its level, and so does its end.
func TestAMediumOutage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	o := newGraded(h.daemon, home, departed, "it is back")
	o.alertOnce(t.Context(), false, "it is away")
	o.alertOnce(t.Context(), true, "it is away")
	newGraded(h.daemon, home, departed, "it is back").alertOnce(t.Context(), true, "the next daemon says so, too")
	o.end(t.Context())
	h.await("both", func() bool { return len(h.pager.of(alert.Pipeline)) == 2 })
	a := h.pager.of(alert.Pipeline)
	if a[0].Level != alert.Medium || !a[1].Resolves() || a[0].DedupKey != a[1].DedupKey {
		t.Errorf("%+v", a)
	}
	for _, o := range []*pipelineOutage{o.high, o.medium} {
		if begins, ends := outageAlert(home, o.part, o.level, "it is away"), o.endAlert(); begins.RoutingLevel() != o.level || ends.RoutingLevel() != o.level {
			t.Errorf("%s: its alerts are routed as %s and %s", o.level, begins.RoutingLevel(), ends.RoutingLevel())
		}
	}
	newGraded(h.daemon, home, departed, "it is back").end(t.Context())
	o.alertOnce(t.Context(), true, "it is away again")
	h.await("the next", func() bool { return len(h.pager.of(alert.Pipeline)) == 3 })
	if a := h.pager.of(alert.Pipeline)[2]; a.Level != alert.High {
		t.Errorf("%+v", a)
	}
}

// With a full disk the end of an outage is alerted once, not with every receive.
func TestEndOfAnOutageOnAFullDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	o := h.daemon.newOutage(inventory.Scope{}, notify.Copying, "it works again")
	o.alert(t.Context(), "it fails")
	room := h.fullDisk()
	for range 4 { // as queueState.received does, with every receive
		o.end(t.Context())
	}
	ends := 0
	for _, a := range h.pager.of(alert.Pipeline) {
		if a.Resolves() {
			ends++
		}
	}
	room()
	if ends > 0 {
		t.Errorf("%d alerts of the end, and one more to come", ends)
	}
	o.end(t.Context())
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
	h.ruled()
	h.world.Fail("GetQueueAttributes", 1, "ThrottlingException", 400)
	h.sendRecord(account, "events", "DisableRule", `{"name":"flowkeeper"}`)
	h.refreshed()
	h.await("the message to be acknowledged", func() bool { return h.world.Deleted(h.queue) == 1 })
	h.await("the alert", func() bool { return len(h.pager.of(alert.Tamper)) == 1 })
}

// An outage is alerted though the alert of the end of the one before could not be stored yet.
func TestASecondOutageBeforeTheEndOfTheFirstIsStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	o := h.daemon.newOutage(inventory.Scope{}, notify.Copying, "it works again")
	o.alert(t.Context(), "it fails")
	room := h.fullDisk()
	o.end(t.Context())
	o.alert(t.Context(), "it fails again")
	o.alert(t.Context(), "it fails again")
	room()
	o.end(t.Context())
	h.await("both, and one end", func() bool {
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
