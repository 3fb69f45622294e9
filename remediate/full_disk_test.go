package remediate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate"
)

func TestI1AlertsGoOutEvenIfTheDiskIsFull(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	attack := s.attack(id)
	s.r.Store = full{s.store.Remediation()}
	err := s.r.RecordFindings(t.Context(), []detection.Finding{attack}, func() {})
	s.r.Wait()
	if !errors.Is(err, errFull) {
		t.Errorf("error %v, want errFull, so that the message stays in the queue", err)
	}
	if len(s.direct) != 1 || s.direct[0].Kind != alert.Deletion || s.direct[0].FlowLogs[0].FlowLogID != id || s.direct[0].FlowLogs[0].ResourceID != "vpc-1" {
		t.Fatalf("sent past the outbox: %+v, want the alert of the deletion", s.direct)
	}
	if text := s.direct[0].Text; !strings.Contains(text, "restores NOTHING until its state file can be written") {
		t.Errorf("the alert promises a restore while nothing can be stored: %s", text)
	}
	s.r.Store = s.store.Remediation()
	s.deliver(attack)
	a := s.alerts(alert.Deletion)
	if len(a) != 1 || a[0].ID == s.direct[0].ID || a[0].DedupKey != s.direct[0].DedupKey {
		t.Fatalf("%+v, and then %+v: a receiver that drops repeats by ID must take both, and a pager open one incident", s.direct, a)
	}
	if !strings.Contains(a[0].Text, "restores it as soon as AWS shows the loss") {
		t.Errorf("the stored alert does not say that the flow log is restored: %s", a[0].Text)
	}
	if len(a[0].RaisedBy) == 0 || a[0].Level != s.direct[0].Level || !slices.Equal(a[0].RaisedBy, s.direct[0].RaisedBy) {
		t.Errorf("the alert past the outbox has level %s, raised by %v; the stored one %s by %v", s.direct[0].Level, s.direct[0].RaisedBy, a[0].Level, a[0].RaisedBy)
	}
}

// TestProgressPastAFullDisk: the disk is full, and sinks are slow, so that it takes six minutes to send the
// alerts of one message past the outbox. The handler must report progress meanwhile: otherwise the watchdog
// takes it for a hang.
func TestProgressPastAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := dependent(t)
		s.bubble = true
		progress := &heartbeats{last: time.Now()}
		s.fillDisk()
		s.slow = time.Minute
		fs := []detection.Finding{s.record("fl-00000001"), s.record("fl-00000002"), s.record("fl-00000003")}
		for range 3 {
			fs = append(fs, s.tampering("logs", "DeleteLogGroup", "/vpc/flow", nil))
		}
		begun := time.Now()
		if err := s.r.RecordFindings(t.Context(), fs, progress.note); err == nil {
			t.Error("a message that is not stored is acknowledged")
		}
		if took, silence := time.Since(begun), progress.longest(); took != 6*time.Minute || silence > time.Minute {
			t.Errorf("sending took %s, want 6m; %s without progress, want at most 1m", took, silence)
		}
	})
}

// TestI1TamperPastAFullDisk: the disk is full. The alert of tampering goes to the sinks directly, and the
// message stays in the queue.
func TestI1TamperPastAFullDisk(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	s.fillDisk()
	if err := s.r.RecordFindings(t.Context(), []detection.Finding{s.tampering("logs", "DeleteLogGroup", "/vpc/flow", nil)}, func() {}); err == nil {
		t.Error("a message that is not stored is acknowledged")
	}
	if len(s.direct) != 1 || s.direct[0].Kind != alert.Tamper || s.direct[0].Title == "" || !strings.Contains(s.direct[0].Text, "restores NOTHING until") {
		t.Fatalf("%+v", s.direct)
	}
	s.emptyDisk()
	s.events-- // the same record
	s.deliver(s.tampering("logs", "DeleteLogGroup", "/vpc/flow", nil))
	if a := s.alerts(alert.Tamper); len(a) != 1 || a[0].ID == s.direct[0].ID || a[0].DedupKey != s.direct[0].DedupKey || strings.Contains(a[0].Text, "NOTHING") {
		t.Errorf("%+v, and then %+v: a receiver that drops repeats by ID must take both", s.direct, a)
	}
}

// TestI12AFloodPastAFullStore: repeated calls come while the store can't commit. The alerts of repeated
// tampering, and those of unknown flow logs, have one alert ID each, so that a sink sends each once. Each
// deletion of a known flow log has an ID of its own.
func TestI12AFloodPastAFullStore(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	id := s.flowLogsOn("vpc-1")[0].ID
	s.fillDisk()
	for k := range 10 {
		for _, f := range []detection.Finding{
			s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.RequestHash = fmt.Sprint(k) }),
			s.recordBy(nobody, "", "", madeUpIDs(3, 3*k)...),
			s.recordBy(nobody, "", "", append(madeUpIDs(3, 3*k), id)...),
		} {
			if err := s.r.RecordFindings(t.Context(), []detection.Finding{f}, func() {}); err == nil {
				t.Fatal("a message that is not stored is acknowledged")
			}
		}
	}
	ids := map[string]int{}
	for _, a := range s.direct {
		ids[a.ID]++
	}
	if len(s.direct) != 30 || len(ids) != 1+1+10 {
		t.Errorf("%d alerts with %d IDs, want 30 with 12", len(s.direct), len(ids))
	}
}

// TestRunWithAFullDisk: while the disk is full, the log must not report a restore that is not stored, and must
// not repeat each second that nothing can be stored.
func TestRunWithAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		log := &bytes.Buffer{}
		s.r.Log = slog.New(slog.NewTextHandler(log, nil))
		id := s.plant("vpc-1", nil)
		s.refresh()
		time.Sleep(time.Hour)
		s.world.Throttle("CreateFlowLogs", 4)
		s.deliver(s.attack(id))
		disk := &rollingBack{Store: s.store.Remediation()}
		disk.full.Store(true)
		s.r.Store = disk
		wantLogged := func(when string, want map[string]int) {
			t.Helper()
			synctest.Wait()
			for text, n := range want {
				if got := strings.Count(log.String(), text); got != n {
					t.Errorf("%s: %q is logged %d times, want %d:\n%s", when, text, got, n, log)
				}
			}
		}
		stop := s.run(func() {})
		time.Sleep(10 * time.Second)
		wantLogged("the disk is full", map[string]int{"not all that is due could be done": 1, "incident restored": 0, "will try again": 0, "all that is due can be done again": 0})
		disk.full.Store(false)
		time.Sleep(10 * time.Second)
		wantLogged("the disk has room again", map[string]int{"not all that is due could be done": 1, "incident restored": 1, "all that is due can be done again": 1})
		stop()
	})
}

// rollingBack is a store whose transactions are rolled back at their end while the disk is full.
type rollingBack struct {
	remediate.Store
	full atomic.Bool
}

func (s *rollingBack) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	return s.Store.Update(ctx, func(tx remediate.Tx) error {
		if err := fn(tx); err != nil || !s.full.Load() {
			return err
		}
		return errFull
	})
}
