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

// outletScene has a store that lets the record of a sent alert wait for ever.
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
		s.mu.Lock() // no commit is under way: n has all of them
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

// next is the ID of the alert that a sink is to get now.
func (s *outletScene) next() string {
	s.t.Helper()
	if id := nextID(s.t, s.Store, "hook", noon); !strings.HasPrefix(id, "none") {
		return id
	}
	return ""
}

// sent records an alert as sent; what it returns ends when that is on disk.
func (s *outletScene) sent(id string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Sent(s.t.Context(), "hook", id, noon) }()
	return done
}

// wait waits until so many changes wait for a commit.
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
		s.t.Fatal("it waits")
	}
}

// TestTheRecordOfASentAlertSharesACommit: it waits for the next commit, and is part of it: so
// it is on disk before the sink can get an alert which that commit adds.
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
		t.Errorf("%d commits", n)
	}
	if id := s.next(); id != "b" {
		t.Errorf("then %q", id)
	}
}

// TestARecordWaitsForNothingWhereMoreIsDue: a sink that has a backlog gets it as fast as
// ever, after a restart and after a person has made alerts due again, too.
func TestARecordWaitsForNothingWhereMoreIsDue(t *testing.T) {
	t.Parallel()
	s := newOutletScene(t)
	s.add("a", "b") // as after a restart: it was never without
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

// TestARecordWaitsNoLongerThanItsDelay: there may be no other commit for a while.
func TestARecordWaitsNoLongerThanItsDelay(t *testing.T) {
	t.Parallel()
	s := newOutletScene(t)
	s.delay = 5 * time.Millisecond
	s.next()
	s.add("a")
	s.next()
	s.ends(s.sent("a"))
	if id := s.next(); id != "" {
		t.Errorf("again: %q", id)
	}
}

// TestWhatWasJustAddedIsHandedOver: the only alert that waits for a sink is handed over as it
// was committed, once, and is what the file has.
func TestWhatWasJustAddedIsHandedOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	other := openAs(t, path, Options{Now: func() time.Time { return noon }}) // has nothing in memory
	same := func(want string) {
		t.Helper()
		stored, _, err := other.Next(t.Context(), "hook", sink.Turn{Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		only := false
		s.outlets.use("hook", func(x *outlet) { only = x.only != nil })
		for range 2 { // the second time from the file
			if d, ok, err := s.Next(t.Context(), "hook", sink.Turn{Now: noon}); err != nil || ok != (want != "") || d.Alert.ID != want || !reflect.DeepEqual(d, stored) {
				t.Errorf("%+v, %v\nwant %q: %+v", d, err, want, stored)
			}
		}
		if want != "" && !only {
			t.Errorf("%q was not handed over", want)
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

// TestWhatIsNotHandedOver: what waits behind something else, even of another process, and what is
// not due yet.
func TestWhatIsNotHandedOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(s *Store)
		at     time.Time // of the alert
		now    time.Time // when the sink asks
		want   string
	}{
		"behind one of another process": {before: func(s *Store) {
			addAll(t, s, noon, alert.Alert{ID: "old", DedupKey: "e", Kind: alert.Deletion, Level: alert.Informational, FlowLogs: knownLogs})
			s.sent(t, "hook", "old", noon)
			again := openAs(t, s.path, Options{Now: func() time.Time { return noon }})
			again.put(t, func(q *Tx) error { return q.exec(`UPDATE deliveries SET sent_at = NULL`) })
		}, at: noon, now: noon, want: "old"},
		"with another": {before: func(s *Store) { addAll(t, s, noon, alert.Alert{ID: "first", Level: alert.Critical}) }, at: noon, now: noon, want: "first"},
		"not due":      {at: noon.Add(time.Minute), now: noon, want: "none until 1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fresh(t)
			if c.before != nil {
				c.before(s)
			}
			addAll(t, s, c.at, alert.Alert{ID: "new", DedupKey: "e", Kind: alert.Restored, Level: alert.Low, FlowLogs: knownLogs})
			if got := nextID(t, s, "hook", c.now); got != c.want {
				t.Errorf("%q", got)
			}
			s.outlets.use("hook", func(x *outlet) {
				if x.only != nil {
					t.Errorf("%+v is there to be handed over", x.only)
				}
			})
		})
	}
}

// TestI7HandedOverOnce: a sender may ask between a commit and the note of what it has added. It has the alert out of
// the file then, and is not handed it again: neither after it was sent nor before the next try.
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
		if d, ok, err := s.Next(t.Context(), "hook", sink.Turn{Now: noon}); ok || err != nil || fails != d.NextAt.Equal(noon.Add(time.Minute)) {
			t.Errorf("fails %v: then %+v, %v", fails, d, err)
		}
	}
}

// TestI7WhatIsRetriedComesBeforeItsAnswer: an operator has a parked alert sent again, right after its answer was committed.
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
		t.Errorf("%s goes before the deletion: the pager stays open", first)
	}
}
