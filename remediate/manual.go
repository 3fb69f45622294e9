package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// RestoreByHand recreates one flow log now, whatever rules and releases say,
// and returns its incident as it then is. It does the steps itself, beside a
// daemon or without one: AWS makes one flow log of both (I4). alive: AWS shows
// the flow log, or its last replacement, and nothing was done.
func (r *Remediator) RestoreByHand(ctx context.Context, s inventory.Scope, id string) (i incident.Incident, alive bool, err error) {
	api, ours := r.Fleet.EC2(s)
	if !ours {
		return i, false, fmt.Errorf("%s is in %s, which is not configured: see accounts and inventory.regions", id, s)
	}
	var plan incident.Incident
	err = r.Store.View(ctx, func(tx Tx) error {
		c, err := r.load(tx, s, incident.Selection{IDs: []string{id}}, r.Now())
		if err != nil {
			return err
		}
		plan, err = c.Planned(id)
		return err
	})
	if err != nil {
		return i, false, err
	}
	shown, err := inventory.ByID(ctx, s, api, []string{id})
	if err != nil {
		return i, false, fmt.Errorf("ask AWS for %s: %w", id, err)
	}
	if _, ok := shown[id]; ok {
		return plan, true, nil
	}
	if err := r.openByHand(ctx, s, id); err != nil {
		return i, false, err
	}
	for range 5 {
		if i, err = r.stepByHand(ctx, s, api, id); err != nil || i.State != incident.Open {
			return i, false, err
		}
		pause := i.NextAttemptAt.Sub(r.Now())
		if pause > 5*time.Second {
			break
		}
		if !retry.Sleep(ctx, pause) {
			return i, false, ctx.Err()
		}
	}
	return i, false, nil
}

func (r *Remediator) openByHand(ctx context.Context, s inventory.Scope, id string) error {
	return r.Store.Update(ctx, func(tx Tx) error {
		c, err := r.load(tx, s, incident.Selection{IDs: []string{id}}, r.Now())
		if err != nil {
			return err
		}
		if err := c.Request(id); err != nil {
			return err
		}
		return r.save(tx, c)
	})
}

// LetGo closes the incident of a flow log that is gone and not back: a person does
// not want it any more. done is false where there is nothing to close.
func (r *Remediator) LetGo(ctx context.Context, s inventory.Scope, id, why string) (done bool, err error) {
	text := "an operator let it go"
	if why != "" {
		text += ": " + why
	}
	err = r.update(ctx, s, []string{id}, incident.Selection{IDs: []string{id}}, func(c *incident.Case) { done = c.LetGo(id, text) })
	return done && err == nil, err
}

// stepByHand is Step for one incident, due or not.
func (r *Remediator) stepByHand(ctx context.Context, s inventory.Scope, api EC2, id string) (i incident.Incident, err error) {
	read := func(tx Tx) error {
		c, err := tx.Case(s, incident.Selection{IDs: []string{id}}, r.Now())
		if err == nil {
			i, _ = c.Incident(id)
		}
		return err
	}
	if err := r.Store.View(ctx, read); err != nil || i.State == incident.Restored || i.State == incident.Verified {
		return i, err
	}
	shown := r.observe(ctx, s, api, []incident.Incident{i})
	creates, others, err := r.splitCreates(ctx, s, []incident.Incident{i}, shown)
	if err != nil {
		return i, err
	}
	if len(creates) > 0 {
		err = r.create(ctx, s, api, creates[0])
	} else {
		err = r.record(ctx, s, others, shown)
	}
	if err != nil {
		return i, err
	}
	return i, r.Store.View(ctx, read)
}
