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

	// Usages are the targets that name a resource.
	Usages(key delivery.ResourceKey) ([]Usage, error)
	// UsagesUnder are the targets that name a resource whose key begins so.
	UsagesUnder(prefix string) ([]Usage, error)
	// Guarded counts, up to a limit, the protected flow logs of an account that
	// live or are to come back; an empty Region means all.
	Guarded(account, region string, limit int) (int, error)
	// LiveWith are protected live rows with the same target.
	LiveWith(scope inventory.Scope, n delivery.Target, limit int) ([]inventory.Row, error)
	// Lost are the open and blocked incidents of known flow logs, but of those whose
	// rows are protected and live still: AWS shows them for a while.
	Lost(scope inventory.Scope, limit int) ([]incident.Incident, error)
}

// Usage is what depends on a thing in one scope: the protected flow logs with the same
// needs.
type Usage struct {
	Scope  inventory.Scope
	Target delivery.Target
	Live   int
}
