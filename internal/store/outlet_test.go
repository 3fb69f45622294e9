package store

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// outletScene has a store in which the record of a sent alert (Sent) may wait an hour to share a commit.
type outletScene struct {
	*Store
	t       *testing.T
	commits func() int
}

func newOutletScene(t *testing.T) *outletScene {
	t.Helper()
	s := fresh(t)
	s.delay = time.Hour
	n := 0
	s.hook(t, func(writer sqlite.HookRegisterer) { writer.RegisterCommitHook(func() int32 { n++; return 0 }) })
	return &outletScene{Store: s, t: t, commits: func() int {
		s.mu.Lock() // no commit is running now, so n counts all
		defer s.mu.Unlock()
		return n
	}}
}

func (s *outletScene) add(ids ...string) {
	s.t.Helper()
	var all []alert.Alert
	for _, id := range ids {
		all = append(all, alert.Alert{ID: id, Kind: alert.Deletion})
	}
	addAll(s.t, s.Store, noon, all...)
}

// next returns the ID of the alert that the sink should get now; empty if there is none.
func (s *outletScene) next() string {
	s.t.Helper()
	if id := nextID(s.t, s.Store, "hook", noon); !strings.HasPrefix(id, "none") {
		return id
	}
	return ""
}

// sent records an alert as sent. The channel gets the result once that is on disk.
func (s *outletScene) sent(id string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Sent(s.t.Context(), "hook", id, noon) }()
	return done
}

// wait waits until this many changes wait for a commit.
func (s *outletScene) wait(want int) {
	s.t.Helper()
	until(s.t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.waiting) == want })
}

func (s *outletScene) ends(done <-chan error) {
	s.t.Helper()
	select {
	case err := <-done:
		if err != nil {
			s.t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		s.t.Fatal("Sent still waits after 10 s")
	}
}

// TestTheRecordOfASentAlertSharesACommit: the record that an alert was sent waits for the next commit and becomes part
// of it, which saves a commit. So the record is on disk before the sink can get an alert that this commit adds.
func TestTheRecordOfASentAlertSharesACommit(t *testing.T) {
	t.Parallel()
	s := newOutletScene(t)
	if id := s.next(); id != "" {
		t.Fatal(id)
	}
	s.add("a")
	if id := s.next(); id != "a" {
		t.Fatal(id)
	}
	before := s.commits()
	done := s.sent("a")
	s.wait(1)
	s.add("b")
	s.ends(done)
	if n := s.commits() - before; n != 1 {
		t.Errorf("%d commits, want one", n)
	}
	if id := s.next(); id != "b" {
		t.Errorf("then the sink gets %q, want b", id)
	}
}

// TestARecordWaitsForNothingWhereMoreIsDue: while more alerts are due for a sink, Sent does not wait for another
// commit: otherwise each alert of a backlog would wait. The same holds after a restart, and after another process has
// made alerts due again.
func TestARecordWaitsForNothingWhereMoreIsDue(t *testing.T) {
	t.Parallel()
	s := newOutletScene(t)
	s.add("a", "b") // as after a restart: the sink has not taken all that was due yet
	for _, id := range []string{"a", "b"} {
		if got := s.next(); got != id {
			t.Fatal(got)
		}
		s.ends(s.sent(id))
	}
	if id := s.next(); id != "" {
		t.Fatal(id)
	}
	s.add("c", "d", "e")
	for _, id := range []string{"c", "d"} {
		if got := s.next(); got != id {
			t.Fatal(got)
		}
		s.ends(s.sent(id))
	}
	s.next()
	last := s.sent("e")
	s.wait(1)
	s.add("f")
	s.ends(last)
	s.next()
	done := s.sent("f")
	s.wait(1)
	s.put(t, put("fl-1"))
	s.ends(done)
	if id := s.next(); id != "" {
		t.Fatal(id)
	}
	s.put(t, func(q *Tx) error { // as another process does
		return q.exec(`UPDATE deliveries SET sent_at = NULL`)
	})
	for range 3 {
		s.ends(s.sent(s.next()))
	}
}

// TestARecordWaitsNoLongerThanItsDelay: if no other commit comes, the record of a sent alert gets a commit of its own
// after the delay.
func TestARecordWaitsNoLongerThanItsDelay(t *testing.T) {
	t.Parallel()
	s := newOutletScene(t)
	s.delay = 5 * time.Millisecond
	s.next()
	s.add("a")
	s.next()
	s.ends(s.sent("a"))
	if id := s.next(); id != "" {
		t.Errorf("the sink gets %q again", id)
	}
}

// TestWhatWasJustAddedIsHandedOver: if only one alert waits for a sink, Next returns it from memory, without reading it
// from the file. Memory has it once, and it equals the alert in the file.
func TestWhatWasJustAddedIsHandedOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	other := openAs(t, path, Options{Now: func() time.Time { return noon }}) // reads from the file: it has nothing in memory
	same := func(want string) {
		t.Helper()
		stored, _, err := other.Next(t.Context(), "hook", sink.Choice{Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		only := false
		s.outlets.use("hook", func(x *outlet) { only = x.only != nil })
		for range 2 { // the second time from the file
			if d, ok, err := s.Next(t.Context(), "hook", sink.Choice{Now: noon}); err != nil || ok != (want != "") || d.Alert.ID != want || !reflect.DeepEqual(d, stored) {
				t.Errorf("%+v, %v\nwant %q: %+v", d, err, want, stored)
			}
		}
		if want != "" && !only {
			t.Errorf("%q was read from the file, want it from memory", want)
		}
	}
	a := alert.Alert{Kind: alert.Deletion, Level: alert.High, DedupKey: "e", FlowLogs: knownLogs, RouteLevel: alert.High}
	a.ID = "deletion"
	addAll(t, s, noon, a)
	same("deletion")
	s.sent(t, "hook", "deletion", noon)
	same("")
	a.ID, a.Kind, a.Level = "restored", alert.Restored, alert.Low
	addAll(t, s, noon, a)
	same("restored")
	s.sent(t, "hook", "restored", noon)
}

// TestWhatIsNotHandedOver: memory has no alert that must wait for another one, even if another process added that one,
// and no alert that is not due yet.
func TestWhatIsNotHandedOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(s *Store)
		at     time.Time // of the alert
		now    time.Time // when the sink asks
		want   string
	}{
		"another process made an earlier alert due": {before: func(s *Store) {
			addAll(t, s, noon, alert.Alert{ID: "old", DedupKey: "e", Kind: alert.Deletion, Level: alert.Informational, FlowLogs: knownLogs})
			s.sent(t, "hook", "old", noon)
			again := openAs(t, s.path, Options{Now: func() time.Time { return noon }})
			again.put(t, func(q *Tx) error { return q.exec(`UPDATE deliveries SET sent_at = NULL`) })
		}, at: noon, now: noon, want: "old"},
		"another alert waits, too": {before: func(s *Store) { addAll(t, s, noon, alert.Alert{ID: "first", Level: alert.Critical}) }, at: noon, now: noon, want: "first"},
		"not due":                  {at: noon.Add(time.Minute), now: noon, want: "none until 1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fresh(t)
			if c.before != nil {
				c.before(s)
			}
			addAll(t, s, c.at, alert.Alert{ID: "new", DedupKey: "e", Kind: alert.Restored, Level: alert.Low, FlowLogs: knownLogs})
			if got := nextID(t, s, "hook", c.now); got != c.want {
				t.Errorf("next is %q, want %q", got, c.want)
			}
			s.outlets.use("hook", func(x *outlet) {
				if x.only != nil {
					t.Errorf("memory has %+v, want nothing", x.only)
				}
			})
		})
	}
}

// TestI7HandedOverOnce: a sender may call Next after a commit, but before memory has the alert that the commit added.
// Then it gets the alert from the file. It must not get it from memory again: neither after it was sent, nor before the
// next try is due.
func TestI7HandedOverOnce(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		s := fresh(t)
		addAll(t, s, noon, alert.Alert{ID: "deletion", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs})
		if fails {
			if err := s.Failed(t.Context(), "hook", "deletion", sink.Failure{Attempts: 1, NextAt: noon.Add(time.Minute), Cause: "down"}); err != nil {
				t.Fatal(err)
			}
		} else {
			s.sent(t, "hook", "deletion", noon)
		}
		if d, ok, err := s.Next(t.Context(), "hook", sink.Choice{Now: noon}); ok || err != nil || fails != d.NextAt.Equal(noon.Add(time.Minute)) {
			t.Errorf("the delivery failed: %v; next is %+v, %v; want nothing due", fails, d, err)
		}
	}
}

// TestI7WhatIsRetriedComesBeforeItsAnswer: an operator retries a parked alert in another process right after the alert
// that answers it was committed. The retried alert must be sent first, though memory has the answer.
func TestI7WhatIsRetriedComesBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	a := alert.Alert{ID: "deletion", DedupKey: "e", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs}
	addAll(t, s, noon, a)
	if err := s.Failed(t.Context(), "hook", a.ID, sink.Failure{Attempts: 10, NextAt: noon, Cause: "down", Parked: true}); err != nil {
		t.Fatal(err)
	}
	a.ID, a.Kind, a.Level = "closed", alert.Closed, alert.Informational
	addAll(t, s, noon, a)
	if n, err := openAs(t, s.path, Options{}).Retry(t.Context(), "deletion"); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	if first := nextID(t, s, "hook", noon); first != "deletion" {
		t.Errorf("%s is sent before the deletion: the pager incident stays open", first)
	}
}
