package incident

import (
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestMayExcuse: a principal whom a rule lets replace a flow log must not send traffic to a new destination. So the
// destination must have been known before the wait around the deletion began.
func TestMayExcuse(t *testing.T) {
	t.Parallel()
	lost := pending("fl-1", func(i *Incident) { i.Action, i.Waited, i.DeletedAt = Wait, time.Hour, noon })
	for _, c := range []struct {
		name  string
		lost  Incident
		by    inventory.Row
		since map[string]time.Time
		want  bool
	}{
		{"known from the first refresh", lost, live("fl-2"), map[string]time.Time{"arn:aws:s3:::b": {}}, true},
		{"known before the wait", lost, live("fl-2", func(r *inventory.Row) { r.CreatedAt = noon }), map[string]time.Time{"arn:aws:s3:::b": noon.Add(-time.Hour - 1)}, true},
		{"known since the wait began", lost, live("fl-2", func(r *inventory.Row) { r.CreatedAt = noon }), map[string]time.Time{"arn:aws:s3:::b": noon.Add(-time.Hour)}, false},
		{"made before the deletion", lost, live("fl-2", func(r *inventory.Row) { r.CreatedAt = noon.Add(-time.Minute) }), map[string]time.Time{"arn:aws:s3:::b": noon.Add(-time.Hour - time.Second)}, false},
		{"not known", lost, live("fl-2"), nil, false},
		{"it has excused this loss before", lost, live("fl-2", func(r *inventory.Row) { r.Excuses = "fl-1" }), map[string]time.Time{"arn:aws:s3:::b": {}}, true},
		{"no rule waits", pending("fl-1"), live("fl-2"), map[string]time.Time{"arn:aws:s3:::b": {}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := mayExcuse(c.lost, c.by, false, c.since); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
}

// TestToNewDestination: a destination is new if no flow log delivered there at the first refresh. The state file has a
// bounded number of destinations. For any other one, the age of the flow log's lineage decides.
func TestToNewDestination(t *testing.T) {
	t.Parallel()
	const first, later, unstored = "arn:aws:s3:::first", "arn:aws:s3:::later", "arn:aws:s3:::unstored"
	before, after := noon.Add(-time.Hour), noon.Add(time.Hour)
	for _, x := range []struct {
		name, destination           string
		seen, lineage, firstRefresh time.Time
		want                        bool
	}{
		{"known from the first refresh", first, after, time.Time{}, noon, false},
		{"known only from after the first refresh", later, after, time.Time{}, noon, true},
		{"not stored, and there at the first refresh", unstored, before, time.Time{}, noon, false},
		{"not stored, and seen later", unstored, after, time.Time{}, noon, true},
		{"not stored, the replacement of a flow log that was there at the first refresh", unstored, after, before, noon, false},
		{"not stored, before the first refresh", unstored, after, time.Time{}, time.Time{}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := given(func(c *Case) {
				c.KnownDestinations, c.FirstRefreshAt = map[string]time.Time{first: {}, later: after}, x.firstRefresh
			})
			row := inventory.Row{FirstSeenAt: x.seen, LineageSince: x.lineage}
			row.LogDestination = x.destination
			if got := c.toNewDestination(row); got != x.want {
				t.Errorf("%t, want %t", got, x.want)
			}
		})
	}
}
