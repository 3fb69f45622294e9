package store

import (
	"slices"
	"testing"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/trust"
)

// TestTrusted: a recipient is trusted while the snapshot has a protected flow log, live or gone, in any scope, that
// delivers to it. It is also trusted once an operator has approved it.
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
		got, err := viewed(t.Context(), s.file, func(tx *Tx) (bool, error) { return trust.Trusted(tx, inventory.RecipientOf(destination)) })
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

// TestDecoysAreCounted: the counts have live decoys only. RowsWithNews finds decoys, also gone ones, whose notice is
// due.
func TestDecoysAreCounted(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	decoy := func(id string, change func(*inventory.Row)) {
		row := inventory.Row{FlowLog: flowLog(id), RootID: id, State: inventory.Live}
		change(&row)
		s.put(t, func(tx *Tx) error { return tx.PutFlowLog(row) })
	}
	due := func(at time.Time) func(*inventory.Row) {
		return func(r *inventory.Row) { r.DecoyNotice = &inventory.DecoyNotice{Due: at} }
	}
	decoy("fl-1", func(*inventory.Row) {})
	decoy("fl-2", due(noon))
	decoy("fl-3", due(noon.Add(time.Minute)))
	decoy("fl-4", due(noon.Add(48*time.Hour))) // set before the clock went back, so it is due now
	decoy("fl-5", func(r *inventory.Row) { due(noon)(r); r.State = inventory.Gone })
	decoy("fl-6", func(r *inventory.Row) { r.Protected = true })
	decoy("fl-7", func(r *inventory.Row) { r.Excluded = true })
	decoy("fl-8", func(r *inventory.Row) { r.Held = true })
	decoy("fl-9", func(r *inventory.Row) { r.Imported = true })
	counts, err := s.Counts(t.Context())
	if err != nil || counts.Decoys != 4 || len(counts.FirstDecoys) != 3 {
		t.Errorf("%d, the first %v, %v", counts.Decoys, counts.FirstDecoys, err)
	}
	rows, err := viewed(t.Context(), s.file, func(tx *Tx) ([]inventory.Row, error) { return tx.RowsWithNews(scope, noon, 9) })
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	if err != nil || !slices.Equal(ids, []string{"fl-2", "fl-4", "fl-5"}) {
		t.Errorf("%v, %v", ids, err)
	}
	decoy("fl-1", func(r *inventory.Row) { r.Protected = true })
	if counts, err = s.Counts(t.Context()); err != nil || counts.Decoys != 3 {
		t.Errorf("%d, %v", counts.Decoys, err)
	}
}
