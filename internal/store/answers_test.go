package store

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/tamper"
)

// TestI7AnEndComesBeforeTheNextOutage: the pager has not taken the end of a first outage yet when a second outage
// begins. The end must be sent before the alert of the second outage. Otherwise it resolves the pager incident of the
// second.
func TestI7AnEndComesBeforeTheNextOutage(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	add := func(id string, level alert.Level) {
		*now = now.Add(time.Minute)
		addAlert(t, s, id, "pipeline queue", *now, alert.Pipeline, level)
	}
	add("trouble-1", alert.High)
	s.sent(t, "pager", "trouble-1", *now)
	add("end-1", alert.Informational)
	if err := s.Failed(t.Context(), "pager", "end-1", sink.Failure{Attempts: 10, NextAt: now.Add(15 * time.Minute), Cause: "503"}); err != nil { // set aside
		t.Fatal(err)
	}
	add("trouble-2", alert.High)
	if nextID(t, s, "pager", *now) == "trouble-2" {
		t.Error("trouble-2 is sent before end-1, which then resolves it")
	}
}

// TestRetryOfWhatHasEnded: if `alerts retry` sends a parked alert that opens a pager incident, the alert that resolves
// this incident is sent again, although the sink has taken it before.
func TestRetryOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.park(t, "event", "pager")
	addAll(t, s, *now, alert.Alert{ID: "end", DedupKey: "event", Kind: alert.Closed})
	s.sent(t, "pager", "end", *now)
	if _, err := s.Retry(t.Context(), "event"); err != nil {
		t.Fatal(err)
	}
	s.sent(t, "pager", "event", *now)
	if id := nextID(t, s, "pager", now.Add(alert.MinRing)); id != "end" {
		t.Errorf("next is %s: the pager stays open for ever", id)
	}
}

// TestDependsIsFilledByTheMigration: the migration fills the table depends from the snapshot. Otherwise there would be
// no alert of tampering until the next refresh.
func TestDependsIsFilledByTheMigration(t *testing.T) {
	t.Parallel()
	path := older(t, 4, inventory.Row{FlowLog: flowLog("fl-1"), RootID: "fl-1", State: inventory.Live, Protected: true})
	err := open(t, path).Tampering().View(t.Context(), func(tx tamper.Tx) error {
		key := delivery.KeyOf("arn:aws:s3:::bucket")
		all, err := tx.Usages(key, key)
		if len(all) != 1 {
			t.Errorf("%+v", all)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addAlert adds an alert whose title is its ID.
func addAlert(t *testing.T, s *Store, id, key string, at time.Time, k alert.Kind, l alert.Level) {
	t.Helper()
	addAll(t, s, at, alert.Alert{ID: id, Title: id, DedupKey: key, Kind: k, Level: l})
}

// nextID returns the ID of the most urgent alert for a sink, or "none until" and in how long an alert is due.
func nextID(t *testing.T, s *Store, name string, at time.Time) string {
	t.Helper()
	return nextBy(t, s, name, sink.Choice{Now: at})
}

// nextBy is nextID for a given choice.
func nextBy(t *testing.T, s *Store, name string, choice sink.Choice) string {
	t.Helper()
	d, ok, err := s.Next(t.Context(), name, choice)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return "none until " + d.NextAt.Sub(choice.Now).String()
	}
	return d.Alert.ID
}

// TestI7TheSecondOutageOfADay: the other sinks get an alert of the second outage of a sink on a day, too, although
// there is at most one alert for each outage. So chat gets three: the outage, its end, and the second outage.
func TestI7TheSecondOutageOfADay(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAlert(t, s, "a", "a", *now, alert.Deletion, alert.High)
	s.Failed(t.Context(), "pager", "a", sink.Failure{Attempts: 10, NextAt: *now, Cause: "down", NotifyOthers: true})
	s.Sent(t.Context(), "pager", "a", *now)
	*now = now.Add(3 * time.Hour)
	addAlert(t, s, "b", "b", *now, alert.Deletion, alert.Critical)
	s.Failed(t.Context(), "pager", "b", sink.Failure{Attempts: 10, NextAt: *now, Cause: "down", NotifyOthers: true})
	var got []string
	for _, d := range s.pipelineDeliveries(t) {
		if d.Sink == "chat" {
			got = append(got, d.Alert.Title)
		}
	}
	if len(got) != 3 {
		t.Errorf("chat gets %q, want three alerts", got)
	}
}

// TestI7AStillRefusedAlertEndsNothing: while a sink still refuses an alert, taking another one does not end its outage.
// The end of the outage is alerted once the sink has taken the refused alert.
func TestI7AStillRefusedAlertEndsNothing(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	ends := func() (n int) {
		for _, d := range s.pipelineDeliveries(t) {
			if d.Sink == "chat" && strings.Contains(d.Alert.Title, "again") {
				n++
			}
		}
		return n
	}
	addAlert(t, s, "a", "a", *now, alert.Deletion, alert.Critical)
	s.Failed(t.Context(), "pager", "a", sink.Failure{Attempts: 3, NextAt: now.Add(time.Second), Cause: "400", NotifyOthers: true})
	addAlert(t, s, "b", "b", *now, alert.Deletion, alert.High)
	s.Sent(t.Context(), "pager", "b", *now)
	if n := ends(); n != 0 {
		t.Errorf("%d alerts of the end while the pager refuses a, want none", n)
	}
	s.Sent(t.Context(), "pager", "a", *now)
	if n := ends(); n != 1 {
		t.Errorf("%d alerts of the end after the pager has taken a, want one", n)
	}
}

// TestRetryResolvesNoLaterOutage: a retry of the alert of an outage that is over sends its end again, too. That must
// not resolve the pager incident of a later outage, which is not over: all of them have one dedup key.
func TestRetryResolvesNoLaterOutage(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAlert(t, s, "t1", "q", noon, alert.Pipeline, alert.High)
	s.giveUp(t, "t1", "pager")
	for _, x := range []struct {
		id string
		l  alert.Level
	}{{"end1", alert.Informational}, {"t2", alert.High}} {
		addAlert(t, s, x.id, "q", *now, alert.Pipeline, x.l)
		s.Sent(t.Context(), "pager", x.id, *now)
	}
	*now = now.Add(time.Hour)
	s.Retry(t.Context(), "t1")
	var got []string
	for at := *now; ; at = at.Add(6 * time.Minute) {
		id := nextID(t, s, "pager", at)
		if strings.HasPrefix(id, "none") {
			break
		}
		got = append(got, id)
		s.Sent(t.Context(), "pager", id, at)
	}
	if got[len(got)-1] == "end1" {
		t.Errorf("sent %q: end1 comes last and resolves the pager incident, but the outage t2 goes on", got)
	}
}

// TestI7BlockedWaitsForNoAnswer: a sink refuses the alert of a deletion, so the alert that answers it (restored) waits.
// A critical alert of the same event (blocked) must not wait for either.
func TestI7BlockedWaitsForNoAnswer(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAlert(t, s, "deletion", "e", *now, alert.Deletion, alert.High)
	s.Failed(t.Context(), "chat", "deletion", sink.Failure{Attempts: 30, NextAt: now.Add(10 * time.Minute), Cause: "WAF 403"})
	addAlert(t, s, "restored", "e", *now, alert.Restored, alert.Low)
	addAlert(t, s, "blocked", "e", *now, alert.Blocked, alert.Critical)
	if id := nextID(t, s, "chat", *now); id != "blocked" {
		t.Errorf("next is %s: blocked (critical) waits for restored, which waits for the refused deletion", id)
	}
}

// TestRetryOfWhatWasParkedWithItsEnd: a sink has given up both an alert and the alert that resolves it. A retry of the
// first sends both, or the pager incident would stay open.
func TestRetryOfWhatWasParkedWithItsEnd(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.park(t, "event", "pager")
	addAlert(t, s, "end", "event", noon, alert.Closed, alert.Informational)
	s.giveUp(t, "end", "pager")
	s.Retry(t.Context(), "event")
	s.Sent(t.Context(), "pager", "event", *now)
	if id := nextID(t, s, "pager", now.Add(alert.MinRing)); id != "end" {
		t.Errorf("next is %s: the pager incident stays open", id)
	}
}
