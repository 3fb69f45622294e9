package remediate

import (
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
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
	c, err := r.load(tx, s, incident.Selection{Resources: []string{resource}}, now)
	if err != nil {
		return err
	}
	c.TornDown(resource)
	return r.save(tx, c)
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
