package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/repeat"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	to := func(id, destination string) inventory.FlowLog {
		f := flowLog(id)
		f.LogDestination = "arn:aws:s3:::" + destination
		return f
	}
	s.learnAt(t, noon, to("fl-1", "good"), to("fl-2", "good"), to("fl-3", "bad"), to("fl-4", "new"), to("fl-5", "good"), to("fl-6", "good"),
		to("fl-8", "good"), to("fl-9", "bad"), to("fl-10", "good"))
	s.put(t, func(tx *Tx) error {
		gone, decoy, imported := s.row(t, "fl-5"), s.row(t, "fl-6"), s.row(t, "fl-6")
		gone.State, decoy.Protected = inventory.Gone, false
		imported.ID, imported.Imported = "fl-7", true
		released, too, over := s.row(t, "fl-8"), s.row(t, "fl-9"), s.row(t, "fl-10")
		released.ReleasedUntil, too.ReleasedUntil, over.ReleasedUntil = noon.Add(time.Hour), noon.Add(2*time.Hour), noon
		decoy.ReleasedUntil, gone.ReleasedUntil = noon.Add(9*time.Hour), noon.Add(9*time.Hour)
		return errors.Join(tx.PutFlowLog(released), tx.PutFlowLog(too), tx.PutFlowLog(over), tx.PutFlowLog(gone), tx.PutFlowLog(decoy), tx.PutFlowLog(imported),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-5", State: incident.Blocked, Reason: incident.Limit}))
	})
	s.rehearsed(t, func(tx rehearse.Tx) error {
		return tx.SaveRehearsals(scope, rehearse.Changes{Rehearsals: []rehearse.Rehearsal{
			{Scope: scope, Target: delivery.TargetOf(to("", "good")), At: noon},
			{Scope: scope, Target: delivery.TargetOf(to("", "bad")), At: noon, Reason: incident.Permission},
		}})
	})
	if err := s.Refreshed(t.Context(), scope, noon, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	exec(t, s.w, `INSERT INTO alerts (num, id, at, body) VALUES (1, 'a', 0, '{}');
		INSERT INTO deliveries (alert, sink, next_at, sent_at, parked_at) VALUES (1, 'log', 0, 1, NULL), (1, 'pager', 0, NULL, NULL), (1, 'mail', 0, NULL, 1);
		INSERT INTO deliveries (alert, sink, next_at, attempts) VALUES (1, 'chat', 0, 3)`)
	want := Counts{
		FlowLogs:   map[string]int{"live": 9, "gone": 1},
		Incidents:  map[string]int{"blocked": 1},
		Blocked:    map[string]int{"limit": 1},
		Restorable: map[string]int{"yes": 3, "no": 1, "unknown": 1},
		Released:   Released{2, noon.Add(2 * time.Hour)},
		Decoys:     1, FirstDecoys: []string{"fl-6"},
		Protected: map[inventory.Scope]int{scope: 7},
		Pending:   map[string]int{"pager": 1, "chat": 1}, Refused: map[string]int{"chat": 1}, Parked: map[string]int{"mail": 1},
		RefreshedAt: map[inventory.Scope]time.Time{scope: noon},
	}
	got, err := s.Counts(t.Context())
	if want.Size = got.Size; got.Size < 4096 {
		t.Errorf("a file of %d bytes", got.Size)
	}
	if err != nil || !cmp.Equal(got, want, cmp.Comparer(time.Time.Equal)) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
}

// TestReasonsAreCounted: incidents are counted by reason only if they are blocked.
func TestReasonsAreCounted(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, func(tx *Tx) (err error) {
		for id, i := range map[string]incident.Incident{
			"fl-1": {State: incident.Blocked, Reason: incident.TokenUsed},
			"fl-2": {State: incident.Blocked, Reason: incident.TokenUsed},
			"fl-3": {State: incident.Blocked, Reason: incident.Managed},
			"fl-4": {State: incident.Open, Reason: incident.Permission},
			"fl-5": {State: incident.Closed, Reason: incident.Replaced},
			"fl-6": {State: incident.Restored, Reason: incident.NotTagged},
		} {
			i.Scope, i.FlowLogID = scope, id
			err = errors.Join(err, tx.PutIncident(i))
		}
		return err
	})
	got, err := s.Counts(t.Context())
	if want := map[string]int{"token_used": 2, "managed": 1}; err != nil || !cmp.Equal(got.Blocked, want) {
		t.Errorf("%v, %v", got.Blocked, err)
	}
}

// TestWhatNoEventReportedIsCounted: Unreported counts the losses of the last day that only a refresh found. It does not
// count incidents that are closed or adopted, and those whose record came after the restore. One damaged row does not
// stop the count of the others.
func TestWhatNoEventReportedIsCounted(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	now := noon
	other := inventory.Scope{Account: "999988887777", Region: "us-east-1"}
	if err := errors.Join(s.Refreshed(t.Context(), scope, now, now), s.Refreshed(t.Context(), other, now, now)); err != nil {
		t.Fatal(err)
	}
	event := func(s inventory.Scope, ago time.Duration) string { return incident.DriftEventID(s, now.Add(-ago)) }
	s.put(t, func(tx *Tx) (err error) {
		for id, i := range map[string]incident.Incident{
			"fl-1": {Scope: scope, State: incident.Restored, Source: incident.ByDrift, EventID: event(scope, time.Hour)},
			"fl-2": {Scope: scope, State: incident.Blocked, Source: incident.ByDrift, EventID: event(scope, time.Hour) + "-1"},
			"fl-3": {Scope: other, State: incident.Verified, Source: incident.ByDrift, EventID: event(other, 23*time.Hour)},
			"fl-4": {Scope: other, State: incident.Verified, Source: incident.ByDrift, EventID: event(other, 25*time.Hour)},
			"fl-5": {Scope: scope, State: incident.Closed, Reason: incident.ResourceGone, Source: incident.ByDrift, EventID: event(scope, time.Hour)},
			"fl-6": {Scope: scope, State: incident.Restored, Source: incident.ByEvent, EventID: event(scope, time.Hour)},
			"fl-7": {Scope: scope, State: incident.Restored, Source: incident.ByEvent, EventID: "3f6a1e0c"},
			"fl-8": {Scope: scope, State: incident.Restored, Source: incident.ByDrift, EventID: event(scope, time.Hour)},
			"fl-9": {Scope: scope, State: incident.Restored, Adopted: true, Source: incident.ByDrift, EventID: event(scope, time.Hour)},
		} {
			i.FlowLogID = id
			err = errors.Join(err, tx.PutIncident(i))
		}
		return err
	})
	exec(t, s.w, `UPDATE incidents SET body = '{' WHERE id = 'fl-8'`)
	if n, err := s.Unreported(t.Context()); err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestUnreportedIsCountedByItsRule: SQL and incident.IsUnreported count the same incidents, for every state, source and
// kind of event ID.
func TestUnreportedIsCountedByItsRule(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	other := inventory.Scope{Account: "999988887777", Region: "us-east-1"}
	if err := errors.Join(s.Refreshed(t.Context(), scope, noon, noon), s.Refreshed(t.Context(), other, noon, noon)); err != nil {
		t.Fatal(err)
	}
	found := func(ago time.Duration) string { return incident.DriftEventID(scope, noon.Add(-ago)) }
	unreported := 0
	for name, id := range map[string]string{
		"just now": found(0), "an hour ago": found(time.Hour), "a second part": found(time.Hour) + "-1772366400000",
		"a day ago": found(24 * time.Hour), "longer ago": found(24*time.Hour + time.Millisecond), "tomorrow": found(-24 * time.Hour),
		"by a refresh elsewhere": incident.DriftEventID(other, noon), "by a record": "3f6a1e0c", "by hand": "by-hand-fl-1",
		"a lost replacement": alert.LostEvent.ID("fl-1"), "unknown": "",
	} {
		for _, state := range []incident.State{incident.Open, incident.Blocked, incident.Restored, incident.Verified, incident.Closed} {
			for _, source := range []string{incident.ByEvent, incident.ByDrift} {
				for _, adopted := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %s by %s, adopted %v", name, state, source, adopted), func(t *testing.T) {
						i := incident.Incident{Scope: scope, FlowLogID: "fl-1", State: state, Source: source, Adopted: adopted, EventID: id}
						s.put(t, func(tx *Tx) error { return tx.PutIncident(i) })
						n, err := s.Unreported(t.Context())
						if err != nil || (n == 1) != incident.IsUnreported(i, noon) || n > 1 {
							t.Errorf("SQL counts %d, IsUnreported says %v, %v", n, incident.IsUnreported(i, noon), err)
						}
						unreported += n
					})
				}
			}
		}
	}
	if unreported == 0 {
		t.Error("the table has no unreported incident")
	}
}

// TestUsedTokensAreCounted: TokensUsed counts the events of the last day in which a ClientToken was already used. It
// leaves out events that can't be read.
func TestUsedTokensAreCounted(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	now := noon
	s.put(t, func(tx *Tx) error {
		return errors.Join(tx.PutEvent(incident.Event{Scope: scope, ID: "e-1", DetectedAt: now.Add(-time.Hour), TokenUsed: true}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "e-2", DetectedAt: now.Add(-time.Hour)}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "e-3", DetectedAt: now.Add(-25 * time.Hour), TokenUsed: true}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "e-4", DetectedAt: now.Add(-time.Hour), TokenUsed: true}))
	})
	exec(t, s.w, `UPDATE events SET body = '{' WHERE id = 'e-4'`)
	if n, err := s.TokensUsed(t.Context()); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestABurstOfNoScopeIsDueInOne: a burst of no scope wakes the restorer of only one scope when it is due. Otherwise
// thousands of restorers would wake at the same moment. The others wake a minute later, and end the burst if the first
// has not.
func TestABurstOfNoScopeIsDueInOne(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	other := inventory.Scope{Account: "999988887777", Region: scope.Region}
	if err := errors.Join(s.Refreshed(t.Context(), other, noon, noon), s.Refreshed(t.Context(), scope, noon, noon)); err != nil {
		t.Fatal(err)
	}
	s.put(t, func(tx *Tx) error { return tx.putBurst(repeat.Burst{Key: "any", Class: repeat.Tampering, DueAt: noon}) })
	for sc, want := range map[inventory.Scope]time.Time{scope: noon, other: noon.Add(time.Minute)} {
		err := s.View(t.Context(), func(tx *Tx) error {
			next, err := tx.NextDue(sc)
			due, berr := tx.DueBursts(sc, noon, noon)
			if !next.At().Equal(want) || len(due) != 1 {
				t.Errorf("%s: next due at %s, want %s; %d bursts are due, want 1", sc, next.At(), want, len(due))
			}
			return errors.Join(err, berr)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestNextDueAfterTheClockWentBack: an incident that was written before the clock went back seems due in the far
// future. It must be due now.
func TestNextDueAfterTheClockWentBack(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, func(tx *Tx) error {
		return tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-1", State: incident.Open, Known: true, DetectedAt: noon, NextAttemptAt: noon})
	})
	exec(t, s.w, `UPDATE incidents SET next_at = ?`, time.Now().Add(time.Hour).UnixMilli())
	err := s.View(t.Context(), func(tx *Tx) error {
		next, err := tx.NextDue(scope)
		if next.At().After(time.Now()) {
			t.Errorf("due in %s", time.Until(next.At()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
