package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// mostBlocked is how many incidents RetryBlocked makes due.
const mostBlocked = 1000

// PlanByHand returns the incident by which the last flow log of a chain of replacements, which
// begins with id, would be recreated by hand. It changes nothing, and asks AWS nothing.
func PlanByHand(ctx context.Context, store Store, s inventory.Scope, id string, now time.Time) (last incident.Incident, err error) {
	err = store.View(ctx, func(tx Tx) error {
		c, err := tx.Case(s, incident.Selection{IDs: []string{id}}, now)
		if err != nil {
			return err
		}
		last, err = c.ByHand().Planned(c.Successor(id))
		return err
	})
	return last, err
}

// RestoreByHand recreates one flow log now, even if rules or a release say otherwise,
// and returns its incident after that. It does the steps itself, even if a daemon
// runs: both make the same call, for which AWS creates one flow log (I4). alive: AWS
// shows the flow log, and nothing was done. [incident.ErrYoung]: AWS may not show the
// flow log yet.
func (r *Remediator) RestoreByHand(ctx context.Context, s inventory.Scope, id string) (i incident.Incident, alive bool, err error) {
	by := r.restorer(s)
	if !by.store.configured {
		return i, false, fmt.Errorf("%s is in %s, which is not configured: see accounts and inventory.regions", id, s)
	}
	plan, err := read(ctx, by.store, func(tx scopeTx) (incident.Incident, error) {
		c, err := tx.load(incident.Selection{IDs: []string{id}})
		if err != nil {
			return incident.Incident{}, err
		}
		return c.ByHand().Planned(id)
	})
	if err != nil {
		return i, false, err
	}
	asked := r.Now()
	shown, err := inventory.ByID(ctx, s, by.client, []string{id})
	if err != nil {
		return i, false, fmt.Errorf("ask AWS for %s: %w", id, err)
	}
	if _, ok := shown[id]; ok {
		return plan, true, nil
	}
	err = by.store.update(ctx, func(tx scopeTx) error {
		return tx.changeCase(incident.Selection{IDs: []string{id}}, func(c *incident.Case) error { return c.ByHand().Request(id, asked) })
	})
	if err != nil {
		return i, false, err
	}
	wait := r.Pause
	if wait == nil {
		wait = retry.Sleep
	}
	for range 5 {
		if i, err = by.reconcileByHand(ctx, id); err != nil || !i.Pending() {
			return i, false, err
		}
		pause := i.NextAttemptAt.Sub(r.Now())
		if pause > 5*time.Second {
			break
		}
		if !wait(ctx, pause) {
			return i, false, ctx.Err()
		}
	}
	return i, false, nil
}

// CloseReleased closes the incident of a flow log that is gone and not back: a person does
// not want it any more. done is false if there is nothing to close.
func (r *Remediator) CloseReleased(ctx context.Context, s inventory.Scope, id, why string) (done bool, err error) {
	text := "an operator released it"
	if why != "" {
		text += ": " + why
	}
	err = r.restorer(s).change(ctx, []string{id}, incident.Selection{IDs: []string{id}}, func(c *incident.Case) { done = c.ByHand().CloseReleased(id, text) })
	return done && err == nil, err
}

// RetryBlocked makes the blocked incidents of a scope due, and wakes its restorer: their cause
// may be gone.
func (r *Remediator) RetryBlocked(ctx context.Context, s inventory.Scope) error {
	parts := r.parts(s)
	defer parts.memory.wakeUp()
	return parts.store.update(ctx, func(tx scopeTx) error {
		blocked, err := tx.Blocked(s, mostBlocked)
		if err != nil {
			return err
		}
		return tx.changeEach(blocked, func(c *incident.Case, id string) { c.ByHand().Wake(id) })
	})
}

// reconcileByHand is reconcile for one incident, due or not.
func (r restorer) reconcileByHand(ctx context.Context, id string) (i incident.Incident, err error) {
	if i, err = r.stored(ctx, id); err != nil || i.HasReplacement() {
		return i, err
	}
	shown := r.observe(ctx, []incident.Incident{i}, func() {})
	p, err := r.planStep(ctx, []incident.Incident{i}, shown)
	if err != nil {
		return i, err
	}
	calls, err := r.share(ctx, p.shared, shown)
	if err != nil {
		return i, err
	}
	switch {
	case len(p.lone) > 0:
		_, err = r.create(ctx, p.lone[0])
	case len(calls) > 0:
		err = r.createTogether(ctx, calls[0])
	case len(p.shared) == 0:
		err = r.saveObserved(ctx, p.others, shown)
	}
	if err != nil {
		return i, err
	}
	return r.stored(ctx, id)
}

// stored is the incident of a flow log; zero: there is none.
func (r restorer) stored(ctx context.Context, id string) (incident.Incident, error) {
	return read(ctx, r.store, func(tx scopeTx) (i incident.Incident, err error) {
		c, err := tx.load(incident.Selection{IDs: []string{id}})
		if err == nil {
			i, _ = c.Incident(id)
		}
		return i, err
	})
}
