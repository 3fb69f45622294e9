package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/internal/store"
	"flowkeeper/remediate"
)

// TestI2AnOldCopyOnlyTells: a state file that came back from an old copy knows
// flow logs that were deleted for good since. What its first refresh does not
// find is told and not restored; later drift is restored as ever, and an event
// asks for a restore even of the former.
func TestI2AnOldCopyOnlyTells(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(3)
	s.must(s.store.CopyTo(t.Context(), s.path+".copy"))
	s.must(s.store.Close())
	s.path += ".back"
	s.must(store.Adopt(t.Context(), s.path[:len(s.path)-len(".back")]+".copy", s.path, store.Adoption{Now: s.now, Stale: time.Hour, Made: s.now.Add(-72 * time.Hour)}))
	s.start()
	s.now = s.now.Add(72 * time.Hour)
	s.world.Remove(account, region, ids[0])
	late := s.attack(ids[1])
	s.refresh()
	s.now = s.now.Add(5 * time.Minute)
	s.work()
	for _, id := range ids[:2] {
		if i := s.incident(id); i.State != remediate.Closed || i.Reason != remediate.AlertOnly {
			t.Errorf("%s: %s %s", id, i.State, i.Reason)
		}
	}
	s.world.Remove(account, region, ids[2])
	s.refresh()
	s.hear(late)
	s.now = s.now.Add(5 * time.Minute)
	s.work()
	for _, id := range ids[1:] {
		if i := s.incident(id); i.State != remediate.Restored {
			t.Errorf("%s: %s %s", id, i.State, i.Reason)
		}
	}
}
