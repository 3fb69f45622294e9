package notify_test

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestEvaluate(t *testing.T) {
	t.Parallel()
	late := func(e *incident.Event) { e.Deadline = noon }
	stuck := func(e *incident.Event) { e.StuckAt = noon.Add(time.Second) }
	for name, tt := range map[string]struct {
		change                    func(*incident.Event) // of one that was alerted a minute ago
		tally                     notify.Tally
		notBack, restored, closed bool
		due                       time.Duration // after noon
	}{
		"all open":                             {tally: notify.Tally{incident.Open: 2}, due: 4 * time.Minute},
		"some are back":                        {tally: notify.Tally{incident.Open: 1, incident.Restored: 1}, due: 4 * time.Minute},
		"some are back, late":                  {change: late, tally: notify.Tally{incident.Open: 1, incident.Restored: 1}, restored: true, due: 4 * time.Minute},
		"none is back, late":                   {change: late, tally: notify.Tally{incident.Open: 1, incident.Closed: 1}, due: 4 * time.Minute},
		"all are back":                         {tally: notify.Tally{incident.Restored: 1, incident.Verified: 1}, restored: true, due: 4 * time.Minute},
		"back before those that a rule holds":  {tally: notify.Tally{notify.Waiting: 1, incident.Restored: 1}, restored: true, due: 4 * time.Minute},
		"back, and that was alerted":           {change: func(e *incident.Event) { e.RestoredAlertedAt = ago(time.Second) }, tally: notify.Tally{incident.Restored: 1}, due: 4 * time.Minute},
		"verified":                             {tally: notify.Tally{incident.Verified: 1}, restored: true, closed: true, due: never},
		"all are closed, none is back":         {tally: notify.Tally{incident.Closed: 2}, closed: true, due: never},
		"all are closed except one that waits": {tally: notify.Tally{notify.Waiting: 1, incident.Closed: 1}, due: 4 * time.Minute},
		"blocked, the others are closed":       {change: stuck, tally: notify.Tally{incident.Blocked: 1, incident.Closed: 1}, notBack: true, due: time.Second},
		"blocked, others are open":             {change: stuck, tally: notify.Tally{incident.Blocked: 1, incident.Open: 1}, due: time.Second},
		"blocked for 30 seconds":               {change: func(e *incident.Event) { e.StuckAt = noon }, tally: notify.Tally{incident.Blocked: 1, incident.Open: 1}, notBack: true, due: 0},
		"blocked again after an alert":         {change: func(e *incident.Event) { stuck(e); e.StuckAlerted = true }, tally: notify.Tally{incident.Blocked: 1}, due: time.Second},
		"stuck, but back before the alert":     {change: func(e *incident.Event) { stuck(e); e.StuckAlerted = true }, tally: notify.Tally{incident.Verified: 1}, notBack: true, restored: true, closed: true, due: time.Second},
		"overdue":                              {change: func(e *incident.Event) { e.OverdueAt = noon }, tally: notify.Tally{incident.Open: 1}, notBack: true, due: 0},
		"open, and no time is noted":           {change: func(e *incident.Event) { e.Deadline, e.OverdueAt = time.Time{}, time.Time{} }, tally: notify.Tally{incident.Open: 1}, due: 5 * time.Minute},
		"its incidents are dropped":            {change: late, tally: notify.Tally{}, closed: true, due: never},
		"it never had incidents":               {change: func(e *incident.Event) { e.Deadline, e.OverdueAt = time.Time{}, time.Time{} }, tally: notify.Tally{}, due: never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(tt.change)
			owed := notify.Evaluate(e, tt.tally, noon)
			end := owed.End(owed.Event)
			if owed.NotBack != tt.notBack || end.Restored != tt.restored || end.Closed != tt.closed {
				t.Errorf("owes not back %v, restored %v, closed %v; want %v, %v, %v", owed.NotBack, end.Restored, end.Closed, tt.notBack, tt.restored, tt.closed)
			}
			if got := owed.Event.ClosedAlertedAt.IsZero(); got == tt.closed {
				t.Errorf("the event is closed: %v, want %v", !got, tt.closed)
			}
			alertedAt := e.RestoredAlertedAt
			if tt.restored {
				alertedAt = noon
			}
			if !owed.Event.RestoredAlertedAt.Equal(alertedAt) {
				t.Errorf("the restored alert is noted at %v, want %v", owed.Event.RestoredAlertedAt, alertedAt)
			}
			if due, want := owed.Event.Due(), at(tt.due); !due.Equal(want) {
				t.Errorf("the event is due at %v, want %v", due, want)
			}
		})
	}
}

// TestOneOpenIsEnough: until a time of the event comes, one open incident is enough to know that no alert is due. If
// no deadline is set, an alert may be due while others are open, so that one is not enough.
func TestOneOpenIsEnough(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		due, stuck, overdue time.Duration // after noon
		want                bool
	}{
		"alerted just now":                    {5 * time.Minute, never, 5 * time.Minute, true},
		"one is stuck":                        {5 * time.Minute, time.Second, 5 * time.Minute, true},
		"the deadline has come":               {0, never, 5 * time.Minute, false},
		"no deadline is set":                  {never, never, 5 * time.Minute, false},
		"an alert about the stuck one is due": {time.Minute, 0, 5 * time.Minute, false},
		"overdue":                             {time.Minute, never, 0, false},
		"no overdue time":                     {time.Minute, never, never, true},
		"due a moment later":                  {1, 1, 1, true},
		"due since a minute ago":              {-time.Minute, time.Minute, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(func(e *incident.Event) { e.Deadline, e.StuckAt, e.OverdueAt = at(tt.due), at(tt.stuck), at(tt.overdue) })
			if got := notify.OneOpenIsEnough(e, noon); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// TestOneOpenSaysAsMuchAsAll: where one open incident is enough, the others change nothing.
func TestOneOpenSaysAsMuchAsAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		when := func(name string, after ...time.Duration) time.Time {
			return at(rapid.SampledFrom(append(after, never)).Draw(t, name))
		}
		e := alerted(func(e *incident.Event) {
			e.Deadline, e.StuckAt, e.OverdueAt = noon.Add(time.Second), when("stuck", time.Second), when("overdue", time.Second)
			e.DeletionAlertedAt, e.RestoredAlertedAt, e.ClosedAlertedAt = when("deletion", -time.Minute), when("restored", -time.Second), when("closed", -time.Second)
			e.StuckAlerted = rapid.Bool().Draw(t, "stuck was alerted")
		})
		if !notify.OneOpenIsEnough(e, noon) {
			t.Fatal("a time of the event has come")
		}
		all := notify.Tally(rapid.MapOf(rapid.SampledFrom([]incident.State{incident.Blocked, incident.Restored, incident.Verified, incident.Closed, notify.Waiting}), rapid.IntRange(1, 3)).Draw(t, "others"))
		all[incident.Open] = rapid.IntRange(1, 3).Draw(t, "open")
		one, full := notify.Evaluate(e, notify.Tally{incident.Open: 1}, noon), notify.Evaluate(e, all, noon)
		restored := one.End(one.Event).Restored || full.End(full.Event).Restored
		closed := !one.Event.ClosedAlertedAt.Equal(e.ClosedAlertedAt) || !full.Event.ClosedAlertedAt.Equal(e.ClosedAlertedAt)
		if !one.Event.SameTimes(full.Event) || one.NotBack || full.NotBack || restored || closed {
			t.Fatalf("of one %+v, of all %+v", one, full)
		}
	})
}

// TestUntilOver: an event is due again as long as an incident that names it is not over, even if that incident belongs
// to another event.
func TestUntilOver(t *testing.T) {
	t.Parallel()
	reminded := with(lost("fl-1", incident.Blocked), func(i *incident.Incident) { i.StuckAlertedAt = noon })
	for name, tt := range map[string]struct {
		incidents []incident.Incident // that belong to the event
		tally     notify.Tally        // of the incidents that name the event
		due       time.Duration       // after noon
	}{
		"open":                        {nil, notify.Tally{incident.Open: 1, incident.Closed: 1}, incident.OverdueAfter},
		"it waits because of a rule":  {nil, notify.Tally{notify.Waiting: 1}, incident.OverdueAfter},
		"back, and not verified yet":  {nil, notify.Tally{incident.Restored: 1}, incident.OverdueAfter},
		"over":                        {nil, notify.Tally{incident.Verified: 1, incident.Closed: 1}, never},
		"a reminder is due in a day":  {[]incident.Incident{reminded}, notify.Tally{incident.Blocked: 1}, incident.RemindAfter},
		"no incident names it by now": {nil, notify.Tally{}, never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(func(e *incident.Event) { e.Deadline, e.OverdueAt = time.Time{}, noon })
			owed := notify.Owed{Event: e, Tally: tt.tally}
			if due, want := owed.EvaluateNotBack(tt.incidents, caseOf(), true).Event.Due(), at(tt.due); !due.Equal(want) {
				t.Errorf("the event is due at %v, want %v", due, want)
			}
		})
	}
}

// TestEndClosed: there is a closed alert only if there was an alert of the event before, even if that is just now.
func TestEndClosed(t *testing.T) {
	t.Parallel()
	over := notify.Tally{incident.Closed: 1}
	for name, tt := range map[string]struct {
		event incident.Event
		tally notify.Tally
		stuck bool // now, an alert is made about what is not back
		want  bool
	}{
		"the deletion was alerted":     {incident.Event{DeletionAlertedAt: noon}, over, false, true},
		"it is not over":               {incident.Event{DeletionAlertedAt: noon}, notify.Tally{incident.Open: 1}, false, false},
		"only what is stuck was":       {incident.Event{StuckAlerted: true}, over, false, true},
		"only what is stuck is by now": {incident.Event{}, over, true, true},
		"nothing was":                  {incident.Event{RestoredAlertedAt: noon}, over, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owed := notify.Evaluate(tt.event, tt.tally, noon)
			after := owed.Event
			after.StuckAlerted = after.StuckAlerted || tt.stuck
			if got := owed.End(after).Closed; got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestLossIsDue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		event incident.Event
		want  bool
	}{
		"its time has come":     {incident.Event{Source: incident.ByDrift, Deadline: noon}, true},
		"a moment before":       {incident.Event{Source: incident.ByDrift, Deadline: noon.Add(1)}, false},
		"no time is set":        {incident.Event{Source: incident.ByDrift}, false},
		"it was alerted before": {incident.Event{Source: incident.ByDrift, Deadline: noon, DeletionAlertedAt: ago(time.Second)}, false},
		"no refresh found it":   {incident.Event{Source: incident.ByEvent, Deadline: noon}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := notify.LossIsDue(tt.event, noon); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestOwesNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*incident.Event) // of one that was alerted a minute ago
		want   bool
	}{
		"alerted":                    {func(*incident.Event) {}, false},
		"its deletion is held back":  {func(e *incident.Event) { e.DeletionAlertedAt = time.Time{} }, true},
		"a drift that is undecided":  {func(e *incident.Event) { e.DeletionAlertedAt, e.Source = time.Time{}, incident.ByDrift }, false},
		"over":                       {func(e *incident.Event) { e.ClosedAlertedAt, e.Deadline, e.OverdueAt = noon, time.Time{}, time.Time{} }, true},
		"over, but something is due": {func(e *incident.Event) { e.ClosedAlertedAt = noon }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(tt.change)
			if got := notify.OwesNothing(e); got != tt.want {
				t.Errorf("OwesNothing is %v, want %v", got, tt.want)
			}
		})
	}
}

// TestClearTimes: if an event is due but owes no alert, its times are cleared. Otherwise it would be due for ever.
func TestClearTimes(t *testing.T) {
	t.Parallel()
	due := incident.Event{ID: "e-1", Deadline: noon, StuckAt: noon.Add(time.Hour)}
	later := incident.Event{ID: "e-1", Deadline: noon.Add(time.Minute)}
	for name, tt := range map[string]struct {
		before, after incident.Event
		cleared       bool
	}{
		"its times are the same":    {due, due, true},
		"an alert has changed them": {due, later, false},
		"it is due later":           {later, later, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, cleared := notify.ClearTimes(tt.before, tt.after, noon)
			if cleared != tt.cleared || cleared && !got.Due().IsZero() || !cleared && !got.SameTimes(tt.after) {
				t.Errorf("cleared: %v, want %v; the event is due %s, stuck %s, overdue %s", cleared, tt.cleared, got.Deadline, got.StuckAt, got.OverdueAt)
			}
		})
	}
}

// TestOverdueTimes: each event except e-3 has the soonest time of its incidents. An incident that is back has none.
func TestOverdueTimes(t *testing.T) {
	t.Parallel()
	missing := func(event string, opened time.Time) incident.Incident {
		return incident.Incident{EventID: event, State: incident.Open, Known: true, OpenedAt: opened}
	}
	back := missing("e-4", noon)
	back.State = incident.Verified
	got := notify.OverdueTimes([]incident.Incident{
		missing("e-1", noon), missing("e-2", noon), missing("e-2", noon.Add(-time.Minute)), missing("e-3", noon.Add(-time.Hour)), back,
	}, "e-3", incident.Policy{}, noon.Add(time.Second))
	want := map[string]time.Time{"e-1": noon.Add(incident.OverdueAfter), "e-2": noon.Add(incident.OverdueAfter - time.Minute)}
	if !maps.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("overdue at %v, want %v", got, want)
	}
}
