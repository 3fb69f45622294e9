package notify_test

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// row is a protected live flow log of the snapshot.
func row(id string, change func(*inventory.Row)) inventory.Row {
	r := inventory.Row{FlowLog: inventory.FlowLog{ID: id, Scope: scope, Settings: inventory.Settings{ResourceID: "vpc-1", LogDestination: "arn:aws:s3:::" + id}},
		RootID: id, State: inventory.Live, Protected: true}
	change(&r)
	return r
}

func TestNews(t *testing.T) {
	t.Parallel()
	elsewhere := row("fl-1", func(r *inventory.Row) { r.NewDestination = true })
	failing := row("fl-2", func(r *inventory.Row) { r.DeliverLogsStatus, r.DeliverLogsErrorMessage = "FAILED", "Access error" })
	working := row("fl-3", func(r *inventory.Row) { r.FailingAlerted = true })
	decoy := row("fl-4", func(r *inventory.Row) { r.Protected, r.NewDestination, r.DeliverLogsStatus = false, true, "FAILED" })
	outage := notify.OutageKey(scope, alert.PartDelivery)
	for name, tt := range map[string]struct {
		rows  []inventory.Row
		over  bool
		kinds []alert.Kind
		keyed []bool // by the outage's key
	}{
		"none":                     {},
		"a new destination":        {[]inventory.Row{elsewhere}, false, []alert.Kind{alert.Destination}, []bool{false}},
		"it fails":                 {[]inventory.Row{failing}, false, []alert.Kind{alert.Pipeline}, []bool{true}},
		"it works, others fail":    {[]inventory.Row{working}, false, []alert.Kind{alert.Pipeline}, []bool{false}},
		"the last of them works":   {[]inventory.Row{working}, true, []alert.Kind{alert.Pipeline}, []bool{true}},
		"an unprotected one fails": {[]inventory.Row{decoy}, false, []alert.Kind{alert.Destination}, []bool{false}},
		"all at once":              {[]inventory.Row{working, failing, elsewhere}, false, []alert.Kind{alert.Destination, alert.Pipeline, alert.Pipeline}, []bool{false, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := notify.NewsOf(tt.rows, noon)
			for k, r := range n.Rows {
				if r.OwesNews() || r.ID != tt.rows[k].ID {
					t.Errorf("row %d is not noted as alerted: %+v", k, r)
				}
			}
			alerts := n.Alerts(scope, tt.over, noon)
			if len(alerts) != len(tt.kinds) {
				t.Fatalf("%d alerts, want %d", len(alerts), len(tt.kinds))
			}
			for k, a := range alerts {
				if a.Kind != tt.kinds[k] || (a.DedupKey == outage) != tt.keyed[k] {
					t.Errorf("alert %d is a %s alert, by the outage's key: %v; want %s, %v", k, a.Kind, a.DedupKey == outage, tt.kinds[k], tt.keyed[k])
				}
			}
		})
	}
}

// TestDecoysAreAlertedWhenDue: one alert names all decoys whose notice is due, and says what to do about the first. A
// decoy whose notice is not due keeps it.
func TestDecoysAreAlertedWhenDue(t *testing.T) {
	t.Parallel()
	decoy := func(of string, due time.Time) func(*inventory.Row) {
		return func(r *inventory.Row) {
			r.Protected, r.DecoyNotice = false, &inventory.DecoyNotice{Of: of, Differences: []string{"x"}, Due: due}
		}
	}
	young := row("fl-3", decoy("fl-9", noon.Add(time.Minute)))
	young.NewDestination = true
	vanished := row("fl-4", decoy("", noon.Add(30*time.Hour))) // noted before the clock went back
	vanished.State = inventory.Gone
	n := notify.NewsOf([]inventory.Row{row("fl-2", decoy("fl-9", noon)), vanished, row("fl-1", decoy("fl-8", noon.Add(-time.Hour))), young}, noon)
	for _, r := range n.Rows {
		if (r.DecoyNotice != nil) != (r.ID == "fl-3") {
			t.Errorf("%s: %+v", r.ID, r.DecoyNotice)
		}
	}
	alerts := n.Alerts(scope, false, noon)
	if len(alerts) != 2 || len(alerts[1].FlowLogs) != 3 {
		t.Fatalf("%+v", alerts)
	}
	a := alerts[1]
	if want := "Not protected: 3 flow logs stand in the place of others, fl-1 in that of fl-8"; a.Cause != want || a.Kind != alert.Tamper || a.Level != alert.High || a.Target != "" {
		t.Errorf("%+v", a)
	}
	if a.FlowLogs[2].Advice != "it stands in the place of another flow log, and is gone by now" || a.FlowLogs[0].DifferencesFound[0] != "x" {
		t.Errorf("%+v", a.FlowLogs)
	}
	again := notify.NewsOf([]inventory.Row{row("fl-5", decoy("fl-9", noon))}, noon).Alerts(scope, false, noon)
	if again[0].ID == a.ID {
		t.Error("another alert about decoys at the same time has the same ID: the outbox would not add it")
	}
}

func TestNewDestinationsAreCounted(t *testing.T) {
	t.Parallel()
	isNew := func(r *inventory.Row) { r.NewDestination = true }
	a := notify.NewsOf([]inventory.Row{row("fl-2", isNew), row("fl-1", isNew)}, noon).Alerts(scope, false, noon)[0]
	if want := "arn:aws:s3:::fl-1 and 1 more"; a.Cause != want || a.FlowLogs[0].FlowLogID != "fl-1" {
		t.Errorf("the cause is %q, want %q", a.Cause, want)
	}
}

// TestHeldDestinationsHaveTheCommand: the command in the alert has only destinations that a
// shell does not interpret. The alert about held destinations is another one than the alert about new ones.
func TestHeldDestinationsHaveTheCommand(t *testing.T) {
	t.Parallel()
	at := func(destination string) func(*inventory.Row) {
		return func(r *inventory.Row) {
			r.Protected, r.Held, r.NewDestination, r.LogDestination = false, true, true, destination
		}
	}
	rows := []inventory.Row{row("fl-1", at("arn:aws:s3:::b/x")), row("fl-2", at("arn:aws:s3:::b/$(y)")), row("fl-3", at("arn:aws:logs:eu-west-1:9:log-group:/vpc")),
		row("fl-4", func(r *inventory.Row) { r.NewDestination = true })}
	alerts := notify.NewsOf(rows, noon).Alerts(scope, false, noon)
	if len(alerts) != 2 || alerts[0].ID == alerts[1].ID || alerts[0].DedupKey == alerts[1].DedupKey || len(alerts[0].FlowLogs) != 3 {
		t.Fatalf("%+v", alerts)
	}
	if want := "`flowkeeper inventory approve arn:aws:logs:eu-west-1:9:log-group:/vpc arn:aws:s3:::b`"; !strings.Contains(alerts[0].Advice, want) {
		t.Errorf("%s is not in %s", want, alerts[0].Advice)
	}
	alerts = notify.NewsOf([]inventory.Row{row("fl-1", at("arn:aws:logs:eu-west-1:9:log-group:`x`"))}, noon).Alerts(scope, false, noon)
	if strings.Contains(alerts[0].Advice, "x`") || !strings.Contains(alerts[0].Advice, "inventory list --held") {
		t.Errorf("%s", alerts[0].Advice)
	}
}

func TestOutageEndResolves(t *testing.T) {
	t.Parallel()
	a := notify.OutageEnd(scope, alert.PartRehearsal, "it works", noon)
	if !a.Resolves() || a.DedupKey != notify.OutageKey(scope, alert.PartRehearsal) || a.RouteLevel != alert.High || a.Cause != "it works" {
		t.Errorf("the end is %+v", a)
	}
	if b := notify.OutageEnd(scope, alert.PartEvents, "it works", noon); a.ID == b.ID {
		t.Error("the ends of two parts have the same ID")
	}
}

// TestI7OutagesAtTheSameTime: the outbox adds no second alert with the same ID.
func TestI7OutagesAtTheSameTime(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{notify.ScopeAlert(scope, alert.Pipeline, alert.High, nil, noon).ID: true}
	parts := []alert.Part{alert.PartDelivery, alert.PartRehearsal, alert.PartEvents}
	for _, p := range parts {
		ids[notify.OutageAlert(scope, p, alert.High, "it fails", noon).ID] = true
	}
	if len(ids) != 1+len(parts) {
		t.Errorf("%d different IDs of %d alerts", len(ids), 1+len(parts))
	}
}
