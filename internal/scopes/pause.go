package scopes

import (
	"sync"
	"time"

	"flowkeeper/internal/retry"
)

// Between two loads of one source lies reloadPause at least. For a client whose
// new credentials are refused as well it doubles (futilePauses): a Region that is
// not enabled refuses everybody.
const (
	reloadPause = 5 * time.Second
	maxFutile   = 1024 // clients remembered
)

var futilePauses = retry.Backoff{First: reloadPause, Most: time.Minute}

// pauses says when a source may load credentials again. It is safe for concurrent use.
type pauses struct {
	now func() time.Time // set before its first use

	mu     sync.Mutex            // guards all below
	latest time.Time             // the last load
	futile map[string]futileness // by client
}

// futileness is how often in a row AWS refused a client's credentials although
// they had just been loaded, and when that was last.
type futileness struct {
	times int
	last  time.Time
}

func newPauses() *pauses {
	return &pauses{now: time.Now, futile: map[string]futileness{}}
}

// start reports whether enough time has passed to load again for a client, and
// notes a load if so.
func (p *pauses) start(client string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	within := func(at time.Time, pause time.Duration) bool {
		age := now.Sub(at)
		return !at.IsZero() && age >= 0 && age < pause
	}
	f := p.futile[client]
	if within(p.latest, reloadPause) || within(f.last, futilePauses.Pause(f.times)) {
		return false
	}
	p.latest = now
	return true
}

// failed notes that a load did not help a client. It returns how many loads in a row
// before this one did not help it either.
func (p *pauses) failed(client string) (before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.futile[client].times
	if len(p.futile) >= maxFutile {
		clear(p.futile)
	}
	p.futile[client] = futileness{before + 1, p.now()}
	return before
}

// accepted notes that AWS took a client's credentials.
func (p *pauses) accepted(client string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.futile, client)
}

// isFutile reports whether the client's last load did not help it.
func (p *pauses) isFutile(client string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.futile[client].times > 0
}
