package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestReleaseWithoutADaemonAlertsOfTheOthers: an event has two flow logs, and the command releases one of them. It also
// adds the alert that is due about the other one. That alert must not say that no attempt will be made: the command
// never calls AWS, but the daemon will.
func TestReleaseWithoutADaemonAlertsOfTheOthers(t *testing.T) {
	t.Parallel()
	path := stateFile(t, func(tx *store.Tx) error {
		e := incident.Event{Scope: scope, ID: "event-3", Source: incident.ByEvent, Level: alert.High, DetectedAt: noon.Add(-time.Hour), DeletionAlertedAt: noon.Add(-time.Hour), StuckAt: noon.Add(-time.Minute)}
		errs := []error{tx.PutEvent(e)}
		for _, r := range rows()[:2] {
			r.State, r.GoneAt = inventory.Gone, noon.Add(-time.Hour)
			errs = append(errs, tx.PutFlowLog(r), tx.PutIncident(incident.Incident{
				Scope: scope, FlowLogID: r.ID, RootID: r.ID, ResourceID: r.ResourceID, State: incident.Blocked, Reason: incident.Permission, Source: incident.ByEvent, EventID: e.ID,
				DeletedAt: noon.Add(-time.Hour), DetectedAt: noon.Add(-time.Hour), OpenedAt: noon.Add(-time.Hour), AbsentAt: noon.Add(-time.Hour),
				Known: true, Frozen: r.Settings, NextAttemptAt: noon.Add(time.Minute), StuckNews: true,
				Stuck: &incident.Stuck{Kind: alert.Blocked, Message: "UnauthorizedOperation: no", Advice: "allow ec2:CreateFlowLogs"},
			}))
		}
		return errors.Join(errs...)
	}, "log")
	if code, out := flowkeeper(t, "--state", path, "inventory", "release", "fl-000000a1", "--reason", "moved"); code != exitFine {
		t.Fatalf("%d: %s", code, out)
	}
	code, got := flowkeeper(t, "--state", path, "alerts", "list", "--json")
	if code != exitFine || !strings.Contains(got, "fl-000000b2") || !strings.Contains(got, "allow ec2:CreateFlowLogs") || strings.Contains(got, "nothing is tried") {
		t.Error(code, got)
	}
}

func TestDaysOf(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{2 * time.Hour: "2h", 30 * time.Hour: "30h", 51 * time.Hour: "2d3h", 90 * 24 * time.Hour: "90d"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := daysOf(d); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
