package store

import (
	"fmt"
	"strings"
	"testing"

	"flowkeeper/inventory"
)

// TestLiveUnless: a start of the daemon reads, page by page, the live flow logs that are not protected or only
// imported, and the protected ones whose destination the configuration no longer allows. It reads no others.
func TestLiveUnless(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	at := func(id, bucket string, row inventory.Row) inventory.Row {
		row.FlowLog, row.RootID = flowLog(id), id
		row.LogDestination = "arn:aws:s3:::" + bucket
		return row
	}
	live := inventory.Row{State: inventory.Live, Protected: true}
	elsewhere := at("fl-9", "old", live)
	elsewhere.Scope.Region = "us-east-1"
	s.put(t, func(tx *Tx) error {
		for _, r := range []inventory.Row{
			at("fl-1", "ours", live), at("fl-2", "old", live), at("fl-3", "ours", inventory.Row{State: inventory.Live, Held: true}),
			at("fl-4", "old", inventory.Row{State: inventory.Live, Excluded: true}), at("fl-5", "old", inventory.Row{State: inventory.Gone, Protected: true}),
			at("fl-6", "ours", inventory.Row{State: inventory.Live, Protected: true, Imported: true}), at("fl-7", "old", live), elsewhere,
		} {
			if err := tx.PutFlowLog(r); err != nil {
				return err
			}
		}
		return nil
	})
	for name, c := range map[string]struct {
		fine        func(string) bool
		after, want string
		limit       int
	}{
		"other buckets":                {func(to string) bool { return strings.HasSuffix(to, "ours") }, "", "[fl-2 fl-3 fl-4]", 3},
		"other buckets, the next page": {func(to string) bool { return strings.HasSuffix(to, "ours") }, "fl-4", "[fl-6 fl-7]", 3},
		"every bucket is fine":         {func(string) bool { return true }, "", "[fl-3 fl-4 fl-6]", 9},
		"no bucket is fine":            {func(string) bool { return false }, "fl-1", "[fl-2 fl-3 fl-4 fl-6 fl-7]", 9},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := s.LiveUnless(t.Context(), scope, c.fine, c.after, c.limit)
			var ids []string
			for _, r := range rows {
				ids = append(ids, r.ID)
			}
			if fmt.Sprint(ids) != c.want || err != nil {
				t.Errorf("after %q: %s, want %s, %v", c.after, ids, c.want, err)
			}
		})
	}
}

// TestATargetIsForgottenAfterItsFlowLogs: Prune deletes a delivery target once no protected flow log has it. The next
// such flow log adds it again.
func TestATargetIsForgottenAfterItsFlowLogs(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"), flowLog("fl-2"))
	wantTargets := func(want int64) {
		t.Helper()
		if err := s.Prune(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
		if n := s.count(t, `SELECT count(*) FROM targets`); n != want {
			t.Errorf("%d targets, want %d", n, want)
		}
	}
	wantTargets(1)
	s.put(t, func(tx *Tx) error {
		for _, id := range []string{"fl-1", "fl-2"} {
			r, _, err := tx.FlowLog(scope, id)
			if r.Protected = false; err == nil {
				err = tx.PutFlowLog(r)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	wantTargets(0)
	s.learnAt(t, noon, flowLog("fl-1"))
	wantTargets(1)
	if c, err := s.Counts(t.Context()); err != nil || c.Protected[scope] != 1 {
		t.Errorf("%v, %v", c.Protected, err)
	}
}
