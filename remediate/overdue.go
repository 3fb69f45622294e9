package remediate

import (
	"time"

	"flowkeeper/remediate/incident"
)

// overdueEarlier brings forward when other events than one are to alert of incidents
// that are not back: a record may have ended a wait that another event began.
func (r *Remediator) overdueEarlier(tx Tx, but string, incidents []Incident) error {
	due := map[string]time.Time{} // by event
	for _, i := range incidents {
		if at := i.OverdueAt(r.Policy); i.EventID != but && !at.IsZero() {
			due[i.EventID] = incident.Soonest(due[i.EventID], at)
		}
	}
	for id, at := range due {
		e, ok, err := tx.Event(incidents[0].Scope, id)
		if err != nil {
			return err
		}
		if !ok || !e.OverdueAt.IsZero() && !at.Before(e.OverdueAt) {
			continue
		}
		e.OverdueAt = at
		if err := tx.PutEvent(e); err != nil {
			return err
		}
	}
	return nil
}
