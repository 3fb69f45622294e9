package tamper

import (
	"context"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// Store runs transactions on the state file: see remediate.Store.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx is what this package asks of one transaction.
type Tx interface {
	repeat.Tx
	repeat.Calls

	// Usages are those of the resources whose keys are from first to last, both included.
	Usages(first, last delivery.ResourceKey) ([]Usage, error)
	// LiveWith are protected live rows with the same target.
	LiveWith(scope inventory.Scope, of delivery.Target, limit int) ([]inventory.Row, error)
	// KnownMissing are the open and blocked incidents of known flow logs, without those
	// whose row is protected and still live: AWS may show a lost flow log for a while.
	KnownMissing(scope inventory.Scope, limit int) ([]incident.Incident, error)
	// CountProtected counts, up to a limit, the protected flow logs of an account that
	// live or are to come back; an empty Region means all.
	CountProtected(account, region string, limit int) (int, error)
}

// Usage is what depends on a resource in one scope: the protected flow logs with the same
// target.
type Usage struct {
	Scope  inventory.Scope
	Target delivery.Target
	Live   int
}
