package store

import (
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"

	"flowkeeper/alert"
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
