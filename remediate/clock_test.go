package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate"
)

// TestAClockThatGoesBack: what was to be done in a minute is not put off until
// the clock is there again.
func TestAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(2)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.hear(s.attack(ids...))
	s.work()
	s.is(ids[0], remediate.Blocked, remediate.Permission)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.now = s.now.Add(-24 * time.Hour)
	s.pass(time.Minute)
	s.is(ids[0], remediate.Restored, "")
	s.restored("vpc-1")
	s.pass(time.Hour)
	s.is(ids[1], remediate.Verified, "")
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 2, alert.Restored: 1, alert.Closed: 1})
}

// TestAClockThatLeapsForward: what then seems old enough to be believed is
// looked at once more before anything is made.
func TestAClockThatLeapsForward(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(1)
	s.hear(s.record(ids[0])) // of a flow log that is alive
	s.work()
	s.now = s.now.Add(24 * time.Hour)
	s.pass(time.Hour)
	s.is(ids[0], remediate.Closed, remediate.StillThere)
	if s.restored("vpc-1").ID != ids[0] || s.creates() != 0 {
		t.Error("something was made")
	}
}
