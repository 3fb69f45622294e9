package remediate_test

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestI5AStalePageRevivesNothing: a listing that still shows a flow log whose
// row is gone changes nothing of it.
func TestI5AStalePageRevivesNothing(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attackAndWork(id)
	s.world.SetConsistencyDelay(time.Minute)
	before := s.row(id)
	if c := s.refresh(); c.Listed != 1 || c.Changed+c.New+c.Lost != 0 {
		t.Fatalf("the listing is not stale, or was believed: %+v", c)
	}
	if r := s.row(id); r.State != inventory.Gone || !r.GoneAt.Equal(before.GoneAt) {
		t.Errorf("%+v", r)
	}
}

// TestI2ADecoyBeforeAnythingTold: the refresh that first shows what has taken the
// place of a protected flow log finds that one lost: it is a decoy; somewhere else it
// is none. Once the lost one is given up, it is what there is.
func TestI2ADecoyBeforeAnythingTold(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	less := func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" }
	decoy := s.plant("vpc-1", less)
	other := s.plant("vpc-1", func(f *fakeaws.FlowLog) { less(f); f.LogDestination = bucket + "/elsewhere" })
	s.refresh()
	if s.row(decoy).Protected || !s.row(other).Protected {
		t.Error("the decoy is protected, or what is none is not")
	}
	s.r.Policy.AlertOnly = true
	s.hear(f)
	s.work()
	if !s.row(decoy).Protected {
		t.Error("with the incident closed, what stands there is protected")
	}
}

func TestDeliveryThatFailsAndHeals(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(3)
	s.world.FailDelivery(account, region, ids[0], "Access error")
	s.world.FailDelivery(account, region, ids[2], "Rate limited")
	for range 3 {
		s.refresh()
		s.now = s.now.Add(time.Minute)
	}
	s.told(map[alert.Kind]int{alert.Pipeline: 1})
	if a := s.alerts(alert.Pipeline)[0]; a.Level != alert.High || len(a.FlowLogs) != 2 || a.FlowLogs[0].FlowLogID != ids[0] ||
		a.Title != "Does not deliver: 2 flow logs in 111122223333 eu-west-1" || !strings.Contains(a.Text, "Rate limited") {
		t.Errorf("%+v", a)
	}
	s.crash()
	s.world.FailDelivery(account, region, ids[0], "")
	s.refresh()
	s.refresh()
	s.told(map[alert.Kind]int{alert.Pipeline: 2})
	if a := s.alerts(alert.Pipeline)[1]; a.Level != alert.Informational || len(a.FlowLogs) != 1 || !strings.HasPrefix(a.Title, "Delivers again: the flow log of vpc-1") || a.DedupKey == s.alerts(alert.Pipeline)[0].DedupKey {
		t.Errorf("%+v", a)
	}
	s.world.FailDelivery(account, region, ids[2], "")
	s.now = s.now.Add(time.Minute)
	s.refresh()
	s.refresh()
	s.told(map[alert.Kind]int{alert.Pipeline: 3})
	if a := s.alerts(alert.Pipeline); !a[2].Resolves() || a[2].DedupKey != a[0].DedupKey {
		t.Errorf("a pager that was opened by %s is not closed by %s", a[0].DedupKey, a[2].DedupKey)
	}
}

// TestAReplacementThatDoesNotDeliverIsToldOnce: verification and the refresh
// both see it. Either alone does, and says nothing of a restore that would be refused.
func TestAReplacementThatDoesNotDeliverIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, after bool }{
		"by the refresh":             {before: true, after: true},
		"by verification":            {after: true},
		"by verification, and alone": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.attackAndWork(id)
			s.world.FailDelivery(account, region, s.incident(id).NewID, "Access error")
			if c.before {
				s.now = s.now.Add(time.Second)
				s.refresh()
			}
			s.pass(12 * time.Minute)
			if c.after {
				s.refresh()
			}
			s.is(id, incident.Restored, incident.NotDelivering)
			s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Pipeline: 1})
			if a := s.alerts(alert.Pipeline)[0]; !c.before && (a.Part != alert.PartDelivery || a.Title != "Does not deliver: Access error (the flow log of vpc-1) in 111122223333 eu-west-1" ||
				!strings.Contains(a.Text, "but it does not deliver: Access error")) {
				t.Errorf("told %+v", a)
			}
			s.world.FailDelivery(account, region, s.incident(id).NewID, "")
			again := 1
			if c.after {
				s.refresh()
				again = 2
			}
			s.pass(20 * time.Minute)
			s.is(id, incident.Verified, "")
			s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1, alert.Pipeline: again})
		})
	}
}

// TestANewDestinationIsTold: one that nothing delivered to before the first
// refresh; those that the first refresh finds are as things are.
func TestANewDestinationIsTold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	s.told(nil)
	s.world.AddDestination(evil)
	id := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = evil })
	s.hear(s.made(id))
	s.refresh()
	s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/new" })
	s.refresh()
	s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/new" })
	s.refresh()
	s.told(map[alert.Kind]int{alert.Destination: 2})
	if a := s.alerts(alert.Destination)[0]; a.Level != alert.High || a.Cause != evil || a.FlowLogs[0].FlowLogID != id || !strings.Contains(a.Text, "made by "+mallory) {
		t.Errorf("%+v", a)
	}
}

// TestADestinationThatIsNotOursIsToldAtFirstSight: even by the first refresh,
// and it is not protected.
func TestADestinationThatIsNotOursIsToldAtFirstSight(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.r.Policy.Destinations = []string{bucket}
	ours, theirs := s.plant("vpc-1", nil), s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::mallory" })
	s.refresh()
	s.refresh()
	if !s.row(ours).Protected || s.row(theirs).Protected {
		t.Error("the wrong ones are protected")
	}
	s.told(map[alert.Kind]int{alert.Destination: 1})
	s.hear(s.attack(theirs))
	s.pass(time.Hour)
	s.is(theirs, "closed", "exempt")
}

// TestI6ALostDecoyMakesNoDecoys: what puts a protected flow log back is
// protected at once, even while the deletion of a decoy that stood there before
// is still open: nothing is restored from that one.
func TestI6ALostDecoyMakesNoDecoys(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	lost := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.refresh()
	s.hear(lost, s.attack(decoy))
	back := s.plant("vpc-1", nil)
	s.refresh()
	if !s.row(back).Protected {
		t.Fatal("it is taken for a decoy of the decoy")
	}
	again := s.attack(back) // before anything was decided
	s.hear(again)
	s.pass(time.Hour)
	s.restored("vpc-1")
}

// torn is the record that a VPC was deleted.
func torn(vpc string) detection.Finding {
	return detection.Finding{Kind: detection.TornDown, Record: cloudtrail.Record{EventID: "torn-" + vpc, Account: account, Region: region, ResourceIDs: []string{vpc}}}
}

// TestATornDownVPCIsLookedAt: a record of DeleteVpc asks for a refresh where
// flow logs are on it, so that AWS's silent removal is noticed soon; one of
// another VPC, or a forged one, changes nothing more.
func TestATornDownVPCIsLookedAt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	s.hear(torn("vpc-9"))
	if len(s.soon) != 0 {
		t.Error("a VPC without flow logs costs a refresh")
	}
	s.hear(torn("vpc-1"), torn("vpc-2")) // the second is a lie
	if len(s.soon) == 0 {
		t.Fatal("no refresh is asked for")
	}
	s.world.RemoveResource(account, region, "vpc-1")
	s.refresh()
	s.pass(time.Hour)
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
	if a := s.alerts(alert.Deletion)[0]; a.Level != alert.Informational {
		t.Errorf("%+v", a)
	}
	s.restored("vpc-2")
}

// TestATornDownVPCNeedsNoEvent: the loss of its flow logs has no record to wait for,
// so that it is known to be gone when people hear of it, whichever is heard first.
// Where the record lies, the flow log is back at once, and people are woken.
func TestATornDownVPCNeedsNoEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, lies bool }{"the record is first": {true, false}, "the refresh is first": {false, false}, "the record lies": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			if c.first {
				s.hear(torn("vpc-1"))
			}
			if c.lies {
				s.attack(id)
			} else {
				s.world.RemoveResource(account, region, "vpc-1")
			}
			s.refresh()
			if !c.first {
				s.pass(10 * time.Second)
				s.hear(torn("vpc-1"))
			}
			s.pass(30 * time.Second)
			a := s.alerts(alert.Deletion)
			if len(a) != 1 || (a[0].Level == alert.Informational) == c.lies {
				t.Fatalf("told %+v", a)
			}
			s.pass(20 * time.Minute)
			if c.lies {
				s.restored("vpc-1")
			} else {
				s.is(id, incident.Closed, incident.ResourceGone)
			}
			s.resolved()
		})
	}
}

// TestATornDownVPCIsOverdueInTime: where a record says that the VPC was deleted, there
// is no wait, and people hear after five minutes that the flow log is not back.
func TestATornDownVPCIsOverdueInTime(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"the record is first": true, "the refresh is first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.protect(1)
			s.world.Throttle("CreateFlowLogs", 1<<30)
			if first {
				s.hear(torn("vpc-1"))
			}
			s.world.RemoveResource(account, region, "vpc-1")
			s.refresh()
			if !first {
				s.pass(time.Second)
				s.hear(torn("vpc-1"))
			}
			s.pass(5*time.Minute + 5*time.Second)
			s.wantAlerts(alert.Blocked, 1)
		})
	}
}

// TestI2ImportedActsOnlyByHand: a row that came from a file was never seen in
// AWS, and no record and no refresh has anything made of it. A listing that
// shows it makes it like any other; a person may ask for it before.
func TestI2ImportedActsOnlyByHand(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	s.pass(time.Hour)
	s.refresh()
	elsewhere := func(vpc string) func(*fakeaws.FlowLog) {
		return func(f *fakeaws.FlowLog) { f.LogDestination += "/" + vpc }
	}
	seen := s.plant("vpc-8", elsewhere("vpc-8"))
	at := s.now
	for id, vpc := range map[string]string{"fl-0000000000000beef": "vpc-7", "fl-0000000000000cafe": "vpc-9", seen: "vpc-8"} {
		row := s.row(s.here("vpc-1")[0].ID)
		row.ID, row.RootID, row.ResourceID, row.Tags = id, id, vpc, map[string]string{"Name": vpc}
		row.LogDestination += "/" + vpc
		s.world.AddResource(account, region, vpc)
		n, err := s.store.Import(t.Context(), []inventory.Row{row})
		if s.must(err); n != 1 {
			t.Fatalf("%d imported", n)
		}
	}
	s.hear(s.record("fl-0000000000000beef"))
	s.pass(10 * time.Minute)
	s.is("fl-0000000000000beef", incident.Closed, incident.Unknown)
	s.refresh()
	s.pass(10 * time.Minute)
	if n := s.creates(); n != 0 {
		t.Errorf("%d creates of what AWS never showed", n)
	}
	s.hear(s.record("fl-0000000000000beef"))
	s.pass(10 * time.Minute)
	s.is("fl-0000000000000beef", incident.Closed, incident.Unknown)

	if _, _, err := s.r.RestoreByHand(t.Context(), scope, "fl-0000000000000cafe"); err != nil {
		t.Fatal(err)
	}
	s.is("fl-0000000000000cafe", incident.Restored, "")
	if n := len(s.here("vpc-9")); n != 1 {
		t.Errorf("%d flow logs", n)
	}

	if r := s.row(seen); r.Imported || r.FirstSeenAt.After(at) {
		t.Errorf("%+v", r)
	}
	s.plant("vpc-6", elsewhere("vpc-8"))
	s.refresh()
	s.wantAlerts(alert.Destination, 0) // the destination was imported
	s.attackAndWork(seen)
	s.is(seen, incident.Restored, "")
	if n := len(s.here("vpc-8")); n != 1 {
		t.Errorf("%d flow logs", n)
	}
}

// TestDestinationsOfAnotherConfiguration: inventory.destinations holds for what
// was learned before it was changed, too.
func TestDestinationsOfAnotherConfiguration(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.Destinations = []string{"arn:aws:s3:::other"} })
	id := s.plant("vpc-1", nil)
	s.refresh()
	if s.row(id).Protected {
		t.Fatal("it is protected, though it goes elsewhere")
	}
	s.policy.Destinations = append(s.policy.Destinations, bucket)
	s.crash()
	s.now = s.now.Add(time.Hour)
	s.refresh()
	if r := s.row(id); !r.Protected || r.Excluded {
		t.Errorf("wider: %+v", r)
	}
	s.policy.Destinations = s.policy.Destinations[:1]
	s.crash()
	s.refresh()
	if r := s.row(id); r.Protected || !r.Excluded {
		t.Errorf("narrower: %+v", r)
	}
	s.hear(s.attack(id))
	s.pass(time.Hour)
	s.is(id, incident.Closed, incident.Exempt)
	if a := s.alerts(alert.Deletion)[0]; a.Level != alert.Informational {
		t.Errorf("its deletion is told as %s", a.Level)
	}
}
