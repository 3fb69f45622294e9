package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestAScopeThatIsNotConfiguredAnyMoreIsAlerted: an account that the configuration does not name any more has no
// restorer. If a flow log of it was lost, an alert says that it is not back, and that nothing is tried.
func TestAScopeThatIsNotConfiguredAnyMoreIsAlerted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := time.Now()
	other := inventory.Scope{Account: "999988887777", Region: region}
	h.inFile(true, func(ctx context.Context, s *store.Store) error {
		i := incident.Incident{Scope: other, FlowLogID: "fl-1", RootID: "fl-1", ResourceID: "vpc-1", State: incident.Open, Known: true, Action: incident.Restore,
			Source: incident.ByEvent, EventID: "e", OpenedAt: now.Add(-time.Hour), DetectedAt: now.Add(-time.Hour), NextAttemptAt: now.Add(-time.Hour)}
		e := incident.Event{Scope: other, ID: "e", Source: incident.ByEvent, Level: alert.High, DetectedAt: i.DetectedAt, DeletionAlertedAt: i.DetectedAt, OverdueAt: i.DetectedAt.Add(5 * time.Minute)}
		return s.Update(ctx, func(tx *store.Tx) error { return errors.Join(tx.PutIncident(i), tx.PutEvent(e)) })
	})
	h.run()
	h.await("the alert that the flow log is not back", func() bool { return len(h.pager.of(alert.Blocked)) > 0 })
	a := h.pager.of(alert.Blocked)[0]
	if a.Account != other.Account || a.Level != alert.Critical || !strings.Contains(a.Text, "nothing is tried") || !strings.Contains(a.Text, "inventory release") || strings.Contains(a.Text, "tries again") {
		t.Errorf("alerts: %+v", a)
	}
}
