package sink

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/alert"
)

// TestI7WhatRingsOn: a pager incident must not be resolved within five minutes after the sink got its alert, if the
// alert came late or has RingsOn. Nobody would notice a page that is resolved at once.
func TestI7WhatRingsOn(t *testing.T) {
	t.Parallel()
	added := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		receipt Receipt
		after   time.Duration // from when the alert was added to when it was sent
		rings   bool
	}{
		"at once":               {Receipt{Sink: "pager"}, 0, false},
		"a minute later":        {Receipt{Sink: "pager"}, alert.Late, false},
		"late":                  {Receipt{Sink: "pager"}, alert.Late + time.Millisecond, true},
		"rings on":              {Receipt{Sink: "pager", RingsOn: true}, 0, true},
		"rings on, and is late": {Receipt{Sink: "pager", RingsOn: true}, time.Hour, true},
		"a late answer":         {Receipt{Sink: "pager", Answers: true}, time.Hour, false},
		"an answer":             {Receipt{Sink: "pager", Answers: true, RingsOn: true}, 0, false},
		"in the log":            {Receipt{Sink: LogName, RingsOn: true}, 0, false},
		"late in the log":       {Receipt{Sink: LogName}, time.Hour, false},
		"before it was added":   {Receipt{Sink: "pager"}, -time.Hour, false}, // the clock went back
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, want := tt.receipt, time.Time{}
			r.AddedAt, r.SentAt = added, added.Add(tt.after)
			if tt.rings {
				want = r.SentAt.Add(5 * time.Minute)
			}
			if got := r.RingsUntil(); !got.Equal(want) {
				t.Errorf("rings until %s, want %s", got, want)
			}
		})
	}
}

// TestI7WhenAnAnswerIsDue: an alert that resolves others is due at a sink when those that came late there have rung for
// five minutes. In the log it is due at once.
func TestI7WhenAnAnswerIsDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	late := func(sink string, ago time.Duration) Receipt {
		return Receipt{Sink: sink, AddedAt: now.Add(-ago - time.Hour), SentAt: now.Add(-ago)}
	}
	inTime := late("pager", time.Second)
	inTime.AddedAt = inTime.SentAt
	for name, tt := range map[string]struct {
		resolved    []Receipt
		pager, chat time.Duration // how long after now the alert is due there
	}{
		"nothing was sent": {nil, 0, 0},
		"sent in time":     {[]Receipt{inTime}, 0, 0},
		"one is late":      {[]Receipt{inTime, late("pager", time.Second)}, 299 * time.Second, 0},
		"the last of two":  {[]Receipt{late("pager", time.Second), late("pager", time.Minute)}, 299 * time.Second, 0},
		"late at both":     {[]Receipt{late("chat", time.Minute), late("pager", time.Second)}, 299 * time.Second, 240 * time.Second},
		"late in the log":  {[]Receipt{late(LogName, time.Second)}, 0, 0},
		"five minutes ago": {[]Receipt{late("pager", 5*time.Minute)}, 0, 0},
		"late at a sink that does not get the answer": {[]Receipt{late("mail", time.Second)}, 0, 0},
		"the clock went back":                         {[]Receipt{late("pager", -time.Hour)}, time.Hour + 5*time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]time.Time{LogName: now, "pager": now.Add(tt.pager), "chat": now.Add(tt.chat)}
			got := Due(alert.Alert{Kind: alert.Closed, Time: alert.Time{Time: now}}, []string{LogName, "pager", "chat"}, tt.resolved)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestI7WhatMayBeHeldBack: only an alert that resolves a pager incident is held back, because of the receipts of the
// last five minutes. Older receipts change nothing.
func TestI7WhatMayBeHeldBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		a  alert.Alert
		ok bool
	}{
		"a deletion":       {alert.Alert{Kind: alert.Deletion}, false},
		"restored":         {alert.Alert{Kind: alert.Restored}, false},
		"closed":           {alert.Alert{Kind: alert.Closed}, true},
		"an outage":        {alert.Alert{Kind: alert.Pipeline, Level: alert.High}, false},
		"an outage's end":  {alert.Alert{Kind: alert.Pipeline, Level: alert.Informational}, true},
		"blocked, overdue": {alert.Alert{Kind: alert.Blocked}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.a.Time = alert.Time{Time: now}
			after, ok := Resolved(tt.a)
			if ok != tt.ok {
				t.Fatalf("%v, want %v", ok, tt.ok)
			}
			for _, sent := range []time.Time{after, after.Add(time.Millisecond)} {
				r := Receipt{Sink: "pager", AddedAt: sent.Add(-time.Hour), SentAt: sent}
				if waits := Due(tt.a, []string{"pager"}, []Receipt{r})["pager"].After(now); waits != sent.After(after) {
					t.Errorf("the earlier alert was sent %s after the limit: held back %v", sent.Sub(after), waits)
				}
			}
		})
	}
}
