package daemon

import (
	"context"
	"sync"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// bypassed remembers which alerts went to every sink past the outbox: their
// messages come again until the store works, and people need not. The zero value
// remembers none; it is safe for concurrent use.
type bypassed struct {
	mu   sync.Mutex
	sent map[string]bool // by ID; guarded by mu
}

// maxBypassed alerts are remembered; more are rather told twice.
const maxBypassed = 10000

func (b *bypassed) has(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent[id]
}

func (b *bypassed) add(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent == nil || len(b.sent) >= maxBypassed {
		b.sent = map[string]bool{}
	}
	b.sent[id] = true
}

// direct sends an alert that the store could not take (I1), until every sink
// has taken it once.
func (d *Daemon) bypassOutbox(ctx context.Context, a alert.Alert) {
	d.storeHealth.failed(nil)
	if d.bypassed.has(a.ID) {
		return
	}
	if err := sink.SendAll(context.WithoutCancel(ctx), d.sinks, a); err != nil {
		d.Log.Error("an alert that could not be stored could not be sent to every sink either", "alert", a.ID, "error", err)
		return
	}
	d.bypassed.add(a.ID)
}
