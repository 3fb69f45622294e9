package daemon

import (
	"context"
	"sync"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// bypassed remembers which alerts every sink has taken without the outbox. Their messages
// are received again until the store works; the alerts are not sent again. The zero value
// is ready to use and safe for concurrent use.
type bypassed struct {
	mu   sync.Mutex      // guards what follows
	sent map[string]bool // by ID
}

// maxBypassed is how many alerts are remembered. After that many, some may be sent twice.
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

// Bypass sends an alert that could not be stored to every sink itself (I1). Once all
// of them have taken it, further calls with it do nothing.
func (s alertSenders) Bypass(ctx context.Context, a alert.Alert) {
	d := s.d
	d.storeHealth.failed(nil)
	if d.bypassed.has(a.ID) {
		return
	}
	a.WriteNamed(alert.Names{Accounts: Names(d.Config)}) // the state file may not answer
	if err := sink.SendAll(context.WithoutCancel(ctx), d.sinks, a); err != nil {
		d.Log.Error("an alert that could not be stored could not be sent to every sink either", "alert", a.ID, "error", err)
		return
	}
	d.bypassed.add(a.ID)
}
