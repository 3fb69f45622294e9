package rehearse

import (
	"maps"
	"slices"
	"testing"

	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

func TestVerdictsSinceTheLast(t *testing.T) {
	t.Parallel()
	const allowed, notTried = "", "-"
	for name, c := range map[string]struct {
		before, now string // reasons
		refused     bool
		mended      bool
	}{
		"allowed for the first time": {before: notTried, now: allowed},
		"refused for the first time": {before: notTried, now: incident.Permission, refused: true},
		"refused now":                {before: allowed, now: incident.Permission, refused: true},
		"refused still":              {before: incident.Permission, now: incident.Permission},
		"refused for another reason": {before: incident.Permission, now: incident.Destination, refused: true},
		"allowed again":              {before: incident.Permission, now: allowed, mended: true},
		"allowed still":              {before: allowed, now: allowed},
		"not tried this time":        {before: incident.Permission, now: notTried},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := delivery.Needs{Destination: "arn:aws:s3:::b"}
			var before []Rehearsal
			if c.before != notTried {
				before = []Rehearsal{{Needs: n, Reason: c.before}}
			}
			found := verdicts{}
			if c.now != notTried {
				found[n] = Rehearsal{Needs: n, Reason: c.now}
			}
			refused, mended := found.since(before)
			if (len(refused) == 1) != c.refused || (len(mended) == 1) != c.mended {
				t.Errorf("refused %v, mended %v", slices.Collect(maps.Keys(refused)), slices.Collect(maps.Keys(mended)))
			}
			if c.mended && mended[n].Reason != c.before {
				t.Errorf("mended %+v: the alert says what was refused", mended[n])
			}
		})
	}
}
