package incident

import (
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestMayExcuse: the destination was known before the wait around the deletion began.
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
		{"known since the wait", lost, live("fl-2", func(r *inventory.Row) { r.CreatedAt = noon }), map[string]time.Time{"arn:aws:s3:::b": noon.Add(-time.Hour)}, false},
		{"made before the deletion", lost, live("fl-2", func(r *inventory.Row) { r.CreatedAt = noon.Add(-time.Minute) }), map[string]time.Time{"arn:aws:s3:::b": noon.Add(-time.Hour - time.Second)}, false},
		{"not known", lost, live("fl-2"), nil, false},
		{"excused this loss", lost, live("fl-2", func(r *inventory.Row) { r.Excuses = "fl-1" }), map[string]time.Time{"arn:aws:s3:::b": {}}, true},
		{"no rule waits", pending("fl-1"), live("fl-2"), map[string]time.Time{"arn:aws:s3:::b": {}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := mayExcuse(c.lost, c.by, false, c.since); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
}
