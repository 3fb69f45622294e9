package remediate

import (
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// load loads the case of some flow logs, to be decided now.
func (r *Remediator) load(tx Tx, s inventory.Scope, of incident.Selection, now time.Time) (*incident.Case, error) {
	c, err := tx.Case(s, of, now)
	if err != nil {
		return nil, err
	}
	c.Policy = r.Policy
	var destinations []string
	for _, id := range of.IDs {
		if row, ok := c.Row(id); ok {
			destinations = append(destinations, row.Destination(s))
		}
	}
	for _, id := range of.IDs {
		if i, ok := c.Incident(id); ok && i.WaitsForReplacement() {
			c.KnownDestinations, err = tx.DestinationsSince(s, destinations)
			break
		}
	}
	return c, err
}

// save writes what was changed in a case, and what that means for events.
func (r *Remediator) save(tx Tx, c *incident.Case) error {
	if err := tx.SaveCase(c); err != nil {
		return err
	}
	for _, n := range c.Effects.Notes {
		if err := r.apply(tx, n, c.Now); err != nil {
			return err
		}
	}
	return nil
}

// apply writes what a note means for its event.
func (r *Remediator) apply(tx Tx, n incident.Note, now time.Time) error {
	e, found, err := tx.Event(n.Incident.Scope, n.Incident.EventID)
	if err != nil {
		return err
	}
	switch n.Kind {
	case incident.NoteKnown:
		return r.notifyKnown(tx, e, found, n.Incident, now)
	case incident.NoteNotDelivering:
		return add(tx, notify.NotDelivering(e, found, n, now))
	}
	if e, changed := notify.AfterNote(e, found, n, r.Policy, now); changed {
		return tx.PutEvent(e)
	}
	return nil
}
