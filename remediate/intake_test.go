package remediate

import (
	"testing"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
)

func TestNeedsRefresh(t *testing.T) {
	t.Parallel()
	named, unnamed := cloudtrail.Record{}, cloudtrail.Record{IDsUnknown: true}
	for name, tt := range map[string]struct {
		finding detection.Finding
		live    bool
		want    bool
	}{
		"deleted":                       {detection.Finding{Kind: detection.Deleted, Record: named}, false, false},
		"deleted, and names none":       {detection.Finding{Kind: detection.Deleted, Record: unnamed}, false, true},
		"created":                       {detection.Finding{Kind: detection.Created, Record: named}, false, false},
		"created, and names none":       {detection.Finding{Kind: detection.Created, Record: unnamed}, false, true},
		"an attempt that names none":    {detection.Finding{Kind: detection.Attempted, Record: unnamed}, false, false},
		"torn down, with a live one":    {detection.Finding{Kind: detection.TornDown, Record: named}, true, true},
		"torn down, without a live one": {detection.Finding{Kind: detection.TornDown, Record: named}, false, false},
		"tampering, with a live one":    {detection.Finding{Kind: detection.Tampered, Record: unnamed}, true, false},
		"a rehearsal, with a live one":  {detection.Finding{Kind: detection.Rehearsed, Record: unnamed}, true, false},
		"deleted, next to a live one":   {detection.Finding{Kind: detection.Deleted, Record: named}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := needsRefresh(tt.finding, tt.live); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
