package store

import (
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestTrusted: a recipient counts as ours while the snapshot has a protected flow log that
// delivers to it, there or lost, in any scope; or once it was approved.
func TestTrusted(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	const bucket, group = "arn:aws:s3:::flow-logs/prefix", "arn:aws:logs:eu-west-1:999988887777:log-group:/vpc"
	put := func(id, destination string, change func(*inventory.Row)) {
		t.Helper()
		row := inventory.Row{FlowLog: inventory.FlowLog{ID: id, Scope: inventory.Scope{Account: "444455556666", Region: "us-east-1"}, Settings: inventory.Settings{ResourceID: "vpc-1", LogDestination: destination}},
			RootID: id, State: inventory.Live, Protected: true}
		change(&row)
		s.put(t, func(tx *Tx) error { return tx.PutFlowLog(row) })
	}
	trusted := func(destination string, want bool) {
		t.Helper()
		got, err := viewed(t.Context(), s.file, func(tx *Tx) (bool, error) { return tx.Trusted(inventory.RecipientOf(destination)) })
		if err != nil || got != want {
			t.Errorf("%s: %t, %v", destination, got, err)
		}
	}
	as := func(*inventory.Row) {}
	gone := func(r *inventory.Row) { r.State, r.GoneAt = inventory.Gone, time.Now() }
	trusted(bucket, false)
	put("fl-1", bucket, func(r *inventory.Row) { r.Protected, r.Held = false, true })
	put("fl-2", bucket, func(r *inventory.Row) { r.Imported = true })
	trusted(bucket, false)
	put("fl-3", bucket, as)
	put("fl-4", group, as)
	trusted("arn:aws:s3:::flow-logs", true)
	trusted("arn:aws:s3:::flow-logs-2", false)
	trusted("arn:aws:firehose:us-east-1:999988887777:deliverystream/x", true)
	trusted("arn:aws:logs:eu-west-1:999988887778:log-group:/vpc", false)
	put("fl-3", bucket, gone)
	put("fl-4", group, gone)
	trusted(bucket, true)
	trusted(group, true)
	put("fl-3", bucket, func(r *inventory.Row) { gone(r); r.Protected = false })
	trusted(bucket, false)
	s.put(t, func(tx *Tx) error { return tx.Approve("s3:::flow-logs") })
	trusted(bucket, true)
	counts, err := s.Counts(t.Context())
	if err != nil || counts.Held != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
	var ids []string
	err = s.FindFlowLogs(t.Context(), Filter{Held: true}, func(r inventory.Row, _ Fate) error { ids = append(ids, r.ID); return nil })
	if err != nil || len(ids) != 1 || ids[0] != "fl-1" {
		t.Errorf("%v, %v", ids, err)
	}
}
