package daemon

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// outbox puts alerts of outages into the state file. It implements pipeline.Outbox.
type outbox struct{ d *Daemon }

func (o outbox) OwesEnd(ctx context.Context, s inventory.Scope, p alert.Part) (owes bool, err error) {
	err = o.d.store.View(ctx, func(tx *store.Tx) error { owes, err = tx.OutageAlerted(s, p); return err })
	return owes, err
}

func (o outbox) Add(ctx context.Context, a alert.Alert, note *notify.OutageNote) error {
	err := o.d.store.Update(ctx, func(tx *store.Tx) error { return tx.AddAlerts([]alert.Alert{a}, note) })
	if err == nil {
		alertSenders(o).Wake()
	}
	return err
}

func (o outbox) Bypass(ctx context.Context, a alert.Alert) { alertSenders(o).Bypass(ctx, a) }

// newOutage returns the outage of a part that belongs to no scope: see pipeline.New.
func (d *Daemon) newOutage(p alert.Part, recovery string) *pipeline.Outage {
	return pipeline.New(outbox{d}, inventory.Scope{}, p, recovery)
}

// places answers what pipeline asks about accounts and their Regions. It implements pipeline.Fleet.
type places struct{ d *Daemon }

// alerts returns the alerts of a kind of failure.
func (p places) alerts(k pipeline.Kind) *pipeline.Places {
	return pipeline.NewPlaces(outbox(p), p, k)
}

// all returns the alerts of every kind.
func (p places) all() []*pipeline.Places {
	return []*pipeline.Places{p.d.refreshes.accounts.Places, p.d.refreshes.regions, p.d.discovery.outages}
}

func (p places) HasProtected(ctx context.Context, account, region string) (bool, error) {
	var n int
	err := p.d.store.View(ctx, func(tx *store.Tx) (err error) { n, err = tx.CountProtected(account, region, 1); return err })
	return n > 0, err
}

func (p places) AccountName(ctx context.Context, account string) string {
	return nameOfAccount(ctx, p.d, account)
}

func (p places) AllRefreshed() time.Time {
	next := p.d.refreshing.Next(time.Now())
	return p.d.refreshing.Next(next).Add(freshGrace)
}
