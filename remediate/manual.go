package remediate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Successor follows the lineage of a flow log to its last replacement: the ID
// itself where it was never replaced.
func Successor(tx Tx, s inventory.Scope, id string) (string, error) {
	for range maxLineage {
		i, ok, err := tx.Incident(s, id)
		if err != nil || !ok || i.NewID == "" {
			return id, err
		}
		id = i.NewID
	}
	return id, nil
}

// Planned is the incident by which a flow log of the snapshot would be
// recreated by hand. It writes nothing.
func Planned(tx Tx, s inventory.Scope, id string, now time.Time) (Incident, error) {
	row, known, err := tx.FlowLog(s, id)
	if err != nil {
		return Incident{}, err
	}
	i, found, err := tx.Incident(s, id)
	if err != nil {
		return Incident{}, err
	}
	if !known && !i.Known {
		return Incident{}, fmt.Errorf("the snapshot never saw %s in %s: there is nothing to recreate it from", id, s)
	}
	if !found {
		i = incident.New(s, id, row, true, now)
		i.Source, i.EventID = ByDrift, "by-hand-"+id
	} else if i.State == Restored || i.State == Verified {
		return i, nil // it is back
	} else if i.State == Closed || !i.Known {
		i = i.Reopen(now)
		if !i.Known {
			i = i.FreezeSettings(row)
		}
	}
	i.Action, i.Requested, i.WaitUntil, i.NextAttemptAt = Restore, true, time.Time{}, now
	return i, nil
}

// RestoreByHand recreates one flow log now, whatever rules and releases say,
// and returns its incident as it then is. It does the steps itself, beside a
// daemon or without one: AWS makes one flow log of both (I4). alive: AWS shows
// the flow log, or its last replacement, and nothing was done.
func (r *Remediator) RestoreByHand(ctx context.Context, s inventory.Scope, id string) (i Incident, alive bool, err error) {
	api, ours := r.Fleet.EC2(s)
	if !ours {
		return i, false, fmt.Errorf("%s is in %s, which is not configured: see accounts and inventory.regions", id, s)
	}
	var plan Incident
	err = r.Store.View(ctx, func(tx Tx) (err error) {
		plan, err = Planned(tx, s, id, r.Now())
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
		if i, err = r.handStep(ctx, s, api, id); err != nil || i.State != Open {
			return i, false, err
		}
		pause := i.NextAttemptAt.Sub(r.Now())
		if pause > 5*time.Second {
			break
		}
		t := time.NewTimer(max(0, pause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return i, false, ctx.Err()
		}
	}
	return i, false, nil
}

func (r *Remediator) openByHand(ctx context.Context, s inventory.Scope, id string) error {
	return r.Store.Update(ctx, func(tx Tx) error {
		now := r.Now()
		i, err := Planned(tx, s, id, now)
		if err != nil {
			return err
		}
		if i.State == Restored || i.State == Verified {
			return nil
		}
		i = i.ClampTimes(now, r.Policy)
		if err := r.gone(tx, i, now); err != nil {
			return err
		}
		if err := tx.PutIncident(i); err != nil {
			return err
		}
		if err := r.byHand(tx, i, now); err != nil {
			return err
		}
		return tx.AddHistory(s, id, Entry{At: now, State: i.State, Text: "a person asked for it (flowkeeper restore)", EventID: i.EventID})
	})
}

// LetGo closes the incident of a flow log that is gone and not back: a person does
// not want it any more. done is false where there is nothing to close.
func (r *Remediator) LetGo(ctx context.Context, s inventory.Scope, id, why string) (done bool, err error) {
	text := "an operator let it go"
	if why != "" {
		text += ": " + why
	}
	err = r.update(ctx, s, id, func(tx Tx, i Incident, now time.Time) error {
		if done = i.State == Open || i.State == Blocked; !done {
			return nil
		}
		i.Requested, i.Stuck = false, nil
		return r.close(tx, i, Released, text, now)
	})
	return done && err == nil, err
}

// byHand makes the event of an incident tell its end: a new one, where none is
// remembered.
func (r *Remediator) byHand(tx Tx, i Incident, now time.Time) error {
	if _, ok, err := tx.Event(i.Scope, i.EventID); err != nil || ok {
		return errors.Join(err, r.unsettle(tx, i.Scope, i.EventID, now))
	}
	e := eventOf(i)
	e.Level, e.DetectedAt, e.ToldDeletion, e.DueAt = alert.Low, now, now, now.Add(tellRestoredAfter)
	e.OverdueAt = i.OverdueAt(r.Policy)
	return tx.PutEvent(e)
}

func (r *Remediator) handStep(ctx context.Context, s inventory.Scope, api EC2, id string) (i Incident, err error) {
	read := func(tx Tx) (err error) { i, _, err = tx.Incident(s, id); return err }
	if err := r.Store.View(ctx, read); err != nil || i.State == Restored || i.State == Verified {
		return i, err
	}
	look := r.lookAt(ctx, s, api, []Incident{i})[i.ResourceID]
	if err := r.act(ctx, s, api, i, look); err != nil {
		return i, err
	}
	return i, r.Store.View(ctx, read)
}
