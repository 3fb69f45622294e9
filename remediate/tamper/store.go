package tamper

import (
	"context"

	"flowkeeper/internal/cloudtrail"
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

	// Usages are those of a resource; UsagesUnder those of resources whose keys begin so.
	Usages(key delivery.ResourceKey) ([]Usage, error)
	UsagesUnder(prefix string) ([]Usage, error)
	// LiveWith are protected live rows with the same target.
	LiveWith(scope inventory.Scope, of delivery.Target, limit int) ([]inventory.Row, error)
	// Lost are the open and blocked incidents of known flow logs, but of those whose
	// rows are protected and live still: AWS shows them for a while.
	Lost(scope inventory.Scope, limit int) ([]incident.Incident, error)
	// Guarded counts, up to a limit, the protected flow logs of an account that
	// live or are to come back; an empty Region means all.
	Guarded(account, region string, limit int) (int, error)
}

// Usage is what depends on a resource in one scope: the protected flow logs with the same
// target.
type Usage struct {
	Scope  inventory.Scope
	Target delivery.Target
	Live   int
}

// mostCounted bounds how many flow logs of a scope are looked at to be counted.
const mostCounted = 1000

// ImpactOf says what depends on what a call changes. Where its record does not state
// that, it says what may depend on it: CloudTrail leaves out parameters that are larger
// than 100 KB, and a caller can make them so, for white space in a policy counts. beside
// are what Flowkeeper needs beside what the snapshot names.
func ImpactOf(tx Tx, r cloudtrail.Record, beside []Dependency) (Impact, error) {
	if target := TargetOf(r); target != "" {
		usages, err := tx.Usages(delivery.KeyOf(target))
		if err != nil {
			return Impact{}, err
		}
		all, err := load(tx, usages, mostListed)
		return stated(target, all, beside), err
	}
	p := placeOf(r)
	if p.service == "" {
		return Impact{}, nil
	}
	usages, err := tx.UsagesUnder(p.prefix())
	if err != nil {
		return Impact{}, err
	}
	all, err := load(tx, usages, 0)
	if err != nil {
		return Impact{}, err
	}
	protected, err := tx.Guarded(p.account, p.region, mostCounted)
	return unstated(p, all, protected, beside), err
}

// load reads the flow logs of usages: so many of those that live, and all that are lost.
func load(tx Tx, usages []Usage, live int) (out []used, err error) {
	scopes := map[inventory.Scope]bool{}
	for _, usage := range usages {
		u := used{Usage: usage}
		if live > 0 {
			if u.live, err = tx.LiveWith(u.Scope, u.Target, live); err != nil {
				return nil, err
			}
			live -= len(u.live)
		}
		if !scopes[u.Scope] {
			scopes[u.Scope] = true
			if u.lost, err = tx.Lost(u.Scope, mostCounted); err != nil {
				return nil, err
			}
		}
		out = append(out, u)
	}
	return out, nil
}
