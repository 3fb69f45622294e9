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
	// Rehearsable are flow logs that would be restored, by ID: of those with the same
	// target at most so many.
	Rehearsable(scope inventory.Scope, ofEach int) ([]inventory.Row, error)
	// LiveWith are protected live rows with the same target.
	LiveWith(scope inventory.Scope, t delivery.Target, limit int) ([]inventory.Row, error)
	// Rehearsals are the last ones of each kind of restore.
	Rehearsals(scope inventory.Scope) ([]Rehearsal, error)
	PutRehearsal(r Rehearsal) error
	DropRehearsal(r Rehearsal) error
	// PipelineHealth is the zero value where there was no rehearsal yet.
	PipelineHealth(scope inventory.Scope) (PipelineHealth, error)
	PutPipelineHealth(scope inventory.Scope, h PipelineHealth) error

	// OutageAlerted reports whether there is an alert that a part of the pipeline fails,
	// and none since that it works; SetOutageAlerted notes it.
	OutageAlerted(scope inventory.Scope, p notify.Part) (bool, error)
	SetOutageAlerted(scope inventory.Scope, p notify.Part, on bool) error
	// AddAlert puts an alert and its deliveries into the outbox; one whose ID
	// is there already changes nothing.
	AddAlert(a alert.Alert) error
}
