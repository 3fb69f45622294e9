package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestListsChoose: each filter, alone and with others, chooses the flow logs and the incidents that the lists return.
func TestListsChoose(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon.Add(-48*time.Hour), flowLog("fl-1"), flowLog("fl-2"))
	s.learnAt(t, noon, flowLog("fl-3"))
	s.put(t, func(tx *Tx) error {
		gone, other := s.row(t, "fl-2"), s.row(t, "fl-3")
		gone.ResourceID = "vpc-2"
		gone.State, gone.GoneAt = inventory.Gone, noon.Add(-time.Hour)
		other.ID, other.Scope = "fl-9", inventory.Scope{Account: "444455556666", Region: "us-east-1"}
		return errors.Join(tx.PutFlowLog(gone), tx.PutFlowLog(other),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-2", State: incident.Restored, NewID: "fl-3", DetectedAt: noon.Add(-time.Hour)}),
			tx.PutIncident(incident.Incident{Scope: other.Scope, FlowLogID: "fl-8", State: incident.Blocked, Reason: incident.Role, DetectedAt: noon, ResourceID: "vpc-8"}))
	})
	for name, c := range map[string]struct {
		f                   Filter
		flowLogs, incidents string
	}{
		"all":                {Filter{}, "[fl-1 fl-2 fl-3 fl-9]", "[fl-8 fl-2]"},
		"one state":          {Filter{States: []string{"gone"}}, "[fl-2]", "[]"},
		"two states":         {Filter{States: []string{"blocked", "open"}}, "[]", "[fl-8]"},
		"an account":         {Filter{Accounts: []string{"444455556666"}}, "[fl-9]", "[fl-8]"},
		"Regions":            {Filter{Regions: []string{"us-east-1", "eu-west-9"}}, "[fl-9]", "[fl-8]"},
		"account and Region": {Filter{Accounts: []string{scope.Account}, Regions: []string{"us-east-1"}}, "[]", "[]"},
		"since":              {Filter{Since: noon.Add(-time.Hour)}, "[fl-2 fl-3 fl-9]", "[fl-8 fl-2]"},
		"since a moment":     {Filter{Since: noon}, "[fl-3 fl-9]", "[fl-8]"},
		"beginning of an ID": {Filter{Begins: "fl-2"}, "[fl-2]", "[fl-2]"},
		"resources":          {Filter{Resources: []string{"vpc-2", "vpc-8"}}, "[fl-2]", "[fl-8]"},
		"no such resource":   {Filter{Resources: []string{"vpc-404"}}, "[]", "[]"},
		"limit":              {Filter{Limit: 1}, "[fl-1]", "[fl-8]"},
		"limit above all":    {Filter{Limit: 9}, "[fl-1 fl-2 fl-3 fl-9]", "[fl-8 fl-2]"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, incidents := []string{}, []string{}
			err := errors.Join(
				s.FindFlowLogs(t.Context(), c.f, func(r inventory.Row, _ Fate) error { rows = append(rows, r.ID); return nil }),
				s.FindIncidents(t.Context(), c.f, func(i incident.Incident) error { incidents = append(incidents, i.FlowLogID); return nil }))
			if got := fmt.Sprint(rows); err != nil || got != c.flowLogs {
				t.Errorf("%+v: flow logs %s instead of %s, %v", c.f, got, c.flowLogs, err)
			}
			if got := fmt.Sprint(incidents); got != c.incidents {
				t.Errorf("%+v: incidents %s instead of %s", c.f, got, c.incidents)
			}
		})
	}
	err := s.FindFlowLogs(t.Context(), Filter{Begins: "fl-2"}, func(_ inventory.Row, f Fate) error {
		if f != (Fate{State: incident.Restored, NewID: "fl-3"}) {
			t.Errorf("%+v", f)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	scopes, err := s.Scopes(t.Context())
	if fmt.Sprint(scopes) != fmt.Sprint([]inventory.Scope{scope, {Account: "444455556666", Region: "us-east-1"}}) || err != nil {
		t.Errorf("%v %v", scopes, err)
	}
}

// TestFindIncidentsGoesOn: FindIncidents reads page after page and misses no incident. The latest come first; those
// that were detected at the same moment are ordered by their key.
func TestFindIncidentsGoesOn(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	const n = 2*page + 10
	s.put(t, func(tx *Tx) error {
		var errs []error
		for k := range n {
			at := noon.Add(-time.Duration(k/7) * time.Minute)
			errs = append(errs, tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: fmt.Sprintf("fl-%04d", k), Known: true, State: incident.Open, DetectedAt: at}))
		}
		return errors.Join(errs...)
	})
	for _, f := range []Filter{{}, {Limit: page + 3}} {
		k := 0
		err := s.FindIncidents(t.Context(), f, func(i incident.Incident) error {
			if want := fmt.Sprintf("fl-%04d", k); i.FlowLogID != want {
				return fmt.Errorf("%s instead of %s", i.FlowLogID, want)
			}
			k++
			return nil
		})
		if want := n; err != nil || f.Limit == 0 && k != want || f.Limit > 0 && k != f.Limit {
			t.Errorf("%+v: %d, %v", f, k, err)
		}
	}
}

// TestFindAlerts: FindAlerts returns the latest alerts first. It returns each alert once, with all its deliveries, also
// with those that the filter did not choose.
func TestFindAlerts(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.routes = alerttest.To{"log", "pager"}
	s.put(t, func(tx *Tx) error {
		var errs []error
		for n, id := range []string{"one", "two", "three"} {
			a := alert.Alert{ID: id, Time: alert.Time{Time: noon.Add(time.Duration(n) * time.Hour)}, Account: scope.Account, Region: scope.Region}
			if id == "three" {
				a.Account, a.Region = "444455556666", "us-east-1"
			}
			errs = append(errs, tx.AddAlert(a))
		}
		return errors.Join(errs...)
	})
	err := errors.Join(s.Sent(t.Context(), "log", "one", noon), s.Sent(t.Context(), "pager", "one", noon), s.Sent(t.Context(), "log", "two", noon),
		s.Failed(t.Context(), "pager", "two", sink.Failure{Attempts: 3, NextAt: noon, Cause: "answered 503"}), s.Failed(t.Context(), "pager", "three", sink.Failure{Attempts: 9, NextAt: noon, Cause: "answered 400", Parked: true}))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    Filter
		want []string
	}{
		"all":                {Filter{}, []string{"three log:pending pager:given_up", "two log:sent pager:pending", "one log:sent pager:sent"}},
		"sent":               {Filter{States: []string{sink.Sent}}, []string{"two log:sent pager:pending", "one log:sent pager:sent"}},
		"given up":           {Filter{States: []string{sink.GivenUp}}, []string{"three log:pending pager:given_up"}},
		"pending at a sink":  {Filter{States: []string{sink.Pending}, Sinks: []string{"pager"}}, []string{"two log:sent pager:pending"}},
		"failed":             {Filter{Failed: true}, []string{"three log:pending pager:given_up", "two log:sent pager:pending"}},
		"an account":         {Filter{Accounts: []string{"444455556666"}}, []string{"three log:pending pager:given_up"}},
		"a Region, limited":  {Filter{Regions: []string{scope.Region}, Limit: 1}, []string{"two log:sent pager:pending"}},
		"since":              {Filter{Since: noon.Add(2 * time.Hour)}, []string{"three log:pending pager:given_up"}},
		"of another sink":    {Filter{Begins: "t", Limit: 5, Sinks: []string{"mail"}}, nil},
		"beginning of an ID": {Filter{Begins: "one"}, []string{"one log:sent pager:sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := s.FindAlerts(t.Context(), c.f, func(a alert.Alert, ds []sink.Delivery) error {
				line := a.ID
				for _, d := range ds {
					line += " " + d.Sink + ":" + d.State()
				}
				got = append(got, line)
				return nil
			})
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%+v: %v\n%s", c.f, err, diff)
			}
		})
	}
	scopes, err := s.AlertScopes(t.Context())
	if want := []inventory.Scope{scope, {Account: "444455556666", Region: "us-east-1"}}; err != nil || !slices.Equal(scopes, want) {
		t.Errorf("%v, %v", scopes, err)
	}
	names, err := s.SinkNames(t.Context())
	if fmt.Sprint(names) != "[log pager]" || err != nil {
		t.Errorf("%q %v", names, err)
	}
}

// TestWords: a shell completes the resources of live flow logs, and all destinations that flow logs ever delivered to.
func TestWords(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	a, b := flowLog("fl-1"), flowLog("fl-2")
	a.ResourceID, b.ResourceID = "vpc-1", "subnet-2"
	s.learnAt(t, noon, a, b)
	s.put(t, func(tx *Tx) error {
		_, err := tx.NewDestination(scope, "arn:aws:s3:::example", time.Time{})
		return err
	})
	for begins, want := range map[string]string{"": "[subnet-2 vpc-1]", "vpc": "[vpc-1]", "eni": "[]"} {
		t.Run(fmt.Sprintf("%q", begins), func(t *testing.T) {
			if got, err := s.Words(t.Context(), LiveResources, begins, 9); fmt.Sprint(got) != want || err != nil {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	if got, err := s.Words(t.Context(), Destinations, "arn:", 1); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}
