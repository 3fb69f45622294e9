package remediate_test

import (
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
)

func rejects(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" }

// TestTwoToOneDestination: where AWS allows two flow logs of one resource to one destination,
// both are protected, whether the first refresh finds them or one comes later, and each comes
// back by itself.
func TestTwoToOneDestination(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AllowDuplicates(true)
	s.plant("vpc-2", rejects)
	ids := s.protect(2)
	s.plant("vpc-1", rejects)
	s.refresh()
	for _, vpc := range []string{"vpc-1", "vpc-2"} {
		for _, f := range s.here(vpc) {
			if !s.row(f.ID).Protected {
				t.Errorf("%s of %s is not protected", f.ID, vpc)
			}
		}
	}
	s.now = s.now.Add(time.Hour)
	second := s.here("vpc-1")
	second = slices.DeleteFunc(second, func(f fakeaws.FlowLog) bool { return f.ID == ids[0] })
	s.hear(s.attack(ids[0]))
	s.pass(time.Hour)
	if !s.row(second[0].ID).Protected || len(s.here("vpc-1")) != 2 {
		t.Errorf("%+v", s.here("vpc-1"))
	}
	s.hear(s.attack(second[0].ID))
	s.pass(time.Hour)
	here := s.here("vpc-1")
	if len(here) != 2 || here[0].TrafficType == here[1].TrafficType {
		t.Errorf("%+v", here)
	}
	s.told(map[alert.Kind]int{alert.Deletion: 2, alert.Restored: 2, alert.Closed: 2})
}

// TestADecoyThatAWSAllows: what somebody puts in the place of a lost flow log is not protected
// while that is lost. Where AWS allows both, the lost one comes back, and with that the other
// one is protected, too.
func TestADecoyThatAWSAllows(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	s.hear(s.attack(id))
	other := s.plant("vpc-1", rejects)
	s.refresh()
	if s.row(other).Protected {
		t.Error("protected while it stands in the place of a lost one")
	}
	s.pass(time.Hour)
	s.is(id, incident.Verified, "")
	if !s.row(other).Protected {
		t.Error("it stands beside what came back, and is not protected")
	}
}

// TestADecoySeenBeforeTheLoss: a decoy that was learned before anything reported the loss is
// none that is restored.
func TestADecoySeenBeforeTheLoss(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	deletion := s.attack(id)
	s.now = s.now.Add(time.Second)
	decoy := s.plant("vpc-1", rejects)
	s.hear(s.made(decoy))
	if !s.row(decoy).Protected {
		t.Error("what stands beside a live one is not protected")
	}
	deleted := s.attack(decoy)
	s.hear(deletion, deleted)
	s.pass(time.Hour)
	s.is(id, incident.Verified, "")
	s.is(decoy, incident.Closed, incident.Exempt)
	if f := s.restored("vpc-1"); f.TrafficType != "ALL" {
		t.Errorf("%+v", f)
	}
}
