package store

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

func TestOutbox(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	add := func(id string) {
		s.put(t, func(tx *Tx) error {
			return tx.AddAlert(alert.Alert{ID: id, Time: alert.Time{Time: noon}, Kind: alert.Deletion})
		})
	}
	add("a")
	add("a") // an alert with the same ID is stored once
	add("b")
	if id := nextID(t, s, "hook", noon); id != "a" {
		t.Fatalf("next is %s", id)
	}
	if err := s.Failed(ctx, "hook", "a", sink.Failure{Attempts: 1, NextAt: noon.Add(time.Minute), Cause: "refused"}); err != nil {
		t.Fatal(err)
	}
	if id := nextID(t, s, "hook", noon); id != "b" {
		t.Errorf("after a failure, next is %s", id)
	}
	s.sent(t, "hook", "b", noon)
	if id := nextID(t, s, "hook", noon); id != "none until 1m0s" {
		t.Errorf("nothing is due, and next is %s", id)
	}
	if id := nextID(t, s, "log", noon); id != "a" {
		t.Errorf("another sink is held up: next is %s", id)
	}
	if n, err := s.Retry(ctx, "a"); err != nil || n != 2 {
		t.Errorf("retried %d, %v", n, err)
	}
	if d, ok, _ := s.Next(ctx, "hook", sink.Choice{Now: noon}); !ok || d.Alert.ID != "a" || d.Attempts != 0 {
		t.Errorf("after retry: %+v", d)
	}
}

// TestI7AnAnswerComesAfterWhatItAnswers: an alert that answers another (closed) waits until the sink has taken that one
// (deletion), also while the sink refuses it. Alerts of other events are sent meanwhile. The answer does not wait for
// an alert that was given up.
func TestI7AnAnswerComesAfterWhatItAnswers(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	addAll(t, s, noon, alert.Alert{ID: "deletion", DedupKey: "event", Kind: alert.Deletion},
		alert.Alert{ID: "closed", DedupKey: "event", Kind: alert.Closed}, alert.Alert{ID: "other", Kind: alert.Closed})
	fail := func(parked bool) {
		t.Helper()
		if err := s.Failed(ctx, "hook", "deletion", sink.Failure{Attempts: 10, NextAt: noon.Add(time.Minute), Cause: "down", Parked: parked, NotifyOthers: parked}); err != nil {
			t.Fatal(err)
		}
	}
	fail(false)
	if id := nextID(t, s, "hook", noon); id != "other" {
		t.Errorf("next is %s", id)
	}
	s.sent(t, "hook", "other", noon)
	if id := nextID(t, s, "hook", noon); id != "none until 1m0s" {
		t.Errorf("nothing is due, and next is %s", id)
	}
	if id := nextID(t, s, "hook", noon.Add(time.Minute)); id != "deletion" {
		t.Errorf("next is %s", id)
	}
	fail(true)
	if id := nextID(t, s, "hook", noon); id != "closed" {
		t.Errorf("next is %s", id)
	}
}
