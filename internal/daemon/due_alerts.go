package daemon

import (
	"context"
	"time"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// dueAlertsEvery is how often writeDueAlerts asks the store what people are to hear.
const dueAlertsEvery = 2 * time.Second

// writeDueAlerts tells people what is due in every scope that the state file knows,
// also in those without a client or with a restorer that waits for AWS, and while
// AWS can't be reached at all.
func (d *Daemon) writeDueAlerts(ctx context.Context) error {
	beat := d.progress.Loop("due alerts", maxSilence)
	alone := &remediate.Remediator{Store: d.store.Remediation(), Fleet: noFleet{}, Policy: Policy(d.Config), Now: time.Now, Log: d.Log, Wake: d.wakeSenders}
	var writing outage.Outage
	for retry.Sleep(ctx, dueAlertsEvery) {
		beat()
		r := alone
		if d.connected.Load() {
			r = d.remediator
		}
		err := r.NotifyDue(ctx, beat)
		if writing.Note(err) == outage.Began && ctx.Err() == nil {
			d.Log.Error("alerts that are due can't be written, and are tried every two seconds", "error", err)
		}
	}
	return nil
}

// noFleet has no client: AWS has not been reached yet.
type noFleet struct{}

func (noFleet) EC2(inventory.Scope) (remediate.EC2, bool) { return nil, false }
