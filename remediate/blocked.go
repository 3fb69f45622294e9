package remediate

import (
	"context"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// mostBlocked incidents are made due at once.
const mostBlocked = 1000

// RetryBlocked makes the blocked incidents of a scope due, and wakes its restorer: what
// blocked them may have been mended.
func (r *Remediator) RetryBlocked(ctx context.Context, s inventory.Scope) error {
	err := r.Store.Update(ctx, func(tx Tx) error {
		blocked, err := tx.Blocked(s, mostBlocked)
		if err != nil || len(blocked) == 0 {
			return err
		}
		c, err := tx.Case(s, incident.Selection{IDs: blocked}, r.Now())
		if err != nil {
			return err
		}
		for _, id := range blocked {
			c.Wake(id)
		}
		return tx.SaveCase(c)
	})
	r.scope(s).wakeUp()
	return err
}

// Allow reports whether a call to EC2 may go out now beside the restores of a scope,
// and counts it to their pace.
func (r *Remediator) Allow(s inventory.Scope) bool { return r.scope(s).pace.allow(r.Now()) }
