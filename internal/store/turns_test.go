package store

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestDueGoesByTheClassesOfTurns: SQL and incident.TurnClassOf must give an incident the same class. The test has every
// combination of the fields that a class depends on.
func TestDueGoesByTheClassesOfTurns(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	classes := []incident.TurnClass{incident.FirstTry, incident.TriedBefore, incident.LackingTags, incident.NotPending, incident.OfUnknown}
	all := combinations()
	s.put(t, func(tx *Tx) error {
		for _, i := range all {
			if err := tx.PutIncident(i); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b incident.Incident) int {
		byClass := slices.Index(classes, incident.TurnClassOf(a)) - slices.Index(classes, incident.TurnClassOf(b))
		switch incident.TurnClassOf(a) {
		case incident.FirstTry:
			return cmp.Or(byClass, a.Seniority().Compare(b.Seniority()), cmp.Compare(a.FlowLogID, b.FlowLogID))
		case incident.OfUnknown:
			return cmp.Or(byClass, a.DetectedAt.Compare(b.DetectedAt), cmp.Compare(a.FlowLogID, b.FlowLogID))
		}
		return cmp.Or(byClass, a.NextAttemptAt.Compare(b.NextAttemptAt), a.Seniority().Compare(b.Seniority()), cmp.Compare(a.FlowLogID, b.FlowLogID))
	})
	found, most := map[incident.TurnClass]int{}, len(all)
	got, err := viewed(t.Context(), s.file, func(tx *Tx) ([]incident.Incident, error) {
		return tx.Due(scope, noon, incident.Turns{Creates: 2 * most, Retries: most, Tags: most, Others: 2 * most})
	})
	if err != nil || len(got) != len(all) {
		t.Fatalf("%d incidents of %d, %v", len(got), len(all), err)
	}
	for n, want := range all {
		class := incident.TurnClassOf(want)
		found[class]++
		if i := got[n]; i.FlowLogID != want.FlowLogID {
			t.Fatalf("turn %d of class %s: got %+v, want %+v", found[class], class, i, want)
		}
	}
	if len(found) != len(classes) {
		t.Errorf("the test has only the classes %v", found)
	}
}

// combinations returns due incidents, one for each combination of the fields that the class of a turn depends on. Each
// time is spread differently, so that the orders by the different times differ, too.
func combinations() (all []incident.Incident) {
	add := func(i incident.Incident) {
		n := len(all)
		ago := func(of int) time.Time { return noon.Add(-time.Duration(n*n%of) * time.Minute) }
		i.Scope, i.FlowLogID = scope, fmt.Sprintf("fl-%03d", n)
		i.NextAttemptAt, i.FirstSeenAt, i.DetectedAt, i.LateDestination = ago(7), ago(11), ago(13), n%5 == 0
		i.Frozen = inventory.Settings{ResourceID: "vpc-1"}
		all = append(all, i)
	}
	for _, state := range []incident.State{incident.Open, incident.Blocked, incident.Restored, incident.Verified, incident.Closed} {
		for _, tags := range []map[string]string{nil, {"team": "net"}} {
			for _, group := range []string{"", "e-1"} {
				for _, call := range []*incident.SentCall{nil, {Token: "T"}} {
					for bits := range 1 << 4 {
						add(incident.Incident{State: state, MissingTags: tags, Group: group, Call: call,
							Known: bits&1 > 0, Tried: bits >> 1 & 1, TimesAlive: bits >> 2 & 1, Attempts: bits >> 3 & 1})
					}
				}
			}
		}
	}
	return all
}
