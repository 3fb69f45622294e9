package remediate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// TestI12ARefusedCallKeepsItsTextOnce: AWS refuses the deletion of a thousand flow logs with a long message for
// each. The alert keeps the message once, and names fifty of the IDs, known flow logs first.
func TestI12ARefusedCallKeepsItsTextOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	known := s.protect(1)[0]
	s.deliver(s.recordBy(nobody, refusal, refusalText, append(madeUpIDs(999, 0), known)...))
	a := s.alerts(alert.Attempt)[0]
	texts := 0
	for _, f := range a.FailedFlowLogs {
		if f.ErrorMessage != "" {
			texts++
		}
	}
	b, err := json.Marshal(a)
	s.must(err)
	if len(a.FailedFlowLogs) != 50 || a.FailedOmitted != 950 || texts != 1 || len(b) > 12<<10 {
		t.Errorf("%d IDs, %d more, %d texts, %d bytes", len(a.FailedFlowLogs), a.FailedOmitted, texts, len(b))
	}
	if f := a.FailedFlowLogs[0]; f.FlowLogID != known || f.ResourceID != "vpc-1" {
		t.Errorf("the known flow log does not come first: %+v", f)
	}
	if !strings.HasPrefix(a.Title, "Refused: deleting 1000 flow logs by user/nobody") || !strings.Contains(a.Text, "1000 flow logs in all") {
		t.Errorf("%s\n%s", a.Title, a.Text)
	}
}

// TestI2AHarmlessCallSilencesNone: an attacker makes a harmless call first. A graver call that follows is
// alerted at once all the same. The alert that sums up the held calls has the level of the gravest.
func TestI2AHarmlessCallSilencesNone(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	id := s.row(s.flowLogsOn("vpc-1")[0].ID).ID
	s.deliver(s.recordBy(nobody, refusal, "no", madeUpIDs(1, 0)...))
	s.deliver(s.recordBy(nobody, refusal, "no", madeUpIDs(1, 1)...)) // held
	s.deliver(s.recordBy(nobody, refusal, "no", id))                 // graver: a known flow log
	s.deliver(s.recordBy(nobody, refusal, "no", id))                 // held
	s.wantAlerts(alert.Attempt, 2)
	quiet := func(r *cloudtrail.Record) { r.Identity.InvokedBy = "delivery.logs.amazonaws.com" }
	s.deliver(s.tampering("s3", "PutBucketPolicy", "flow-logs", quiet))
	s.deliver(s.tampering("s3", "PutBucketPolicy", "flow-logs", nil))                                                             // graver
	s.deliver(s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.RequestHash = "another" }))        // held
	s.deliver(s.tampering("s3", "DeleteBucketPolicy", "flow-logs", nil), s.tampering("logs", "DeleteLogGroup", "/vpc/flow", nil)) // other calls: not held
	s.deliver(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	var levels []string
	for _, a := range s.alerts(alert.Tamper) {
		levels = append(levels, string(a.Level))
	}
	if got := strings.Join(levels, " "); got != "informational high high critical critical" {
		t.Errorf("tampering alerted as %s", got)
	}
	s.advance(6 * time.Minute)
	s.reconcile()
	all := s.alerts(alert.Attempt)
	if last := all[len(all)-1]; len(all) != 3 || last.Repeats == nil || last.Repeats.Calls != 2 || last.Level != alert.High || last.Repeats.Examples[0].FlowLogID != id {
		t.Errorf("%d alerts, the last %+v", len(all), last)
	}
}

// TestARepeatedCallIsAlertedAfterACrash: held calls are in the state file, so that a crash loses none of them.
func TestARepeatedCallIsAlertedAfterACrash(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	for k := range 3 {
		s.deliver(s.recordBy(nobody, refusal, "no", madeUpIDs(2, k)...))
	}
	s.crash()
	s.advance(time.Hour)
	all := s.alerts(alert.Attempt)
	if len(all) != 2 || all[1].Repeats == nil || all[1].Repeats.Calls != 2 || all[1].Repeats.FlowLogs != 4 || all[1].Title != "2 more attempts to delete flow logs by user/nobody in 111122223333 eu-west-1" {
		t.Fatalf("%+v", all)
	}
	if d := all[1].Time.Sub(all[0].Time.Time); d < 5*time.Minute || d > 5*time.Minute+time.Second {
		t.Errorf("the alert that sums up comes after %s, want five minutes", d)
	}
	if all[0].EventID == all[1].EventID || !strings.Contains(all[1].Text, "event "+all[1].EventID) {
		t.Errorf("the summary names no example: %s", all[1].Text)
	}
}

// TestARepeatedRecordIsNoRepeatedCall: SQS may deliver a record several times. It counts as one call.
func TestARepeatedRecordIsNoRepeatedCall(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	a, b := s.recordBy(nobody, refusal, "no", madeUpIDs(1, 0)...), s.recordBy(nobody, refusal, "no", madeUpIDs(1, 1)...)
	for range 3 {
		s.deliver(a)
		s.deliver(b)
	}
	s.advance(time.Hour)
	s.deliver(a)
	s.advance(time.Hour)
	all := s.alerts(alert.Attempt)
	if len(all) != 2 || all[1].Repeats.Calls != 1 {
		t.Errorf("%d alerts of two calls: %+v", len(all), all)
	}
}

// TestI12AnEndlessFloodHasARate: calls that go on for an hour cause one alert in five minutes. All summaries
// have one dedup key, and each call is counted in one alert.
func TestI12AnEndlessFloodHasARate(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	calls := 0
	for range 60 * 12 {
		s.deliver(s.recordBy(nobody, refusal, "no", madeUpIDs(1, calls)...))
		calls++
		s.advance(5 * time.Second)
	}
	s.advance(time.Hour)
	all, sum := s.alerts(alert.Attempt), 1
	for _, a := range all[1:] {
		sum += a.Repeats.Calls
		if a.DedupKey != all[1].DedupKey {
			t.Error("the summaries have several dedup keys, so that a pager opens several incidents")
		}
	}
	if len(all) > 14 || sum != calls {
		t.Errorf("%d alerts count %d calls of %d; want at most 14 alerts that count all", len(all), sum, calls)
	}
}

// TestI12ForgedPrincipalsAreBounded: records name 600 forged principals. At most twenty are alerted at once, a
// graver call is not held, and the other calls are summed up in one alert when the window is over.
func TestI12ForgedPrincipalsAreBounded(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for k := range 600 {
		s.deliver(s.recordBy(fmt.Sprintf("arn:aws:iam::111122223333:user/forged-%d", k), refusal, "no", madeUpIDs(1, k)...))
		s.advance(20 * time.Millisecond)
	}
	s.wantAlerts(alert.Attempt, 20)
	s.deliver(s.recordBy(nobody, refusal, "no", id)) // graver than all before
	s.wantAlerts(alert.Attempt, 21)                  // the graver call is not held
	s.advance(time.Hour)
	all := s.alerts(alert.Attempt)
	last := all[len(all)-1]
	if len(all) != 22 || last.Repeats == nil || last.Repeats.Calls != 580 || !last.Repeats.Several || last.Actor != nil || last.Repeats.Examples[0].Principal == last.Repeats.Examples[1].Principal || !strings.Contains(last.Title, "by several principals") {
		t.Errorf("%d alerts, the last %+v", len(all), last)
	}
}

// TestI12AFloodOfUnknownDeletions: records, which may be forged, name flow logs that AWS never showed. The first
// one is alerted, the others are held and summed up. A deletion that names a known flow log is never held. All
// incidents in a pager are resolved.
func TestI12AFloodOfUnknownDeletions(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for k := range 100 {
		s.deliver(s.recordBy(nobody, "", "", madeUpIDs(2, 2*k)...))
		s.advance(time.Second)
	}
	s.wantAlerts(alert.Deletion, 1)
	s.deliver(s.recordBy(nobody, "", "", append(madeUpIDs(20, 5000), id)...)) // one flow log is known: the deletion is not held
	if all := s.alerts(alert.Deletion); len(all) != 2 || len(all[1].FlowLogs) != 21 || all[1].Minor {
		t.Fatalf("%d alerts", len(all))
	}
	s.deliver(s.record())           // it does not say which flow logs
	s.wantAlerts(alert.Deletion, 3) // a record without IDs does not count as a repetition
	s.advance(time.Hour)
	open := map[string]bool{}
	for _, kind := range []alert.Kind{alert.Deletion, alert.Closed} {
		for _, a := range s.alerts(kind) {
			if len(a.FlowLogs) > 0 || a.Repeats != nil {
				open[a.DedupKey] = kind == alert.Deletion
			}
		}
	}
	for key, isOpen := range open {
		if isOpen {
			t.Errorf("a pager is never resolved: %s", key)
		}
	}
	deletions, closed := s.alerts(alert.Deletion), s.alerts(alert.Closed)
	if len(deletions) != 4 || deletions[3].Repeats.Calls != 99 || deletions[3].Repeats.FlowLogs != 99*2 {
		t.Errorf("%d alerts of deletions, the last %+v", len(deletions), deletions[len(deletions)-1])
	}
	if len(closed) != 3 {
		t.Errorf("%d closed alerts, want 3", len(closed))
	}
}

// TestARepeatedCallOfAScopeThatIsNoMore: calls are held of a scope that no longer has a restorer. The restorer
// of another scope alerts of them.
func TestARepeatedCallOfAScopeThatIsNoMore(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		other := inventory.Scope{Account: account, Region: "eu-west-2"}
		a := alert.Alert{ID: "held", Kind: alert.Attempt, Level: alert.Medium}
		return tx.SaveBursts(map[string]*repeat.Burst{"other": {Key: "other", Class: "attempt", Scope: other, Began: s.now, Since: s.now, DueAt: s.now.Add(5 * time.Minute), Held: repeat.Held{Calls: 7, Gravest: &a}}})
	}))
	s.advance(2 * time.Hour)
	s.reconcile()
	if all := s.alerts(alert.Attempt); len(all) != 1 || all[0].Repeats.Calls != 7 {
		t.Errorf("%+v", all)
	}
}

// TestARepeatedCallAfterTheClockWentBack: the clock goes back by three hours while a call is held. Its alert
// must not come three hours late.
func TestARepeatedCallAfterTheClockWentBack(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	s.deliver(s.recordBy(nobody, refusal, "no", madeUpIDs(1, 0)...))
	s.deliver(s.recordBy(nobody, refusal, "no", madeUpIDs(1, 1)...))
	s.now = s.now.Add(-3 * time.Hour)
	s.advance(10 * time.Minute)
	s.wantAlerts(alert.Attempt, 2)
}

// TestI12AFloodOnASmallDisk: the disk has 16 MB, and principals make calls that fill the state file. A deletion
// after that is stored and restored all the same: older rows are dropped, but not the snapshot.
func TestI12AFloodOnASmallDisk(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.must(s.store.Close())
	s.disk = 16 << 20
	s.start()
	id := s.protect(1)[0]
	for k := range 40 {
		s.deliver(s.recordBy(fmt.Sprintf("arn:aws:iam::111122223333:user/a-%d", k), refusal, refusalText, madeUpIDs(1000, 1000*k)...))
		s.deliver(s.recordBy(fmt.Sprintf("arn:aws:iam::111122223333:user/b-%d", k), "", "", madeUpIDs(250, 250*k)...))
		for m := range 10 {
			s.deliver(s.recordBy(fmt.Sprintf("arn:aws:iam::111122223333:user/%d-%s", k, strings.Repeat(fmt.Sprint(m), 1500)), dryRun, refusalText, id))
		}
		s.now = s.now.Add(30 * time.Second)
	}
	s.deliver(s.attack(id))
	s.reconcileOnce()
	s.wantRestored("vpc-1")
	if len(s.direct) > 0 {
		t.Errorf("%d alerts bypassed the outbox, want none", len(s.direct))
	}
	if d := s.store.Dropped(); d.Rows == 0 || d.Undelivered == 0 {
		t.Errorf("%+v: nothing was dropped", d)
	}
	if size := s.size(); size > s.disk {
		t.Errorf("%d KB on a disk of %d", size>>10, s.disk>>10)
	}
	if _, there, err := s.store.FindFlowLog(t.Context(), id); err != nil || !there {
		t.Errorf("the row of the flow log is not in the snapshot: %v", err)
	}
}

// TestForeignScopesAreReportedAtABoundedRate: records name thousands of accounts that are not configured, which
// may be forged. The log names twenty in an hour at most. A real one is reported after that hour.
func TestForeignScopesAreReportedAtABoundedRate(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	log := &bytes.Buffer{}
	s.r.Log = slog.New(slog.NewTextHandler(log, nil))
	lines := func() int { return strings.Count(log.String(), "\n") }
	foreign := func(account string) {
		f := s.record("fl-0000000000000dead")
		f.Record.Account = account
		s.deliver(f)
	}
	for k := range 3000 {
		foreign(fmt.Sprintf("%012d", k))
	}
	if n := lines(); n > 25 {
		t.Errorf("%d lines of log at once, want at most 25", n)
	}
	s.now = s.now.Add(2 * time.Hour)
	was := lines()
	foreign("999988887777")
	foreign("999988887777")
	if n := lines() - was; n != 1 {
		t.Errorf("%d lines about a new scope, want 1", n)
	}
}

// TestI12ADeletionLeavesLittle: a deletion that was restored and verified takes at most 20 KB of the state file
// until the retention ends: its incident and history, its event and alerts, and two rows of the snapshot.
func TestI12ADeletionLeavesLittle(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 100)
	s.crash() // it also moves the -wal file into the state file
	before := s.size()
	for _, id := range ids {
		s.deliver(s.attack(id))
		s.advance(time.Second)
	}
	s.advance(time.Hour)
	s.crash()
	each := (s.size() - before) / int64(len(ids))
	if each > 20<<10 {
		t.Errorf("%d bytes for each deletion, want at most 20 KB", each)
	}
	t.Logf("%d bytes for each deletion", each)
}

// TestI12AMessageOfManyRecordsHoldsNoOther: a message may have any number of records. It is stored in several
// short transactions, so that other messages do not wait for long.
func TestI12AMessageOfManyRecordsHoldsNoOther(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	var fs []detection.Finding
	for k := range 6 {
		fs = append(fs, s.recordBy(nobody, "", "", madeUpIDs(400, 400*k)...))
	}
	counting := &countingStore{Store: s.store.Remediation()}
	s.r.Store = counting
	s.deliver(fs...)
	if counting.most != 800 || counting.all != 2400 {
		t.Errorf("%d incidents, %d of them in one transaction", counting.all, counting.most)
	}
}

// countingStore counts the incidents that its transactions write: all of them, and those of the transaction that
// writes the most.
type countingStore struct {
	remediate.Store
	all, most int
}

func (c *countingStore) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	return c.Store.Update(ctx, func(tx remediate.Tx) error {
		counting := &countingTx{Tx: tx}
		err := fn(counting)
		c.all, c.most = c.all+counting.incidents, max(c.most, counting.incidents)
		return err
	})
}

type countingTx struct {
	remediate.Tx
	incidents int
}

func (c *countingTx) SaveCase(of *incident.Case) error {
	_, incidents := of.Changes()
	c.incidents += len(incidents)
	return c.Tx.SaveCase(of)
}

// TestI7TheDeletionComesBeforeAFloodOfAttempts: alerts of many refused attempts wait in the outbox. The alert of
// a deletion that succeeds must be sent before them.
func TestI7TheDeletionComesBeforeAFloodOfAttempts(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for n := range 300 {
		f := s.record(id)
		f.Record.ErrorCode, f.Record.DryRun = "Client.DryRunOperation", true
		f.Record.Identity.Type, f.Record.Identity.ARN = "Root", fmt.Sprintf("arn:aws:iam::111122223333:user/m%d", n)
		f = s.judge(f.Record)
		s.deliver(f)
		s.now = s.now.Add(200 * time.Millisecond)
	}
	s.attackAndReconcile(id)
	var before []alert.Kind
	var chooser sink.Chooser
	for {
		d, ok, err := s.store.Next(t.Context(), "log", chooser.Next(s.now))
		if err != nil || !ok {
			t.Fatal(err, ok)
		}
		if d.Alert.Kind == alert.Deletion {
			break
		}
		before = append(before, d.Alert.Kind)
		s.must(s.store.Sent(t.Context(), "log", d.Alert.ID, s.now))
	}
	if len(before) > 0 {
		t.Errorf("%d alerts come before that of the deletion", len(before))
	}
}
