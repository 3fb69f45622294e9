package store

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// onResource stores a row of a flow log unless row is empty, and an incident of the flow log unless state is empty.
func (s *Store) onResource(t *testing.T, id, resource string, row inventory.State, state incident.State, change func(*incident.Incident)) {
	t.Helper()
	s.put(t, func(tx *Tx) error {
		f := flowLog(id)
		f.ResourceID = resource
		if row != "" {
			if err := tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: id, State: row, Protected: true, FirstSeenAt: noon, LastSeenAt: noon}); err != nil {
				return err
			}
		}
		if state == "" {
			return nil
		}
		i := incident.Incident{Scope: scope, FlowLogID: id, RootID: id, ResourceID: resource, State: state, Known: true, OpenedAt: noon}
		if change != nil {
			change(&i)
		}
		return tx.PutIncident(i)
	})
}

// TestCaseLoads: a case has the selected flow logs and the replacements that follow them, the live flow logs and the
// open or blocked incidents on their resources, and the incidents of their lineages that were restored within the hour.
// It has nothing else: a case is loaded in every transaction, so it must stay small.
func TestCaseLoads(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	replaced := func(by, root string, restored time.Time) func(*incident.Incident) {
		return func(i *incident.Incident) { i.NewID, i.RootID, i.RestoredAt = by, root, restored }
	}
	long := noon.Add(-2 * time.Hour)
	// fl-a was replaced by fl-b on vpc-1, and that by fl-c, which is on vpc-2.
	s.onResource(t, "fl-a", "vpc-1", inventory.Gone, incident.Closed, replaced("fl-b", "fl-a", long))
	s.onResource(t, "fl-b", "vpc-1", inventory.Gone, incident.Verified, replaced("fl-c", "fl-a", long))
	s.onResource(t, "fl-c", "vpc-2", inventory.Live, "", nil)
	// Other flow logs on these resources.
	s.onResource(t, "fl-live-1", "vpc-1", inventory.Live, incident.Closed, nil)
	s.onResource(t, "fl-live-2", "vpc-2", inventory.Live, "", nil)
	s.onResource(t, "fl-gone-1", "vpc-1", inventory.Gone, "", nil)
	s.onResource(t, "fl-open-1", "vpc-1", inventory.Gone, incident.Open, nil)
	s.onResource(t, "fl-blocked-2", "vpc-2", inventory.Gone, incident.Blocked, nil)
	s.onResource(t, "fl-closed-1", "vpc-1", inventory.Gone, incident.Closed, nil)
	s.onResource(t, "fl-restored-1", "vpc-1", inventory.Gone, incident.Restored, replaced("fl-x", "fl-restored-1", noon))
	// In the lineage of fl-a: restored just within the last hour, and just before that.
	s.onResource(t, "fl-lately", "vpc-9", inventory.Gone, incident.Closed, replaced("fl-a", "fl-a", noon.Add(-time.Hour+time.Millisecond)))
	s.onResource(t, "fl-an-hour-ago", "vpc-9", inventory.Gone, incident.Closed, replaced("fl-a", "fl-a", noon.Add(-time.Hour)))
	// Released and gone: a record may still reopen the first incident, but not the second.
	released := func(due time.Time) func(*incident.Incident) {
		return func(i *incident.Incident) { i.Reason, i.NextAttemptAt = incident.Released, due }
	}
	s.onResource(t, "fl-awaits-7", "vpc-7", inventory.Gone, incident.Closed, released(noon.Add(time.Hour)))
	s.onResource(t, "fl-over-7", "vpc-7", inventory.Gone, incident.Closed, released(time.Time{}))
	// On other resources, or on none.
	s.onResource(t, "fl-live-3", "vpc-3", inventory.Live, "", nil)
	s.onResource(t, "fl-open-3", "vpc-3", inventory.Gone, incident.Open, nil)
	s.onResource(t, "fl-nowhere", "", "", incident.Open, func(i *incident.Incident) { i.Known = false })
	s.onResource(t, "fl-nowhere-else", "", "", incident.Open, func(i *incident.Incident) { i.Known = false })
	// An incident whose row was removed.
	s.onResource(t, "fl-rowless", "vpc-8", "", incident.Closed, replaced("", "fl-a", long))
	s.put(t, func(tx *Tx) error { // in another Region
		f := flowLog("fl-a")
		f.Scope.Region = "eu-central-1"
		return tx.PutFlowLog(inventory.Row{FlowLog: f, State: inventory.Live})
	})

	all := strings.Fields(`fl-a fl-b fl-c fl-live-1 fl-live-2 fl-gone-1 fl-open-1 fl-blocked-2 fl-closed-1 fl-restored-1 fl-lately fl-an-hour-ago fl-live-3 fl-open-3 fl-nowhere fl-nowhere-else fl-rowless fl-awaits-7 fl-over-7`)
	for _, c := range []struct {
		name            string
		of              incident.Selection
		rows, incidents string
	}{
		{"nothing", incident.Selection{}, "", ""},
		{"one without row or incident", incident.Selection{IDs: []string{"fl-unknown"}}, "", ""},
		{"one on no resource", incident.Selection{IDs: []string{"fl-nowhere"}}, "", "fl-nowhere"},
		{"one whose row was removed", incident.Selection{IDs: []string{"fl-rowless"}}, "", "fl-lately fl-rowless"},
		{"one that was replaced twice", incident.Selection{IDs: []string{"fl-a"}},
			"fl-a fl-b fl-c fl-live-1 fl-live-2 fl-open-1 fl-blocked-2", "fl-a fl-b fl-open-1 fl-blocked-2 fl-lately"},
		{"its last replacement", incident.Selection{IDs: []string{"fl-c"}}, "fl-c fl-live-2 fl-blocked-2", "fl-blocked-2"},
		{"a live one that has an incident", incident.Selection{IDs: []string{"fl-live-1"}}, "fl-live-1 fl-open-1", "fl-live-1 fl-open-1"},
		{"a resource", incident.Selection{Resources: []string{"vpc-3"}}, "fl-live-3 fl-open-3", "fl-open-3"},
		{"a record may reopen its incident", incident.Selection{Resources: []string{"vpc-7"}}, "", "fl-awaits-7"},
		{"several", incident.Selection{IDs: []string{"fl-c", "fl-closed-1"}, Resources: []string{"vpc-3"}},
			"fl-c fl-live-1 fl-live-2 fl-open-1 fl-blocked-2 fl-closed-1 fl-live-3 fl-open-3", "fl-open-1 fl-blocked-2 fl-closed-1 fl-open-3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := s.loadCase(t, c.of)
			var rows, incidents []string
			for _, id := range all {
				if r, ok := got.Row(id); ok {
					rows = append(rows, id)
					if r.Scope != scope {
						t.Errorf("the row of %s is of scope %s, want %s", id, r.Scope, scope)
					}
				}
				if _, ok := got.Incident(id); ok {
					incidents = append(incidents, id)
				}
			}
			if fmt.Sprint(rows) != fmt.Sprint(strings.Fields(c.rows)) {
				t.Errorf("rows: %v, want %s", rows, c.rows)
			}
			if fmt.Sprint(incidents) != fmt.Sprint(strings.Fields(c.incidents)) {
				t.Errorf("incidents: %v, want %s", incidents, c.incidents)
			}
		})
	}
}

func (s *Store) loadCase(t *testing.T, of incident.Selection) (c *incident.Case) {
	t.Helper()
	if err := s.View(t.Context(), func(tx *Tx) (err error) { c, err = tx.Case(scope, of, noon); return err }); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCaseKnowsTheRefresh: a case says whether the first refresh of its scope is complete, and when the last refresh
// began.
func TestCaseKnowsTheRefresh(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon.Add(-time.Hour), flowLog("fl-1"))
	if c := s.loadCase(t, incident.Selection{}); c.Complete || !c.RefreshedAt.IsZero() || c.Scope != scope || !c.Now.Equal(noon) {
		t.Errorf("before the first refresh: %+v", c)
	}
	if err := s.Refreshed(t.Context(), scope, noon.Add(-time.Minute), noon); err != nil {
		t.Fatal(err)
	}
	c := s.loadCase(t, incident.Selection{IDs: []string{"fl-1"}})
	if !c.Complete || !c.RefreshedAt.Equal(noon.Add(-time.Minute)) || !c.FirstRefreshAt.Equal(noon) {
		t.Errorf("complete %t, the last refresh began at %s, the first ended at %s", c.Complete, c.RefreshedAt, c.FirstRefreshAt)
	}
	if r, _ := c.Row("fl-1"); !r.LastSeenAt.Equal(noon.Add(-time.Minute)) {
		t.Errorf("fl-1 was last seen %s", r.LastSeenAt)
	}
}

// TestSaveCase: SaveCase writes the rows, incidents and history that the case changed. It does not write rows that the
// case only loaded: that would overwrite a change that was made in the meantime.
func TestSaveCase(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.onResource(t, "fl-1", "vpc-1", inventory.Live, "", nil)
	s.onResource(t, "fl-2", "vpc-1", inventory.Live, "", nil)
	var want inventory.Row
	s.put(t, func(tx *Tx) error {
		c, err := tx.Case(scope, incident.Selection{IDs: []string{"fl-1"}}, noon)
		if err != nil {
			return err
		}
		c.ApplyDrift("fl-1", "drift-1", nil)
		other, _ := c.Row("fl-2")
		other.CreatedBy = "somebody" // not through the case: SaveCase must not overwrite this
		if err := tx.PutFlowLog(other); err != nil {
			return err
		}
		want, _ = c.Row("fl-1")
		return tx.SaveCase(c)
	})
	if got := s.row(t, "fl-1"); got.State != inventory.Gone || !got.GoneAt.Equal(want.GoneAt) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := s.row(t, "fl-2"); got.CreatedBy != "somebody" {
		t.Error("a row that was only loaded was written")
	}
	i, history, ok, err := s.FindIncident(t.Context(), "fl-1")
	if err != nil || !ok || i.State != incident.Open || i.EventID != "drift-1" {
		t.Errorf("the incident: %+v, %t, %v", i, ok, err)
	}
	if len(history) != 1 || history[0].EventID != "drift-1" {
		t.Errorf("the history: %+v", history)
	}
}

// TestALongLineageIsLoaded: a case follows a long chain of replacements. It does not follow a circle of them, which
// only a damaged file has, without end.
func TestALongLineageIsLoaded(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for n := range 20 {
		s.onResource(t, fmt.Sprint("fl-", n), "vpc-1", inventory.Gone, incident.Verified, func(i *incident.Incident) { i.NewID = fmt.Sprint("fl-", n+1) })
	}
	s.onResource(t, "fl-20", "vpc-1", inventory.Gone, incident.Verified, func(i *incident.Incident) { i.NewID = "fl-18" })
	c := s.loadCase(t, incident.Selection{IDs: []string{"fl-0"}})
	for n := range 21 {
		if _, ok := c.Incident(fmt.Sprint("fl-", n)); !ok {
			t.Errorf("fl-%d is not loaded", n)
		}
	}
}

func TestDestinationsSince(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, func(tx *Tx) error {
		for destination, at := range map[string]time.Time{"first": {}, "later": noon, "other": noon} {
			if _, err := tx.NewDestination(scope, destination, at); err != nil {
				return err
			}
		}
		return nil
	})
	got, err := viewed(t.Context(), s.file, func(tx *Tx) (map[string]time.Time, error) {
		return tx.DestinationsSince(scope, []string{"first", "later", "never"})
	})
	if _, known := got["first"]; err != nil || len(got) != 2 || !known || !got["first"].IsZero() || !got["later"].Equal(noon) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestUnrecorded: Unrecorded returns the flow logs that a record names and whose history has no entry with the record's
// event ID and claim. Protected flow logs have their resource with them, others an empty one.
func TestUnrecorded(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for id, change := range map[string]func(*inventory.Row){
		"fl-live": func(*inventory.Row) {}, "fl-recorded": func(*inventory.Row) {}, "fl-claimed": func(*inventory.Row) {},
		"fl-gone":  func(r *inventory.Row) { r.State = inventory.Gone },
		"fl-decoy": func(r *inventory.Row) { r.Protected = false },
		"fl-apart": func(r *inventory.Row) { r.Scope.Region = "eu-west-2" },
	} {
		row := inventory.Row{FlowLog: flowLog(id), RootID: id, State: inventory.Live, Protected: true, FirstSeenAt: noon, LastSeenAt: noon}
		row.ResourceID = "vpc-" + id
		change(&row)
		s.put(t, func(tx *Tx) error { return tx.PutFlowLog(row) })
	}
	for id, of := range map[string]incident.Entry{
		"fl-recorded": {EventID: "event", Claim: "claim"}, "fl-claimed": {EventID: "event", Claim: "another"}, "fl-live": {EventID: "another", Claim: "claim"},
	} {
		s.put(t, func(tx *Tx) error { return tx.AddHistory(scope, id, of, true) })
	}
	ids := []string{"fl-live", "fl-live", "fl-recorded", "fl-claimed", "fl-gone", "fl-decoy", "fl-apart", "fl-unknown"}
	got, err := viewed(t.Context(), s.file, func(tx *Tx) (map[string]string, error) { return tx.Unrecorded(scope, ids, "event", "claim") })
	want := map[string]string{"fl-live": "vpc-fl-live", "fl-claimed": "vpc-fl-claimed", "fl-gone": "vpc-fl-gone", "fl-decoy": "", "fl-apart": "", "fl-unknown": ""}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestI1WhatIsReadOfADamagedCase: if an incident can't be read, the case still has the row. So an alert that is sent
// without the damaged state file still says which resource went dark.
func TestI1WhatIsReadOfADamagedCase(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"))
	s.put(t, func(tx *Tx) error {
		return tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-1", State: incident.Open, Known: true, DetectedAt: noon})
	})
	exec(t, s.w, `UPDATE incidents SET body = '{'`)
	err := s.View(t.Context(), func(tx *Tx) error {
		c, err := tx.Case(scope, incident.Selection{IDs: []string{"fl-1"}}, noon)
		if row, ok := c.Row("fl-1"); err == nil || !ok || row.ResourceID != "vpc-1" {
			t.Errorf("%v, %+v, %v", ok, row, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
