package remediate

import (
	"time"

	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// overdueEarlier brings forward when other events than one are to alert of incidents
// that are not back: a record may have ended a wait that another event began.
func (r *Remediator) overdueEarlier(tx Tx, but string, incidents []incident.Incident) error {
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
		e, earlier := notify.OverdueBy(e, at)
		if !ok || !earlier {
			continue
		}
		if err := tx.PutEvent(e); err != nil {
			return err
		}
	}
	return nil
}
