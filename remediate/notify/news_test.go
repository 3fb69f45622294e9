package notify_test

import (
	"testing"

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
	outage := notify.OutageKey(scope, notify.Delivering)
	for name, tt := range map[string]struct {
		rows  []inventory.Row
		over  bool
		kinds []alert.Kind
		keyed []bool // by the outage's key
	}{
		"none":                         {},
		"a new destination":            {[]inventory.Row{elsewhere}, false, []alert.Kind{alert.Destination}, []bool{false}},
		"it fails":                     {[]inventory.Row{failing}, false, []alert.Kind{alert.Pipeline}, []bool{true}},
		"it works, others fail":        {[]inventory.Row{working}, false, []alert.Kind{alert.Pipeline}, []bool{false}},
		"the last of them works":       {[]inventory.Row{working}, true, []alert.Kind{alert.Pipeline}, []bool{true}},
		"what a decoy does is no loss": {[]inventory.Row{decoy}, false, []alert.Kind{alert.Destination}, []bool{false}},
		"all at once":                  {[]inventory.Row{working, failing, elsewhere}, false, []alert.Kind{alert.Destination, alert.Pipeline, alert.Pipeline}, []bool{false, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := notify.NewsOf(tt.rows)
			for k, r := range n.Rows {
				if r.NoticePending() || r.ID != tt.rows[k].ID {
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

func TestNewDestinationsAreCounted(t *testing.T) {
	t.Parallel()
	isNew := func(r *inventory.Row) { r.NewDestination = true }
	a := notify.NewsOf([]inventory.Row{row("fl-2", isNew), row("fl-1", isNew)}).Alerts(scope, false, noon)[0]
	if want := "arn:aws:s3:::fl-1 and 1 more"; a.Cause != want || a.FlowLogs[0].FlowLogID != "fl-1" {
		t.Errorf("the cause is %q, want %q", a.Cause, want)
	}
}

func TestOutageEndResolves(t *testing.T) {
	t.Parallel()
	a := notify.OutageEnd(scope, notify.Rehearsing, "it works", noon)
	if !a.Resolves() || a.DedupKey != notify.OutageKey(scope, notify.Rehearsing) || a.RouteLevel != alert.High || a.Cause != "it works" {
		t.Errorf("the end is %+v", a)
	}
	if b := notify.OutageEnd(scope, notify.Returning, "it works", noon); a.ID == b.ID {
		t.Error("the ends of two parts have the same ID")
	}
}
