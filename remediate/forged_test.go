package remediate_test

import (
	"fmt"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

const ci = "arn:aws:iam::111122223333:role/ci"

// ruled is a scene with one rule.
func ruled(t *testing.T, principal string, action incident.Action, wait time.Duration) *scene {
	t.Helper()
	return configured(t, func(p *incident.Policy) {
		p.Rules = []incident.Rule{{Principal: principal, Action: action, Wait: wait}}
	})
}

// as makes a record that of a role's session.
func as(f detection.Finding, role string) detection.Finding {
	f.Record.Identity = cloudtrail.Identity{Type: "AssumedRole", SessionIssuer: role}
	return f
}

// TestI2ATimeWithinAnOldReleaseReleasesNothing: a forged record that bears it
// comes before the real one, or while nobody has looked yet.
func TestI2ATimeWithinAnOldReleaseReleasesNothing(t *testing.T) {
	t.Parallel()
	for _, looked := range []bool{false, true} {
		t.Run(fmt.Sprint(looked), func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.release(time.Hour)
			within := s.now.Add(10 * time.Minute)
			s.now = s.now.Add(5 * time.Hour)
			s.refresh()
			real := s.attack(id)
			forged := s.record(id)
			forged.Record.EventTime = within
			s.hear(forged)
			if looked {
				s.work()
				s.is(id, incident.Closed, incident.Released)
			}
			s.hear(real)
			s.work()
			s.is(id, incident.Restored, "")
			s.restored("vpc-1")
		})
	}
}

// TestI12UnknownOnesComeLast: what a forged record names without end takes
// nothing from the restore of what is known.
func TestI12UnknownOnesComeLast(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for m := range 3 {
		var junk []string
		for n := range 1000 {
			junk = append(junk, fmt.Sprintf("fl-%017x", 0xf0000000+1000*m+n))
		}
		s.hear(s.record(junk...))
	}
	s.hear(s.attack(id))
	s.step()
	s.is(id, incident.Restored, "")
}

// TestI2AYoungFlowLogIsNotForgotten: a forged record of one who may delete
// names a flow log that not every look shows yet.
func TestI2AYoungFlowLogIsNotForgotten(t *testing.T) {
	t.Parallel()
	s := ruled(t, ci, incident.Ignore, 0)
	s.protect(1)
	young := s.plant("vpc-2", nil)
	s.hear(s.made(young))
	s.now = s.now.Add(2 * time.Second)
	s.world.SetConsistencyDelay(10 * time.Second)
	s.hear(as(s.record(young), ci))
	s.work()
	s.is(young, incident.Open, "")
	s.world.SetConsistencyDelay(0)
	s.pass(time.Hour)
	s.is(young, incident.Closed, incident.StillThere)
	if r := s.row(young); r.State != inventory.Live {
		t.Fatalf("AWS shows it, and its row is %s", r.State)
	}
	s.attack(young) // and no event
	s.refresh()
	s.pass(time.Hour)
	s.restored("vpc-2")
}

// TestI2AForgedRecordOfTheReplacement does not loosen what is done about its
// loss, not even where drift only alerts.
func TestI2AForgedRecordOfTheReplacement(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.DriftAlerts = true })
	id := s.protect(1)[0]
	s.attackAndWork(id)
	second := s.is(id, incident.Restored, "").NewID
	s.hear(s.record(second))
	s.pass(5 * time.Minute)
	s.is(second, incident.Closed, incident.StillThere)
	s.attack(second) // and no event
	s.pass(time.Hour)
	s.refresh()
	s.pass(time.Hour)
	s.restored("vpc-1")
}

// TestI2AForgedTwinLowersNothing: neither the level nor the actor of the real
// deletion, nor is a real attempt swallowed.
func TestI2AForgedTwinLowersNothing(t *testing.T) {
	t.Parallel()
	s := ruled(t, ci, incident.Ignore, 0)
	id := s.protect(1)[0]
	real := s.attack(id)
	forged := as(s.record("fl-0000dead"), ci)
	forged.Record.EventID = real.Record.EventID
	s.hear(forged)
	s.hear(real)
	s.work()
	for _, kind := range []alert.Kind{alert.Deletion, alert.Restored} {
		all := s.alerts(kind)
		if a := all[len(all)-1]; a.Actor == nil || a.Actor.ARN != mallory || kind == alert.Deletion && a.Level != alert.Critical {
			t.Errorf("%s of level %s, by %+v", a.Kind, a.Level, a.Actor)
		}
	}
	refused := func(id string) detection.Finding {
		f := s.record(id)
		f.Record.ErrorCode, f.Record.EventID = "Client.UnauthorizedOperation", "attempt"
		f, _ = detection.Judge(f.Record)
		return f
	}
	s.hear(refused("fl-0000dead"))
	s.hear(refused(id))
	s.wantAlerts(alert.Attempt, 2)
}

// TestI2ForgedRecordsWithoutEnd leave room for the real one, and for what
// became of it: a record that comes again tells nothing again.
func TestI2ForgedRecordsWithoutEnd(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for range 205 {
		s.hear(s.record(id))
		s.now = s.now.Add(time.Second)
	}
	s.pass(time.Hour)
	f := s.attack(id)
	for range 5 {
		s.hear(f)
		s.pass(15 * time.Minute)
	}
	s.is(id, incident.Verified, "")
	for _, kind := range []alert.Kind{alert.Restored, alert.Closed} {
		if n := len(s.alertsOf(kind, f.Record.EventID)); n != 1 {
			t.Errorf("%d alerts %s of one event", n, kind)
		}
	}
	_, history, _, err := s.store.FindIncident(t.Context(), id)
	if s.must(err); history[len(history)-1].State != incident.Verified {
		t.Errorf("the history ends with %+v", history[len(history)-1])
	}
}

// TestI8ARecordWithoutAScope asks for a refresh of all.
func TestI8ARecordWithoutAScope(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	f := s.record()
	f.Record.Account, f.Record.Region = "", ""
	s.hear(f)
	if len(s.soon) == 0 {
		t.Error("no refresh is asked for")
	}
}

// TestI12RecordsOfCreatesKeepThePace, however many come.
func TestI12RecordsOfCreatesKeepThePace(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	c := s.answering(&calls{})
	for n := range 500 {
		s.hear(madeUp(n))
	}
	if n := c.describes.Load(); n > 100 {
		t.Errorf("%d looks in one moment", n)
	}
}

// TestWhatIsBackIsLeftAlone: a person asks for what a step has restored
// meanwhile.
func TestWhatIsBackIsLeftAlone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.hear(s.attack(id))
	s.pass(time.Hour)
	s.is(id, incident.Verified, "")
	i, _, err := s.r.RestoreByHand(t.Context(), scope, id)
	if s.must(err); i.State != incident.Verified {
		t.Errorf("%+v", i)
	}
	s.due(id, 0) // as an older version left it
	c := s.answering(&calls{})
	for range 10 {
		s.work()
		s.now = s.now.Add(time.Second)
	}
	if n := c.describes.Load(); n > 1 || s.creates() != 1 {
		t.Errorf("%d looks and %d creates", n, s.creates())
	}
}

// TestI2AForgedTwinInEverythingButTheActor: one whom a rule ignores is said to
// have done, in the same event, what somebody else has.
func TestI2AForgedTwinInEverythingButTheActor(t *testing.T) {
	t.Parallel()
	s := ruled(t, ci, incident.Ignore, 0)
	id := s.protect(1)[0]
	real := s.attack(id)
	forged := as(real, ci)
	s.hear(forged)
	s.work()
	s.is(id, incident.Closed, incident.Exempt)
	s.hear(real)
	s.hear(real)
	s.work()
	s.is(id, incident.Restored, "")
	s.restored("vpc-1")
	all := s.alerts(alert.Deletion)
	if len(all) != 2 || all[1].Level != alert.Critical || all[1].Actor.ARN != mallory {
		t.Errorf("%+v", all)
	}
}

// TestI9RecordsOfCreatesStarveNoRestore, though they come as fast as the pace
// allows calls.
func TestI9RecordsOfCreatesStarveNoRestore(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for n := range 60 {
		s.hear(madeUp(n))
	}
	s.hear(s.attack(id))
	for n := range 100 { // 2 seconds, 50 a second
		s.now = s.now.Add(20 * time.Millisecond)
		s.hear(madeUp(100 + n))
		s.step()
	}
	if i := s.incident(id); i.State != incident.Restored {
		t.Errorf("after 2 s of forged creates at 50/s: %s, %d creates", i.State, s.creates())
	}
}

// TestI9RepeatedRecordsStarveNoRestore, of a flow log that is alive.
func TestI9RepeatedRecordsStarveNoRestore(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(2)
	for range 60 {
		s.hear(s.record(ids[1]))
	}
	s.hear(s.attack(ids[0]))
	for range 100 { // 2 seconds, 50 a second
		s.now = s.now.Add(20 * time.Millisecond)
		s.hear(s.record(ids[1]))
		s.step()
	}
	if i := s.incident(ids[0]); i.State != incident.Restored {
		t.Errorf("after 2 s of forged deletes at 50/s: %s, %d creates", i.State, s.creates())
	}
}

// TestI2AForgedTwinComesLater, and does not take over who did it.
func TestI2AForgedTwinComesLater(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	real := s.attack(id)
	forged := as(s.record("fl-0000dead"), ci)
	forged.Record.EventID = real.Record.EventID
	s.hear(real)
	s.hear(forged)
	s.pass(time.Minute)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.pass(time.Hour)
	for _, kind := range []alert.Kind{alert.Blocked, alert.Restored, alert.Closed} {
		all := s.alerts(kind)
		if a := all[len(all)-1]; a.Actor == nil || a.Actor.ARN != mallory {
			t.Errorf("%s by %+v", a.Kind, a.Actor)
		}
	}
}

// TestI2AForgedTwinOfADrift swallows nothing: it bears the ID of an event that
// is ours.
func TestI2AForgedTwinOfADrift(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id)
	s.refresh()
	forged := s.record("fl-0000dead")
	forged.Record.EventID = s.incident(id).EventID
	s.hear(forged)
	s.pass(time.Hour)
	if !s.named(alert.Deletion)[id] {
		t.Errorf("the deletion of %s (%s) was never told", id, s.incident(id).State)
	}
}

// TestI2WhatWasLetGoStaysGone: a record of weeks later is about no loss of it.
func TestI2WhatWasLetGoStaysGone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.release(time.Hour)
	s.now = s.now.Add(time.Minute)
	s.hear(s.attack(id))
	s.pass(30 * 24 * time.Hour)
	s.is(id, incident.Closed, incident.Released)
	s.hear(s.record(id))
	s.pass(time.Hour)
	if n := len(s.here("vpc-1")); n != 0 {
		t.Errorf("%s is back 30 days after its released deletion: %d creates", id, s.creates())
	}
}

// madeUp is a record of a create that never was.
func madeUp(n int) detection.Finding {
	return detection.Finding{Kind: detection.Created, Record: cloudtrail.Record{EventID: fmt.Sprint("made-", n), Account: account, Region: region,
		CreatedIDs: []string{fmt.Sprintf("fl-%017x", 0xf0000000+n)}}}
}
