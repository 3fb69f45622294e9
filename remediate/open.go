package remediate

import (
	"fmt"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// applyRecord opens or finds the incident of each flow log that a record names, in the
// order of the record. It returns the case as it is then.
func (r *Remediator) applyRecord(tx Tx, s inventory.Scope, f detection.Finding, now time.Time) (*incident.Case, []incident.Named, error) {
	c, err := r.load(tx, s, incident.Selection{IDs: f.Deleted}, now)
	if err != nil {
		return nil, nil, err
	}
	actor := f.Actor()
	rec := incident.Record{EventID: f.Record.EventID, Time: f.Record.EventTime, Actor: actor, Rule: r.Policy.RuleFor(s.Account, actor.Principal()), Addendum: f.Record.Repeats()}
	named := make([]incident.Named, 0, len(f.Deleted))
	for _, id := range f.Deleted {
		if rec, err = withHistory(tx, c, id, rec); err != nil {
			return nil, nil, err
		}
		named = append(named, c.ApplyRecord(id, rec))
	}
	return c, named, r.save(tx, c)
}

// withHistory is a record with what the history of one flow log's incident says of it.
func withHistory(tx Tx, c *incident.Case, id string, rec incident.Record) (incident.Record, error) {
	rec.Applied, rec.Named = false, false
	if _, found := c.Incident(id); !found {
		return rec, nil
	}
	var err error
	if rec.Applied, err = tx.Recorded(c.Scope, id, rec.EventID, incident.ClaimOf(&rec.Actor, rec.Time)); err != nil || rec.Applied || !rec.Addendum {
		return rec, err
	}
	events, err := tx.EventsOf(c.Scope, id)
	rec.Named = slices.Contains(events, rec.EventID)
	return rec, err
}

// recordDrift opens incidents for rows that a refresh found gone, and makes the
// rows gone, in one transaction (I5).
func (r *Remediator) recordDrift(tx Tx, s inventory.Scope, rows []inventory.Row, started, now time.Time) error {
	e := incident.Event{Scope: s, ID: driftID(s, started), Source: incident.ByDrift, Level: alert.High, DetectedAt: now}
	if old, ok, err := tx.Event(s, e.ID); err != nil {
		return err
	} else if ok && old.ToldDeletion.IsZero() && old.ToldRestored.IsZero() && old.ToldClosed.IsZero() {
		e = old
	} else if ok {
		e.ID += fmt.Sprintf("-%d", now.UnixMilli()) // people have heard of the first ones: these are told by themselves
	}
	wait := r.Policy.DriftWait
	ids, tornDown := make([]string, 0, len(rows)), map[string]bool{}
	for _, row := range rows {
		ids = append(ids, row.ID)
		if r.scope(s).wasTornDown(row.ResourceID, now) {
			tornDown[row.ResourceID] = true
			wait = 0 // that one waits for no record
		}
	}
	c, err := r.load(tx, s, incident.Selection{IDs: ids}, now)
	if err != nil {
		return err
	}
	action := incident.Restore
	if r.Policy.DriftAlerts || c.Stale {
		action = incident.Alert
	}
	opened := 0
	for _, id := range ids {
		if c.ApplyDrift(id, e.ID, action, tornDown) {
			opened++
		}
	}
	if err := r.save(tx, c); err != nil || opened == 0 {
		return err
	}
	e.DueAt = incident.Soonest(e.DueAt, now.Add(incident.NotifyDriftAfter))
	e.OverdueAt = incident.Soonest(e.OverdueAt, now.Add(wait+incident.OverdueAfter))
	r.Log.Warn("flow logs gone without an event: the way of events may be blind too", "account", s.Account, "region", s.Region, "flow_logs", opened)
	return tx.PutEvent(e)
}

func driftID(s inventory.Scope, started time.Time) string {
	return alert.DriftEvent.ID(fmt.Sprintf("%s-%s-%d", s.Account, s.Region, started.UnixMilli()))
}

// relearn makes incidents due whose flow log the snapshot has come to know,
// or will not any more: called after every refresh.
func (r *Remediator) relearn(tx Tx, s inventory.Scope, now time.Time) error {
	unknown, err := tx.UnknownOpen(s, 1000)
	if err != nil || len(unknown) == 0 {
		return err
	}
	c, err := r.load(tx, s, incident.Selection{IDs: unknown}, now)
	if err != nil {
		return err
	}
	for _, id := range unknown {
		c.Relearn(id)
	}
	return r.save(tx, c)
}
