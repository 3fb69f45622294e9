package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// mostBlocked incidents are made due at once.
const mostBlocked = 1000

// restoreByHand is [Remediator.RestoreByHand].
func (r restorer) restoreByHand(ctx context.Context, id string) (i incident.Incident, alive bool, err error) {
	if !r.store.configured {
		return i, false, fmt.Errorf("%s is in %s, which is not configured: see accounts and inventory.regions", id, r.store.scope)
	}
	var plan incident.Incident
	err = r.store.view(ctx, func(tx scopeTx) error {
		c, err := tx.load(incident.Selection{IDs: []string{id}})
		if err != nil {
			return err
		}
		plan, err = c.Planned(id)
		return err
	})
	if err != nil {
		return i, false, err
	}
	shown, err := inventory.ByID(ctx, r.store.scope, r.client, []string{id})
	if err != nil {
		return i, false, fmt.Errorf("ask AWS for %s: %w", id, err)
	}
	if _, ok := shown[id]; ok {
		return plan, true, nil
	}
	if err := r.openByHand(ctx, id); err != nil {
		return i, false, err
	}
	for range 5 {
		if i, err = r.stepByHand(ctx, id); err != nil || i.State != incident.Open {
			return i, false, err
		}
		pause := i.NextAttemptAt.Sub(r.store.now())
		if pause > 5*time.Second {
			break
		}
		if !retry.Sleep(ctx, pause) {
			return i, false, ctx.Err()
		}
	}
	return i, false, nil
}

func (r restorer) openByHand(ctx context.Context, id string) error {
	return r.store.update(ctx, func(tx scopeTx) error {
		return tx.change(incident.Selection{IDs: []string{id}}, func(c *incident.Case) error { return c.Request(id) })
	})
}

// letGo is [Remediator.LetGo].
func (r restorer) letGo(ctx context.Context, id, why string) (done bool, err error) {
	text := "an operator let it go"
	if why != "" {
		text += ": " + why
	}
	err = r.change(ctx, []string{id}, incident.Selection{IDs: []string{id}}, func(c *incident.Case) { done = c.LetGo(id, text) })
	return done && err == nil, err
}

// retryBlocked is [Remediator.RetryBlocked].
func (r restorer) retryBlocked(ctx context.Context) error {
	defer r.memory.wakeUp()
	return r.store.update(ctx, func(tx scopeTx) error {
		blocked, err := tx.Blocked(tx.scope, mostBlocked)
		if err != nil {
			return err
		}
		return tx.changeEach(blocked, (*incident.Case).Wake)
	})
}

// stepByHand is step for one incident, due or not.
func (r restorer) stepByHand(ctx context.Context, id string) (i incident.Incident, err error) {
	read := func(tx scopeTx) error {
		c, err := tx.load(incident.Selection{IDs: []string{id}})
		if err == nil {
			i, _ = c.Incident(id)
		}
		return err
	}
	if err := r.store.view(ctx, read); err != nil {
		return i, err
	}
	if i.State == incident.Restored || i.State == incident.Verified {
		return i, nil
	}
	shown := r.observe(ctx, []incident.Incident{i})
	creates, others, err := r.splitCreates(ctx, []incident.Incident{i}, shown)
	if err != nil {
		return i, err
	}
	if len(creates) > 0 {
		err = r.create(ctx, creates[0])
	} else {
		err = r.record(ctx, others, shown)
	}
	if err != nil {
		return i, err
	}
	return i, r.store.view(ctx, read)
}
