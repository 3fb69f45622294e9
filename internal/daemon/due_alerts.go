package daemon

import (
	"context"
	"errors"
	"time"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// dueAlertsEvery is how often the store is asked for alerts that are due.
const dueAlertsEvery = 2 * time.Second

// writeDueAlerts adds the alerts that are due to the outbox, until ctx ends: those of every
// scope in the state file, also if the scope has no client, if its restorer waits for AWS,
// and before AWS has been reached.
func (d *Daemon) writeDueAlerts(ctx context.Context) error {
	keepAlive := d.progress.Loop("due alerts", maxSilence)
	withoutAWS := &remediate.Remediator{Store: d.store.Remediation(), Fleet: noFleet{}, Policy: Policy(d.Config, ""), Now: time.Now, Log: d.Log, Senders: alertSenders{d}}
	var writing outage.Outage
	for retry.Sleep(ctx, dueAlertsEvery) {
		keepAlive()
		r := withoutAWS
		if d.connected.Load() {
			r = d.remediator
		}
		scopes, err := d.dueScopes(ctx)
		for _, s := range scopes {
			err = errors.Join(err, r.NotifyDue(ctx, s))
			keepAlive()
		}
		if writing.Note(err) == outage.Began && ctx.Err() == nil {
			d.Log.Error("alerts that are due can't be written, and are tried every two seconds", "error", err)
		}
	}
	return nil
}

// dueScopes returns the scopes that have alerts which are due.
func (d *Daemon) dueScopes(ctx context.Context) (scopes []inventory.Scope, err error) {
	err = d.store.View(ctx, func(tx *store.Tx) (err error) { scopes, err = tx.DueScopes(time.Now()); return err })
	return scopes, err
}

// noFleet has no client: AWS has not been reached yet.
type noFleet struct{}

func (noFleet) EC2(inventory.Scope) (remediate.EC2, bool) { return nil, false }
