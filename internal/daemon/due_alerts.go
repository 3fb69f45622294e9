package daemon

import (
	"context"
	"time"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// dueAlertsEvery is how often the store is asked for alerts that are due.
const dueAlertsEvery = 2 * time.Second

// writeDueAlerts adds the alerts that are due to the outbox, until ctx ends: those of every
// scope in the state file, also if the scope has no client, if its restorer waits for AWS,
// and before AWS has been reached.
func (d *Daemon) writeDueAlerts(ctx context.Context) error {
	beat := d.progress.Loop("due alerts", maxSilence)
	withoutAWS := &remediate.Remediator{Store: d.store.Remediation(), Fleet: noFleet{}, Policy: Policy(d.Config, ""), Now: time.Now, Log: d.Log, Senders: alertSenders{d}}
	var writing outage.Outage
	for retry.Sleep(ctx, dueAlertsEvery) {
		beat()
		r := withoutAWS
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
