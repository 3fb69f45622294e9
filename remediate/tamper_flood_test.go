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
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// TestI12TamperByAScript: a script repeats one call of tampering. The first one is alerted at once, the others
// are summed up after five minutes. A call by another principal, or of another level, is alerted at once all the
// same.
func TestI12TamperByAScript(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for range 50 {
		s.deliver(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", nil))
		s.now = s.now.Add(time.Second)
	}
	s.wantAlerts(alert.Tamper, 1)
	s.deliver(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", func(r *cloudtrail.Record) { r.Identity.ARN = "arn:aws:iam::111122223333:user/eve" }))
	s.wantAlerts(alert.Tamper, 2)
	s.deliver(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", func(r *cloudtrail.Record) { r.Identity.InvokedBy = "delivery.logs.amazonaws.com" }))
	s.wantAlerts(alert.Tamper, 3)
	s.advance(5 * time.Minute)
	s.reconcile()
	s.wantAlerts(alert.Tamper, 4)
	if all := s.alerts(alert.Tamper); all[3].Repeats == nil || all[3].Repeats.Calls != 49 || len(all[3].Repeats.Examples) != 20 {
		t.Errorf("%+v", all[3].Repeats)
	}
	s.deliver(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", nil))
	s.wantAlerts(alert.Tamper, 4) // the burst goes on
	s.advance(10 * time.Minute)
	s.wantAlerts(alert.Tamper, 5)
	s.advance(5 * time.Minute) // a window without calls ends the burst
	s.reconcile()
	s.deliver(s.tampering("logs", "PutRetentionPolicy", "/vpc/flow", nil))
	s.wantAlerts(alert.Tamper, 6)
	if all := s.alerts(alert.Tamper); all[5].Repeats != nil || all[5].Recent[0].Calls != 52 {
		t.Errorf("%+v %+v", all[5].Repeats, all[5].Recent)
	}
}

// TestI12AFloodOfTampering: one message has 120 records about a bucket to which 500 flow logs deliver. There are
// two alerts, and they are small enough for the outbox.
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
	s.deliver(fs...)
	all := s.alerts(alert.Tamper)
	if len(all) != 1 {
		t.Fatalf("%d alerts of 60 different calls by one principal on one bucket, want 1", len(all))
	}
	a := all[0]
	if b, _ := json.Marshal(a); len(b) > 50<<10 || len(a.FlowLogs)+a.Omitted != n || !strings.HasSuffix(a.Cause, "the destination of 500 flow logs") {
		t.Fatalf("%d bytes, %d flow logs, %d left out: %s", len(b), len(a.FlowLogs), a.Omitted, a.Cause)
	}
	s.advance(6 * time.Minute)
	s.reconcile()
	all = s.alerts(alert.Tamper)
	if len(all) != 2 {
		t.Fatalf("%d alerts after the window, want 2", len(all))
	}
	if b, _ := json.Marshal(all[1]); all[1].Repeats == nil || all[1].Repeats.Calls != 119 || len(all[1].Repeats.Examples) != 20 || len(b) > 30<<10 {
		t.Errorf("%d bytes: %+v", len(b), all[1].Repeats)
	}
}

// TestI12ForgedAccountsAreBounded: a record of tampering may name any account, so that the configuration does
// not limit how many accounts there are. Bursts and alerts are bounded all the same.
func TestI12ForgedAccountsAreBounded(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for k := range 800 {
		s.deliver(s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.Account = fmt.Sprintf("%012d", k) }))
	}
	s.must(s.store.View(t.Context(), func(tx *store.Tx) error {
		n, err := tx.CountBursts(repeat.Tampering)
		if n > 210 {
			t.Errorf("%d bursts are stored, want at most 210", n)
		}
		return err
	}))
	first := len(s.alerts(alert.Tamper))
	s.advance(6 * time.Minute)
	s.reconcile()
	all, calls := s.alerts(alert.Tamper), 0
	for _, a := range all {
		if a.Repeats != nil {
			calls += a.Repeats.Calls
		}
	}
	if first > 210 || first+calls != 800 {
		t.Errorf("%d alerts at once, want at most 210; %d more calls are summed up", first, calls)
	}
}

// TestI12OnePrincipalTampersWithAll: a principal changes 200 different trails. Each trail has a burst of its
// own, but only ten alerts are sent at once for one principal. The deletion of a destination is not held.
func TestI12OnePrincipalTampersWithAll(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for k := range 200 {
		s.deliver(s.tampering("cloudtrail", "StopLogging", fmt.Sprintf("trail-%d", k), nil))
	}
	s.wantAlerts(alert.Tamper, 10)
	s.deliver(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	if all := s.alerts(alert.Tamper); all[len(all)-1].Level != alert.Critical {
		t.Error("the deletion of a destination is held")
	}
	s.advance(6 * time.Minute)
	s.reconcile()
	all := s.alerts(alert.Tamper)
	if last := all[len(all)-1]; len(all) != 12 || last.Repeats == nil || last.Repeats.Calls != 190 || last.Repeats.Examples[0].Target == last.Repeats.Examples[1].Target {
		t.Errorf("%d alerts, the last %+v", len(all), last)
	}
}

// TestI12AGraverCallIsNotHeldByALongFlood: a principal has repeated less grave calls for half an hour. The
// deletion of a destination is alerted at once all the same.
func TestI12AGraverCallIsNotHeldByALongFlood(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for window := range 6 {
		for k := range 15 {
			s.deliver(s.tampering("cloudtrail", "StopLogging", fmt.Sprintf("trail-%d-%d", window, k), nil))
		}
		s.advance(5*time.Minute + time.Second)
		s.reconcile()
	}
	s.deliver(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	if all := s.alerts(alert.Tamper); all[len(all)-1].Level != alert.Critical {
		t.Error("the deletion of a destination is held")
	}
}

// TestI12AGraverCallIsNotHeldByMany: so many bursts are stored that none can be added. The deletion of a
// destination is alerted at once all the same.
func TestI12AGraverCallIsNotHeldByMany(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for k := range 800 {
		s.deliver(s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.Account = fmt.Sprintf("%012d", k) }))
	}
	for _, who := range []string{account, "999988887777"} {
		s.deliver(s.tampering("s3", "DeleteBucket", "flow-logs", func(r *cloudtrail.Record) { r.Account = who }))
		if all := s.alerts(alert.Tamper); all[len(all)-1].Level != alert.Critical {
			t.Errorf("the deletion of a destination, by a record of account %s, is held", who)
		}
	}
}

// TestI12RecentCallsAreBounded: a principal has made a thousand calls within the last hour. At most a thousand
// are kept, so that one more adds none.
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
	s.deliver(s.tampering("s3", "PutBucketPolicy", "flow-logs", nil))
	if all := recent(); len(all) != 1 || all[0].Calls != 1000 {
		t.Errorf("%+v", all)
	}
	s.wantAlerts(alert.Tamper, 1)
}

// TestARepeatedRecordIsOneRecentCall: SQS delivers a record twice, and this machine's clock is behind AWS's. The alert
// counts one earlier call.
func TestARepeatedRecordIsOneRecentCall(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	f := s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.EventTime = s.now.Add(time.Second) })
	s.deliver(f)
	s.now = s.now.Add(100 * time.Millisecond)
	s.deliver(f)
	s.now = s.now.Add(time.Minute)
	s.deliver(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	all := s.alerts(alert.Tamper)
	a := all[len(all)-1]
	if len(a.Recent) != 1 || a.Recent[0].Calls != 1 {
		t.Errorf("%+v", a.Recent)
	}
}
