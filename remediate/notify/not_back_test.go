package notify_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	scope = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
)

const mallory = "arn:aws:iam::111122223333:user/mallory"

// ago is a time before noon.
func ago(d time.Duration) time.Time { return noon.Add(-d) }

// lost is an incident of a known flow log, which the event e-1 opened a minute before noon.
func lost(id string, state incident.State) incident.Incident {
	return incident.Incident{Scope: scope, FlowLogID: id, RootID: id, ResourceID: "vpc-" + id, State: state, Source: incident.ByEvent,
		EventID: "e-1", Action: incident.Restore, Known: true, DeletedAt: ago(time.Minute), DetectedAt: ago(time.Minute), OpenedAt: ago(time.Minute)}
}

func with(i incident.Incident, change func(*incident.Incident)) incident.Incident {
	change(&i)
	return i
}

// alerted is an event of a record whose deletion was alerted a minute before noon. change
// may be nil.
func alerted(change func(*incident.Event)) incident.Event {
	e := incident.Event{Scope: scope, ID: "e-1", Source: incident.ByEvent, Level: alert.High, DetectedAt: ago(time.Minute),
		Actor:             &alert.Actor{Type: "IAMUser", ARN: mallory},
		DeletionAlertedAt: ago(time.Minute), Deadline: noon.Add(4 * time.Minute), OverdueAt: noon.Add(4 * time.Minute)}
	if change != nil {
		change(&e)
	}
	return e
}

// named are the flow logs of an alert.
func named(a alert.Alert) (ids []string) {
	for _, f := range a.FlowLogs {
		ids = append(ids, f.FlowLogID)
	}
	return ids
}

// caseOf is a case in which some flow logs are released, so that they are not to be restored.
func caseOf(released ...string) *incident.Case {
	c := &incident.Case{Scope: scope, Now: noon}
	for _, id := range released {
		row := inventory.Row{FlowLog: inventory.FlowLog{ID: id, Scope: scope}, Protected: true}
		row.Release(ago(time.Hour), noon.Add(time.Hour), "")
		c.Load([]inventory.Row{row}, nil)
	}
	return c
}

func TestEvaluateNotBack(t *testing.T) {
	t.Parallel()
	denied := incident.Stuck{Kind: alert.Blocked, Message: "denied", Advice: "allow it"}
	blocked := with(lost("fl-1", incident.Blocked), func(i *incident.Incident) { i.Reason, i.Stuck, i.StuckNews = incident.Permission, &denied, true })
	decoy := with(lost("fl-2", incident.Blocked), func(i *incident.Incident) {
		i.Reason, i.Stuck, i.StuckNews = incident.Decoy, &incident.Stuck{Kind: alert.Decoy, Differences: []string{"format"}}, true
	})
	flapping := with(lost("fl-3", incident.Restored), func(i *incident.Incident) {
		i.Flapping, i.Confirmed, i.Stuck, i.StuckNews = true, true, &incident.Stuck{Kind: alert.Flapping, Message: "5 restores"}, true
	})
	young := lost("fl-4", incident.Open)
	overdue := with(lost("fl-5", incident.Open), func(i *incident.Incident) { i.OpenedAt, i.Tried = ago(incident.OverdueAfter), 3 })
	yesterday := with(blocked, func(i *incident.Incident) { i.StuckNews, i.StuckAlertedAt = false, ago(incident.RemindAfter) })
	nearly := with(yesterday, func(i *incident.Incident) { i.FlowLogID, i.StuckAlertedAt = "fl-6", ago(23*time.Hour) })
	thisMorning := with(yesterday, func(i *incident.Incident) { i.FlowLogID, i.StuckAlertedAt = "fl-7", ago(22*time.Hour) })
	ahead := with(young, func(i *incident.Incident) { i.OpenedAt = noon.Add(time.Hour) })
	for name, tt := range map[string]struct {
		incidents []incident.Incident
		released  []string
		alerts    map[alert.Kind][]string
		changed   []string
		overdueAt time.Time
	}{
		"nothing":                   {},
		"too early":                 {incidents: []incident.Incident{young}, overdueAt: noon.Add(4 * time.Minute)},
		"blocked":                   {[]incident.Incident{blocked}, nil, map[alert.Kind][]string{alert.Blocked: {"fl-1"}}, []string{"fl-1"}, noon.Add(incident.RemindAfter)},
		"one alert of each kind":    {[]incident.Incident{blocked, decoy, flapping}, nil, map[alert.Kind][]string{alert.Decoy: {"fl-2"}, alert.Blocked: {"fl-1"}, alert.Flapping: {"fl-3"}}, []string{"fl-1", "fl-2", "fl-3"}, noon.Add(incident.RemindAfter)},
		"back, but flapping":        {[]incident.Incident{flapping}, nil, map[alert.Kind][]string{alert.Flapping: {"fl-3"}}, []string{"fl-3"}, time.Time{}},
		"overdue, another is young": {[]incident.Incident{young, overdue}, nil, map[alert.Kind][]string{alert.Blocked: {"fl-5"}}, []string{"fl-5"}, noon.Add(4 * time.Minute)},
		"again after a day, with one that is nearly due": {[]incident.Incident{yesterday, nearly, thisMorning}, nil, map[alert.Kind][]string{alert.Blocked: {"fl-1", "fl-6"}}, []string{"fl-1", "fl-6"}, noon.Add(2 * time.Hour)},
		"released":                {[]incident.Incident{overdue}, []string{"fl-5"}, nil, nil, noon.Add(incident.OverdueAfter)},
		"one of two is released":  {[]incident.Incident{overdue, blocked}, []string{"fl-5"}, map[alert.Kind][]string{alert.Blocked: {"fl-1"}}, []string{"fl-1"}, noon.Add(incident.OverdueAfter)},
		"the clock has gone back": {[]incident.Incident{ahead}, nil, nil, []string{"fl-4"}, noon.Add(incident.OverdueAfter)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(nil)
			e.StuckAt = ago(time.Second)
			n := notify.Owed{Event: e}.EvaluateNotBack(tt.incidents, caseOf(tt.released...), true)
			got := map[alert.Kind][]string{}
			for _, a := range n.Alerts {
				got[a.Kind] = named(a)
				if a.Level != alert.Critical {
					t.Errorf("the %s alert is %s, want critical", a.Kind, a.Level)
				}
			}
			for _, kind := range []alert.Kind{alert.Decoy, alert.Blocked, alert.Flapping} {
				if !slices.Equal(got[kind], tt.alerts[kind]) {
					t.Errorf("the %s alert names %q, want %q", kind, got[kind], tt.alerts[kind])
				}
			}
			var changed []string
			for _, i := range n.Incidents {
				changed = append(changed, i.FlowLogID)
			}
			if !slices.Equal(changed, tt.changed) {
				t.Errorf("changes %q, want %q", changed, tt.changed)
			}
			if !n.Event.StuckAt.IsZero() || !n.Event.OverdueAt.Equal(tt.overdueAt) || n.Event.StuckAlerted != (len(tt.alerts) > 0) {
				t.Errorf("the event is stuck at %v (alerted: %v), overdue at %v; want overdue at %v", n.Event.StuckAt, n.Event.StuckAlerted, n.Event.OverdueAt, tt.overdueAt)
			}
		})
	}
}

// TestAClockThatWentBackPutsOffNoAlert: an incident with a time in the future, from which it is counted when the
// incident is overdue, is changed. Otherwise it would be overdue later with each evaluation.
func TestAClockThatWentBackPutsOffNoAlert(t *testing.T) {
	t.Parallel()
	var tried []string
	for _, i := range []incident.Incident{
		lost("fl-1", incident.Open),
		with(lost("fl-2", incident.Blocked), func(i *incident.Incident) { i.StuckAlertedAt = ago(time.Second) }),
		with(lost("fl-3", incident.Restored), func(i *incident.Incident) { i.NewID, i.RestoredAt = "fl-4", ago(time.Second) }),
	} {
		for f := range reflect.TypeFor[incident.Incident]().Fields() {
			if f.Type != reflect.TypeFor[time.Time]() {
				continue
			}
			was := i
			reflect.ValueOf(&was).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(noon.Add(time.Hour)))
			if was.OverdueAt(incident.Policy{}).Equal(was.ClampTimes(noon, incident.Policy{}).OverdueAt(incident.Policy{})) {
				continue
			}
			tried = append(tried, f.Name)
			if n := (notify.Owed{Event: alerted(nil)}).EvaluateNotBack([]incident.Incident{was}, caseOf(), true); len(n.Incidents) != 1 {
				t.Errorf("%s, with %s in the future, is not changed", i.State, f.Name)
			}
		}
	}
	slices.Sort(tried)
	if want := []string{"MissingSince", "OpenedAt", "RestoredAt", "StuckAlertedAt", "WaitUntil"}; !slices.Equal(slices.Compact(tried), want) {
		t.Errorf("%q count, want %q", tried, want)
	}
}

// TestNotBackAlert: the alert says why, how many attempts failed, and when Flowkeeper tries
// next.
func TestNotBackAlert(t *testing.T) {
	t.Parallel()
	i := with(lost("fl-1", incident.Blocked), func(i *incident.Incident) {
		i.Reason, i.Advice, i.Tried, i.NextAttemptAt = incident.Permission, "older advice", 3, ago(time.Second)
		i.Stuck, i.StuckNews = &incident.Stuck{Kind: alert.Blocked, Message: "denied", Advice: "allow it"}, true
	})
	alertOf := func(tried bool) alert.Alert {
		return notify.Owed{Event: alerted(nil)}.EvaluateNotBack([]incident.Incident{i}, caseOf(), tried).Alerts[0]
	}
	a := alertOf(true)
	f := a.FlowLogs[0]
	if f.ErrorMessage != "denied" || f.Advice != "allow it" || f.Attempts != 3 || !f.NextAttemptAt.Equal(noon) || a.Rule != nil || a.Cause != "" {
		t.Errorf("the alert says %+v", f)
	}
	if a = alertOf(false); a.Cause == "" || a.Advice == "" || a.FlowLogs[0].NextAttemptAt != nil {
		t.Errorf("without a client the alert says %+v", a)
	}
}
