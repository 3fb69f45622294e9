package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

func (s *scene) rehearse() rehearse.Result {
	s.t.Helper()
	c, err := s.rehearser.Rehearse(s.t.Context(), scope, func() {})
	s.must(err)
	return c
}

// TestI4ARehearsalSpendsNoToken: the create after it is another call.
func TestI4ARehearsalSpendsNoToken(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.rehearse()
	s.attackAndWork(id)
	if i := s.incident(id); i.State != incident.Restored {
		t.Errorf("%+v", i)
	}
}

// TestRehearsalLooksFirst: a restore begins with a look, and is refused with it.
// What is mended is tried at once.
func TestRehearsalLooksFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.protect(2)[0]
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.attackAndWork(id)
	s.is(id, incident.Blocked, incident.Permission)
	if c := s.rehearse(); c != (rehearse.Result{Tried: 1, Refused: 1}) {
		t.Errorf("%+v", c)
	}
	s.pass(20 * time.Minute)
	s.now = s.now.Add(time.Second) // the next try is up to fifteen minutes away
	s.world.Allow("flowkeeper", "DescribeFlowLogs")
	if c := s.rehearse(); c != (rehearse.Result{Tried: 1}) {
		t.Errorf("%+v", c)
	}
	s.work()
	s.is(id, incident.Restored, "")
}
