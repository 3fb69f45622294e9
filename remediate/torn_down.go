package remediate

import (
	"time"

	"flowkeeper/inventory"
)

const (
	tornDownFor  = time.Hour // AWS removes the flow logs of a deleted VPC some time after it
	mostTornDown = 1000      // resources remembered of a scope
)

// tornDown notes that a record says that a resource was deleted. AWS removes its
// flow logs without a record, so that a loss which a refresh finds there has none to
// wait for: the create that follows at once tells whether the resource is gone.
func (r *Remediator) tornDown(tx Tx, s inventory.Scope, resource string, now time.Time) error {
	r.scope(s).noteTornDown(resource, now)
	pending, err := tx.Pending(s, resource)
	if err != nil {
		return err
	}
	var ended []Incident // waits
	for _, i := range pending {
		if i.State == Open && i.Source == ByDrift && i.WaitUntil.After(now) {
			i.WaitUntil, i.NextAttemptAt = now, now
			if err := tx.PutIncident(i); err != nil {
				return err
			}
			ended = append(ended, i)
		}
	}
	if err := r.overdueEarlier(tx, "", ended); err != nil {
		return err
	}
	return r.wakePending(tx, s, resource)
}

func (s *scopeState) noteTornDown(resource string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.torn == nil {
		s.torn = map[string]time.Time{}
	}
	if len(s.torn) >= mostTornDown {
		for id, at := range s.torn {
			if now.Sub(at) > tornDownFor {
				delete(s.torn, id)
			}
		}
	}
	if len(s.torn) < mostTornDown {
		s.torn[resource] = now
	}
}

// wasTornDown reports whether a record has told of it. A restart forgets it.
func (s *scopeState) wasTornDown(resource string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.torn[resource]
	return ok && now.Sub(at) <= tornDownFor
}
