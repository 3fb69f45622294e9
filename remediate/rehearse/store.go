package rehearse

import (
	"context"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/notify"
)

// Store keeps rehearsals. Update runs one transaction: all of fn's changes are on disk
// when it returns nil, and none when it does not. fn may run again or share a
// transaction with others; it must not keep Tx.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx is one transaction.
type Tx interface {
	// Rehearsable returns flow logs that would be restored, in the order of their IDs: at most
	// ofEach with the same target.
	Rehearsable(scope inventory.Scope, ofEach int) ([]inventory.Row, error)
	// LiveWith returns at most limit protected live rows with a target.
	LiveWith(scope inventory.Scope, t delivery.Target, limit int) ([]inventory.Row, error)
	// Rehearsals loads what is stored of the rehearsals of a scope. SaveRehearsals writes what
	// changes of it, and puts the alerts into the outbox. An alert whose ID is there already
	// changes nothing there.
	Rehearsals(scope inventory.Scope) (Stored, error)
	SaveRehearsals(scope inventory.Scope, c Changes) error
}

// PipelineStore runs transactions about the health of pipelines: see Store.
type PipelineStore interface {
	Update(ctx context.Context, fn func(PipelineTx) error) error
	View(ctx context.Context, fn func(PipelineTx) error) error
}

// PipelineTx is one such transaction. It reads one row only: each record of a rehearsal needs a transaction, and a
// stranger can cause many records.
type PipelineTx interface {
	// PipelineHealth is that of a scope. SavePipelineHealth writes it, and puts the alerts into the outbox as
	// SaveRehearsals does.
	PipelineHealth(scope inventory.Scope) (PipelineHealth, error)
	SavePipelineHealth(scope inventory.Scope, h PipelineHealth, alerts []alert.Alert) error
}

// Stored is what is stored of the rehearsals of a scope. The zero value is that of a scope without any.
type Stored struct {
	Rehearsals []Rehearsal // the last one of each kind of restore
	Alerted    bool        // an alert has said that AWS would refuse restores, and none since that it allows all
}

// Changes are what one transaction changes of what is stored. The zero value changes nothing.
type Changes struct {
	Rehearsals []Rehearsal        // to be written
	Dropped    []delivery.Target  // whose rehearsal is to be dropped
	Alerts     []alert.Alert      // to be added, with their words
	Outage     *notify.OutageNote // of alert.PartRehearsal, as the alerts say; nil: it stays as it is
}

// save writes the words of the alerts, notes what they say of the outage, and saves the changes.
func save(tx Tx, s inventory.Scope, c Changes) error {
	c.Outage = notify.OutageAfter(s, alert.PartRehearsal, c.Alerts)
	write(c.Alerts)
	return tx.SaveRehearsals(s, c)
}

// write writes the words of alerts.
func write(alerts []alert.Alert) {
	for n := range alerts {
		alerts[n].Write()
	}
}
