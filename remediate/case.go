package remediate

import (
	"errors"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// load loads the case of some flow logs, to be decided now.
func (r *Remediator) load(tx Tx, s inventory.Scope, of incident.Part, now time.Time) (*incident.Case, error) {
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
	for _, n := range c.Effects().Notes {
		if err := r.apply(tx, n, c.Now); err != nil {
			return err
		}
	}
	return nil
}

// apply writes what a note means for its event.
func (r *Remediator) apply(tx Tx, n incident.Note, now time.Time) error {
	i := n.Incident
	switch n.Kind {
	case incident.NoteLineage:
		return tx.PutEvent(Event{Scope: i.Scope, ID: i.EventID, Source: ByDrift, Level: alert.High, DetectedAt: now,
			DueAt: now.Add(incident.NotifyDriftAfter), OverdueAt: now})
	case incident.NoteReopened:
		return r.unsettle(tx, i.Scope, i.EventID, now)
	case incident.NoteOverdue:
		return r.overdueEarlier(tx, "", []Incident{i})
	case incident.NoteKnown:
		return r.alertOfKnown(tx, i, now)
	case incident.NoteStuck:
		return r.stuck(tx, i, now)
	case incident.NoteNotDelivering:
		return r.tellNotDelivering(tx, i, n.Message, now)
	case incident.NoteRequested:
		return r.byHand(tx, i, now)
	}
	return errors.New("a note of no known kind")
}
