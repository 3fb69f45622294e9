package remediate_test

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

func (s *scene) incident(id string) incident.Incident {
	s.t.Helper()
	i, _, ok, err := s.store.FindIncident(s.t.Context(), id)
	s.must(err)
	if !ok {
		s.t.Fatalf("no incident of %s", id)
	}
	return i
}

// wantState checks the state of a flow log's incident, and its reason.
func (s *scene) wantState(id string, state incident.State, reason incident.Reason) incident.Incident {
	s.t.Helper()
	i := s.incident(id)
	if i.State != state || i.Reason != reason {
		s.t.Fatalf("incident of %s is %s %q (%s), want %s %q", id, i.State, i.Reason, i.Advice, state, reason)
	}
	return i
}

func (s *scene) row(id string) inventory.Row {
	s.t.Helper()
	r, ok, err := s.store.FindFlowLog(s.t.Context(), id)
	s.must(err)
	if !ok {
		s.t.Fatalf("no row of %s", id)
	}
	return r
}

// alerts are all alerts of a kind, oldest first.
func (s *scene) alerts(k alert.Kind) []alert.Alert {
	s.t.Helper()
	var out []alert.Alert
	s.must(s.store.FindAlerts(s.t.Context(), store.Filter{}, func(a alert.Alert, _ []sink.Delivery) error {
		if a.Kind == k {
			out = append(out, a)
		}
		return nil
	}))
	slices.Reverse(out)
	return out
}

// alertsOf are the alerts of a kind about one event, oldest first.
func (s *scene) alertsOf(k alert.Kind, event string) []alert.Alert {
	s.t.Helper()
	return slices.DeleteFunc(s.alerts(k), func(a alert.Alert) bool { return a.EventID != event })
}

// named are the flow logs that the alerts of a kind name.
func (s *scene) named(k alert.Kind) map[string]bool {
	s.t.Helper()
	named := map[string]bool{}
	for _, a := range s.alerts(k) {
		for _, f := range a.FlowLogs {
			named[f.FlowLogID] = true
		}
	}
	return named
}

// wantAlerts checks how many alerts of a kind there are.
func (s *scene) wantAlerts(k alert.Kind, want int) {
	s.t.Helper()
	if got := len(s.alerts(k)); got != want {
		s.t.Fatalf("%d alerts of kind %s, want %d", got, k, want)
	}
}

// wantAlertCounts checks how many alerts of each kind there are. A kind that is not in want must have none;
// alerts of tampering are not counted.
func (s *scene) wantAlertCounts(want map[alert.Kind]int) {
	s.t.Helper()
	for _, k := range []alert.Kind{alert.Deletion, alert.Attempt, alert.Restored, alert.Blocked, alert.Closed, alert.Flapping, alert.Decoy, alert.Pipeline, alert.Destination} {
		if got := len(s.alerts(k)); got != want[k] {
			s.t.Errorf("%d alerts of kind %s, want %d", got, k, want[k])
		}
	}
}

// flowLogsOn are the flow logs that a VPC has in AWS, whatever a listing shows.
func (s *scene) flowLogsOn(vpc string) []fakeaws.FlowLog {
	return slices.DeleteFunc(s.world.FlowLogs(account, region), func(f fakeaws.FlowLog) bool { return f.ResourceID != vpc })
}

// wantRestored checks that a VPC has exactly one flow log, with the settings that plant gives.
func (s *scene) wantRestored(vpc string) fakeaws.FlowLog {
	s.t.Helper()
	all := s.flowLogsOn(vpc)
	if len(all) != 1 {
		s.t.Fatalf("%d flow logs on %s, want 1", len(all), vpc)
	}
	f := all[0]
	if f.TrafficType != "ALL" || f.LogDestination != bucket || f.LogFormat != "${version}" || f.MaxAggregationInterval != 60 || f.FileFormat != "parquet" || f.Tags["Name"] != vpc {
		s.t.Fatalf("the flow log does not have the settings that it had before: %+v", f)
	}
	return f
}

func (s *scene) creates() int { return len(s.world.Calls("CreateFlowLogs")) }

// critical are the critical alerts that a flow log is not back.
func (s *scene) critical() (out []alert.Alert) {
	s.t.Helper()
	for _, k := range []alert.Kind{alert.Blocked, alert.Decoy, alert.Flapping} {
		for _, a := range s.alerts(k) {
			if a.Level == alert.Critical {
				out = append(out, a)
			}
		}
	}
	return out
}

// wantResolved checks that each incident that an alert opened in a pager is resolved by a later alert.
func (s *scene) wantResolved() {
	s.t.Helper()
	closed := map[string]time.Time{}
	for _, a := range s.alerts(alert.Closed) {
		closed[a.DedupKey] = a.Time.Time
	}
	for _, k := range []alert.Kind{alert.Deletion, alert.Blocked, alert.Decoy, alert.Flapping} {
		for _, a := range s.alerts(k) {
			if at, ok := closed[a.DedupKey]; !ok || at.Before(a.Time.Time) {
				s.t.Errorf("%s (%s) of %s is never closed", a.Kind, a.Level, a.EventID)
			}
		}
	}
}
