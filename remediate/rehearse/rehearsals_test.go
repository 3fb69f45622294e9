package rehearse

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// TestVerdictsSinceTheLast: which answers differ from those of the rehearsal before.
func TestVerdictsSinceTheLast(t *testing.T) {
	t.Parallel()
	const allowed, notTried = "", "-"
	for name, c := range map[string]struct {
		before, now incident.Reason
		refused     bool
		mended      bool
	}{
		"allowed for the first time": {before: notTried, now: allowed},
		"refused for the first time": {before: notTried, now: incident.Permission, refused: true},
		"refused now":                {before: allowed, now: incident.Permission, refused: true},
		"still refused":              {before: incident.Permission, now: incident.Permission},
		"refused for another reason": {before: incident.Permission, now: incident.Destination, refused: true},
		"allowed again":              {before: incident.Permission, now: allowed, mended: true},
		"still allowed":              {before: allowed, now: allowed},
		"not tried this time":        {before: incident.Permission, now: notTried},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := delivery.Target{Destination: "arn:aws:s3:::b"}
			var before []Rehearsal
			if c.before != notTried {
				before = []Rehearsal{{Target: target, Reason: c.before}}
			}
			found := rehearsals{}
			if c.now != notTried {
				found[target] = Rehearsal{Target: target, Reason: c.now}
			}
			refused, mended := found.since(before)
			if (len(refused) == 1) != c.refused || (len(mended) == 1) != c.mended {
				t.Errorf("refused now %v, allowed again %v", slices.Collect(maps.Keys(refused)), slices.Collect(maps.Keys(mended)))
			}
			if c.mended && mended[target].Reason != c.before {
				t.Errorf("allowed again %+v, want the reason of the refusal, which the alert says", mended[target])
			}
		})
	}
}

// TestTheStateFileKeepsItsNames: older and newer versions of Flowkeeper read the state file, so that its JSON
// names must not change.
func TestTheStateFileKeepsItsNames(t *testing.T) {
	t.Parallel()
	r := Rehearsal{Target: delivery.Target{Type: "s3", Destination: "d", Fields: delivery.Fields{ECS: true}}, At: noon, Reason: "r", Advice: "a", Message: "m"}
	const want = `{"Scope":{"account":"","region":""},"Needs":{"Type":"s3","Destination":"d","Role":"","CrossAccountRole":"","ECS":true},"At":"2026-03-01T12:00:00Z","Reason":"r","Advice":"a","Message":"m"}`
	if got, err := json.Marshal(r); string(got) != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
