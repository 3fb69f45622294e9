package remediate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// A forged twin that says "invokedBy delivery.logs.amazonaws.com" comes first:
// the real record must still be told as what it is (I2).
func TestI2AForgedTwinCannotQuietTampering(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	real := s.tampering("s3", "DeleteBucket", "flow-logs", nil)
	twin := real
	twin.Record.Identity.InvokedBy = "delivery.logs.amazonaws.com"
	s.hear(twin)
	s.hear(real)
	for _, a := range s.alerts(alert.Tamper) {
		if a.Level == alert.Critical {
			return
		}
	}
	t.Errorf("no critical alert: %+v", s.alerts(alert.Tamper))
}

// Deleted, not yet looked at, and its destination goes too: one flow log.
func TestAFlowLogIsThreatenedOnce(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.hear(s.record(id)) // AWS shows it alive still: eventually consistent
	s.hear(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	all := s.alerts(alert.Tamper)
	if len(all) != 1 || len(all[0].FlowLogs) != 1 || !strings.HasSuffix(all[0].Cause, "the destination of 1 flow log") {
		t.Errorf("%d flow logs: %s", len(all[0].FlowLogs), all[0].Cause)
	}
	s.read(s.call("s3", "PutBucketPolicy", omitted, eventID))
	if all := s.alerts(alert.Tamper); len(all) != 2 || !strings.Contains(all[1].Cause, "it may be the destination of 1 flow log;") {
		t.Errorf("its target not stated: %+v", all)
	}
}

// The same record twice, our clock a little behind: one call.
func TestARepeatedRecordIsOneRecentCall(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	f := s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.EventTime = s.now.Add(time.Second) })
	s.hear(f)
	s.now = s.now.Add(100 * time.Millisecond)
	s.hear(f)
	s.now = s.now.Add(time.Minute)
	s.hear(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	all := s.alerts(alert.Tamper)
	a := all[len(all)-1]
	if len(a.Recent) != 1 || a.Recent[0].Calls != 1 {
		t.Errorf("%+v", a.Recent)
	}
}

// ends reports the keys that are open at a pager at the end.
func (s *scene) open(t *testing.T) map[string]string {
	open := map[string]string{}
	for _, a := range s.alerts(alert.Pipeline) {
		if a.Resolves() {
			delete(open, a.DedupKey)
		} else {
			open[a.DedupKey] = a.Title
		}
	}
	return open
}

// What failed to deliver is gone for good (released): the pager must not stay
// open for ever.
func TestDeliveryTroubleEndsWithItsFlowLog(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.plant("vpc-9", nil)
	s.world.FailDelivery(account, region, id, "Access error")
	s.pass(3 * time.Minute)
	s.refresh()
	s.refresh()
	if len(s.open(t)) != 1 {
		t.Fatalf("not opened: %v", s.open(t))
	}
	s.release(24 * time.Hour)
	s.hear(s.attack(id))
	for range 20 {
		s.pass(5 * time.Minute)
		s.refresh()
	}
	if row := s.row(id); row.State != inventory.Gone {
		t.Fatalf("not gone: %s", row.State)
	}
	if open := s.open(t); len(open) != 0 {
		t.Errorf("open for ever: %v", open)
	}
}

// The needs that a rehearsal was refused for are gone: nothing is left to be
// mended, and the pager must not stay open.
func TestRehearsalTroubleEndsWithItsFlowLog(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.plant("vpc-9", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/other/" })
	s.refresh()
	s.world.Fail("CreateFlowLogs", 1, "UnauthorizedOperation", 403)
	s.rehearse()
	if len(s.open(t)) != 1 {
		t.Fatalf("not opened: %v", s.open(t))
	}
	// The refused one is whichever came first: take both away, and plant a third.
	s.release(24 * time.Hour)
	s.hear(s.attack(id, s.here("vpc-9")[0].ID))
	s.plant("vpc-10", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/third/" })
	for range 4 {
		s.pass(5 * time.Minute)
		s.refresh()
	}
	s.rehearse()
	if open := s.open(t); len(open) != 0 {
		t.Errorf("open for ever: %v", open)
	}
}

// TestI12AFloodOfTampering: a message of records about one bucket that
// thousands of flow logs deliver to does not blow up the outbox.
func TestI12AFloodOfTampering(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.plant("vpc-1", nil)
	s.refresh()
	var model inventory.Row
	s.must(s.store.View(t.Context(), func(tx *store.Tx) error {
		c, err := tx.Case(scope, incident.Selection{Resources: []string{"vpc-1"}}, s.now)
		s.must(err)
		model = c.Live("vpc-1")[0]
		return nil
	}))
	const n = 500
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		for i := range n - 1 {
			r := model
			r.ID, r.RootID, r.ResourceID = fmt.Sprintf("fl-%017x", 1000+i), fmt.Sprintf("fl-%017x", 1000+i), fmt.Sprintf("vpc-%08x", i)
			if err := tx.PutFlowLog(r); err != nil {
				return err
			}
		}
		return nil
	}))
	var fs []detection.Finding
	for k := range 120 {
		fs = append(fs, s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.RequestHash = fmt.Sprint(k % 60) }))
	}
	s.hear(fs...)
	all := s.alerts(alert.Tamper)
	if len(all) != 1 {
		t.Fatalf("%d alerts of 60 different calls by one principal on one bucket", len(all))
	}
	a := all[0]
	if b, _ := json.Marshal(a); len(b) > 50<<10 || len(a.FlowLogs)+a.Omitted != n || !strings.HasSuffix(a.Cause, "the destination of 500 flow logs") {
		t.Fatalf("%d bytes, %d flow logs, %d left out: %s", len(b), len(a.FlowLogs), a.Omitted, a.Cause)
	}
	s.pass(6 * time.Minute)
	s.work()
	all = s.alerts(alert.Tamper)
	if len(all) != 2 {
		t.Fatalf("%d alerts after the window", len(all))
	}
	if b, _ := json.Marshal(all[1]); all[1].Repeats == nil || all[1].Repeats.Calls != 119 || len(all[1].Repeats.Examples) != 20 || len(b) > 30<<10 {
		t.Errorf("%d bytes: %+v", len(b), all[1].Repeats)
	}
}

// TestI12RecentCallsAreBounded: what is remembered of one principal's hour.
func TestI12RecentCallsAreBounded(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	recent := func() (all []alert.RecentCalls) {
		s.must(s.store.View(t.Context(), func(tx *store.Tx) (err error) {
			all, err = tx.RecentCalls(mallory, s.now.Add(-time.Hour), s.now, "")
			return err
		}))
		return all
	}
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 1000 {
			if err := tx.AddActorCall(repeat.ActorCall{Principal: mallory, At: s.now.Add(-time.Minute), EventID: fmt.Sprint("e", i), EventName: "DeleteFlowLogs", Refused: true, FlowLogs: 1}); err != nil {
				return err
			}
		}
		return nil
	}))
	s.hear(s.tampering("s3", "PutBucketPolicy", "flow-logs", nil))
	if all := recent(); len(all) != 1 || all[0].Calls != 1000 {
		t.Errorf("%+v", all)
	}
	s.wantAlerts(alert.Tamper, 1)
}

// One call after the other, before AWS shows the first loss: the VPC is dark.
func TestTwoDeletionsMakeAVPCDark(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a := s.plant("vpc-1", nil)
	b := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/b/" })
	s.refresh()
	s.now = s.now.Add(time.Hour)
	s.hear(s.attack(a))
	s.hear(s.attack(b))
	all := s.alerts(alert.Deletion)
	if len(all) != 2 || all[1].Level != alert.Critical {
		t.Errorf("%d %v %v", len(all), all[1].Level, all[1].RaisedBy)
	}
}
