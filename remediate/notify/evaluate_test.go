package notify_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestEvaluate(t *testing.T) {
	t.Parallel()
	late := func(e *incident.Event) { e.DueAt = noon }
	stuck := func(e *incident.Event) { e.StuckAt = noon.Add(time.Second) }
	for name, tt := range map[string]struct {
		change                    func(*incident.Event) // of one that was alerted a minute ago
		tally                     notify.Tally
		notBack, restored, closed bool
		due                       time.Duration // after noon; negative: never
	}{
		"all open":                            {tally: notify.Tally{incident.Open: 2}, due: 4 * time.Minute},
		"some are back":                       {tally: notify.Tally{incident.Open: 1, incident.Restored: 1}, due: 4 * time.Minute},
		"some are back, late":                 {change: late, tally: notify.Tally{incident.Open: 1, incident.Restored: 1}, restored: true, due: 4 * time.Minute},
		"none is back, late":                  {change: late, tally: notify.Tally{incident.Open: 1, incident.Closed: 1}, due: 4 * time.Minute},
		"all are back":                        {tally: notify.Tally{incident.Restored: 1, incident.Verified: 1}, restored: true, due: 4 * time.Minute},
		"back before those that a rule holds": {tally: notify.Tally{notify.Waiting: 1, incident.Restored: 1}, restored: true, due: 4 * time.Minute},
		"back, and that was alerted":          {change: func(e *incident.Event) { e.ToldRestored = ago(time.Second) }, tally: notify.Tally{incident.Restored: 1}, due: 4 * time.Minute},
		"verified":                            {tally: notify.Tally{incident.Verified: 1}, restored: true, closed: true, due: -1},
		"settled, none is back":               {tally: notify.Tally{incident.Closed: 2}, closed: true, due: -1},
		"settled, but for one that waits":     {tally: notify.Tally{notify.Waiting: 1, incident.Closed: 1}, due: 4 * time.Minute},
		"blocked, the others are settled":     {change: stuck, tally: notify.Tally{incident.Blocked: 1, incident.Closed: 1}, notBack: true, due: time.Second},
		"blocked, others are open":            {change: stuck, tally: notify.Tally{incident.Blocked: 1, incident.Open: 1}, due: time.Second},
		"blocked for 30 seconds":              {change: func(e *incident.Event) { e.StuckAt = noon }, tally: notify.Tally{incident.Blocked: 1, incident.Open: 1}, notBack: true, due: 0},
		"blocked again, others are settled":   {change: func(e *incident.Event) { stuck(e); e.StuckTold = true }, tally: notify.Tally{incident.Blocked: 1}, due: time.Second},
		"stuck, but back before the alert":    {change: func(e *incident.Event) { stuck(e); e.StuckTold = true }, tally: notify.Tally{incident.Verified: 1}, notBack: true, restored: true, closed: true, due: time.Second},
		"overdue":                             {change: func(e *incident.Event) { e.OverdueAt = noon }, tally: notify.Tally{incident.Open: 1}, notBack: true, due: 0},
		"open, and no time is noted":          {change: func(e *incident.Event) { e.DueAt, e.OverdueAt = time.Time{}, time.Time{} }, tally: notify.Tally{incident.Open: 1}, due: 5 * time.Minute},
		"its incidents are dropped":           {change: late, tally: notify.Tally{}, closed: true, due: -1},
		"it never had incidents":              {change: func(e *incident.Event) { e.DueAt, e.OverdueAt = time.Time{}, time.Time{} }, tally: notify.Tally{}, due: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted()
			if tt.change != nil {
				tt.change(&e)
			}
			owed := notify.Evaluate(e, tt.tally, noon)
			if owed.NotBack != tt.notBack || owed.Restored != tt.restored || owed.Closed != tt.closed {
				t.Errorf("owes not back %v, restored %v, closed %v; want %v, %v, %v", owed.NotBack, owed.Restored, owed.Closed, tt.notBack, tt.restored, tt.closed)
			}
			if got := owed.Event.ToldClosed.IsZero(); got == tt.closed {
				t.Errorf("the event is closed: %v, want %v", !got, tt.closed)
			}
			if due, want := owed.Event.Due(), at(tt.due); !due.Equal(want) {
				t.Errorf("the event is due at %v, want %v", due, want)
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
		"its deletion is held back":  {func(e *incident.Event) { e.ToldDeletion = time.Time{} }, true},
		"a drift that is undecided":  {func(e *incident.Event) { e.ToldDeletion, e.Source = time.Time{}, incident.ByDrift }, false},
		"over":                       {func(e *incident.Event) { e.ToldClosed, e.DueAt, e.OverdueAt = noon, time.Time{}, time.Time{} }, true},
		"over, but something is due": {func(e *incident.Event) { e.ToldClosed = noon }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted()
			tt.change(&e)
			if got := notify.OwesNothing(e); got != tt.want {
				t.Errorf("OwesNothing is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRestoredAlert(t *testing.T) {
	t.Parallel()
	own := with(lost("fl-1", incident.Restored), func(i *incident.Incident) { i.NewID, i.RestoredAt = "fl-11", ago(2*time.Minute) })
	others := with(own, func(i *incident.Incident) { i.EventID = "e-0" })
	since := with(others, func(i *incident.Incident) { i.RestoredAt = ago(time.Second) })
	for name, tt := range map[string]struct {
		incidents []incident.Incident
		want      bool
	}{
		"its own":                                  {[]incident.Incident{own}, true},
		"another event's, back before this one":    {[]incident.Incident{others}, false},
		"another event's, back since":              {[]incident.Incident{since}, true},
		"one of its own, and one of another event": {[]incident.Incident{own, others}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, ok := notify.RestoredAlert(alerted(), tt.incidents, noon)
			if ok != tt.want || a.Kind != alert.Restored {
				t.Errorf("there is a %s alert: %v, want %v", a.Kind, ok, tt.want)
			}
		})
	}
}

// TestEndLevels: who was woken hears of the end, and the end wakes nobody.
func TestEndLevels(t *testing.T) {
	t.Parallel()
	back := with(lost("fl-1", incident.Verified), func(i *incident.Incident) { i.NewID = "fl-11" })
	adopted := with(back, func(i *incident.Incident) { i.Adopted = true })
	missed := with(back, func(i *incident.Incident) { i.ToldStuckAt = ago(time.Second) })
	drift := func(e *incident.Event) { e.Source = incident.ByDrift }
	for name, tt := range map[string]struct {
		change       func(*incident.Event)
		incident     incident.Incident
		level, route alert.Level
	}{
		"restored":                       {nil, back, alert.Low, alert.High},
		"quiet":                          {func(e *incident.Event) { e.Level = alert.Informational }, back, alert.Informational, alert.Informational},
		"adopted":                        {nil, adopted, alert.Low, alert.High},
		"a drift, adopted":               {drift, adopted, alert.Informational, alert.High},
		"a drift, restored":              {drift, back, alert.Low, alert.High},
		"one was alerted as not back":    {nil, missed, alert.Low, alert.Critical},
		"the event was, or others of it": {func(e *incident.Event) { e.StuckTold = true }, back, alert.Low, alert.Critical},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted()
			if tt.change != nil {
				tt.change(&e)
			}
			if a, _ := notify.RestoredAlert(e, []incident.Incident{tt.incident}, noon); a.Level != tt.level || a.RouteLevel != tt.route {
				t.Errorf("restored is %s and goes where %s does, want %s and %s", a.Level, a.RouteLevel, tt.level, tt.route)
			}
			if a := notify.ClosedAlert(e, []incident.Incident{tt.incident}, true, noon); a.Level != alert.Informational || a.RouteLevel != tt.route || !a.CampaignOpen {
				t.Errorf("closed is %s and goes where %s does, want informational and %s", a.Level, a.RouteLevel, tt.route)
			}
		})
	}
}

// TestEndOfUnknown: the end of an event may be dropped for room as its deletion may, until
// the snapshot knows one of its flow logs.
func TestEndOfUnknown(t *testing.T) {
	t.Parallel()
	e, known := alerted(), lost("fl-1", incident.Closed)
	e.Unknown = true
	unknown := with(known, func(i *incident.Incident) { i.Known = false })
	if a := notify.ClosedAlert(e, []incident.Incident{unknown}, false, noon); !a.Minor {
		t.Error("the end of what nobody knows can't be dropped")
	}
	if a := notify.ClosedAlert(e, []incident.Incident{unknown, known}, false, noon); a.Minor {
		t.Error("the end of what is known can be dropped")
	}
}
