package daemon

import (
	"context"
	"sync"

	"flowkeeper/alert"
)

// straight remembers which alerts went to every sink past the store: their
// messages come again until the store works, and people need not.
type straight struct {
	mu   sync.Mutex
	sent map[string]bool
}

// maxStraight alerts are remembered; more are rather told twice.
const maxStraight = 10000

func (s *straight) done(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[id]
}

func (s *straight) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil || len(s.sent) >= maxStraight {
		s.sent = map[string]bool{}
	}
	s.sent[id] = true
}

// direct sends an alert that the store could not take (I1), until every sink
// has taken it once.
func (d *Daemon) direct(ctx context.Context, a alert.Alert) {
	d.queue.storeFailed(nil)
	if d.straight.done(a.ID) {
		return
	}
	if err := alert.Direct(context.WithoutCancel(ctx), d.sinks, a); err != nil {
		d.Log.Error("an alert that could not be stored could not be sent to every sink either", "alert", a.ID, "error", err)
		return
	}
	d.straight.add(a.ID)
}
