package notify_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// TestI1TheAlertOfADeletionThatCanNotBeStored: the alert has what could be read about the flow logs. It says that a VPC
// has no flow log left only if all flow logs of the VPC could be read.
func TestI1TheAlertOfADeletionThatCanNotBeStored(t *testing.T) {
	t.Parallel()
	f := detection.Finding{Kind: detection.Deleted, Deleted: []string{"fl-1", "fl-2"}, Rule: detection.Rule{Level: alert.High},
		Record: cloudtrail.Record{Account: scope.Account, Region: scope.Region, EventID: "e-1"}}
	for name, tt := range map[string]struct {
		rows            []inventory.Row
		whole, noneSeen bool
		resource        string
		darkVPC         bool
	}{
		"all is read":              {[]inventory.Row{row("fl-1", func(*inventory.Row) {})}, true, false, "vpc-1", true},
		"one row is read":          {[]inventory.Row{row("fl-1", func(*inventory.Row) {})}, false, false, "vpc-1", false},
		"nothing is read":          {nil, false, false, "", false},
		"the snapshot has neither": {nil, true, true, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &incident.Case{Scope: scope, Now: noon}
			c.Load(tt.rows, nil)
			a, noneSeen := notify.UnrecordedDeletion(f, c, tt.whole)
			if noneSeen != tt.noneSeen || len(a.FlowLogs) != 2 || a.FlowLogs[0].ResourceID != tt.resource || slices.Contains(a.RaisedBy, alert.WholeVPC) != tt.darkVPC {
				t.Errorf("%v, %+v, raised by %q", noneSeen, a.FlowLogs, a.RaisedBy)
			}
		})
	}
}

// TestAfterRecord: while the alert of one more record is held back, what was alerted before stays, so that alerts to come
// have the IDs that they would have had. With the alert, the end of the event is to be alerted once more, and so are tags that AWS refuses.
func TestAfterRecord(t *testing.T) {
	t.Parallel()
	before := alerted(func(e *incident.Event) {
		e.ReopenedAt, e.RestoredAlertedAt, e.ClosedAlertedAt, e.NotTaggedAt = ago(4*time.Second), ago(3*time.Second), ago(2*time.Second), ago(time.Second)
		e.Failed, e.FailedOmitted = []alert.FlowLog{{FlowLogID: "fl-9"}}, 3
	})
	d := notify.Deletion{Event: incident.Event{Scope: scope, ID: before.ID, Source: before.Source, Level: alert.Low, DetectedAt: noon}, NeverSaw: true}
	if e := d.AfterRecord(before, true, false, incident.Policy{}, noon); !reflect.DeepEqual(e, before) {
		t.Errorf("held back: the event is %+v, want %+v", e, before)
	}
	e := d.AfterRecord(before, true, true, incident.Policy{}, noon)
	if !e.DeletionAlertedAt.Equal(noon) || !e.RestoredAlertedAt.IsZero() || !e.ClosedAlertedAt.IsZero() || !e.NotTaggedAt.IsZero() {
		t.Errorf("alerted: the event is %+v", e)
	}
	if e := d.AfterRecord(incident.Event{}, false, false, incident.Policy{}, noon); !e.Unknown || !e.DeletionAlertedAt.IsZero() {
		t.Errorf("the first record, held back: the event is %+v", e)
	}
}
