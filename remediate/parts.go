package remediate

import (
	cryptorand "crypto/rand"
	"log/slog"
	"math/rand/v2"

	"golang.org/x/sync/errgroup"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
)

// scopeParts are what intake, restorer and refresher of one scope have in common. They are
// made for one call of Remediator, or for one pass of a restorer; only the memory outlives that.
type scopeParts struct {
	store    scopeStore
	client   client
	memory   *scopeMemory
	notifier notifier
	log      *slog.Logger // names the scope
}

func (r *Remediator) parts(s inventory.Scope) scopeParts {
	api, configured := r.Fleet.EC2(s)
	return newParts(r, s, api, configured)
}

// newParts makes the parts with a client of the scope, which may have left the fleet since.
func newParts(r *Remediator, s inventory.Scope, api EC2, configured bool) scopeParts {
	m := r.memory(s)
	st := scopeStore{store: r.Store, scope: s, configured: configured, policy: r.Policy, startedAt: m.startedAt, now: r.Now, random: r.Random, senders: r.Senders}
	return scopeParts{store: st, client: client{api, s, m.pace, r.Now}, memory: m, notifier: notifier{st, r.News}, log: r.Log.With("account", s.Account, "region", s.Region)}
}

func (r *Remediator) restorer(s inventory.Scope) restorer { return newRestorer(r, r.parts(s)) }

func newRestorer(r *Remediator, p scopeParts) restorer {
	return restorer{scopeParts: p, meter: r.Meter, parallel: r.Parallel, jitter: r.Rand, asking: r.asking}
}

// memory returns the memory of a scope, and makes it at its first use. The first call of all sets the defaults: each
// method calls memory before it uses a field that has one.
func (r *Remediator) memory(s inventory.Scope) *scopeMemory {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memories == nil {
		r.setDefaults()
	}
	m := r.memories[s]
	if m == nil {
		m = newScopeMemory(r.Now())
		r.memories[s] = m
	}
	return m
}

// mostAsking is how many restorers ask the store at the same time what is due. Thousands of them start
// together, and the reads of alerts must not wait for all these.
const mostAsking = 4

// setDefaults sets asking and memories, and the exported functions that are nil.
func (r *Remediator) setDefaults() {
	if r.Parallel == nil {
		r.Parallel = inGoroutines
	}
	if r.Background == nil {
		r.Background = r.tasks.Go
	}
	if r.Pause == nil {
		r.Pause = retry.Sleep
	}
	if r.Rand == nil {
		r.Rand = rand.Float64
	}
	if r.Random == nil {
		r.Random = unpredictable
	}
	r.asking = make(chan struct{}, mostAsking)
	r.memories = map[inventory.Scope]*scopeMemory{}
}

// inGoroutines runs tasks in goroutines, at most so many at the same time.
func inGoroutines(most int, tasks ...func() error) error {
	if len(tasks) == 1 { // a goroutine of its own would grow its stack anew
		return tasks[0]()
	}
	var g errgroup.Group
	g.SetLimit(most)
	for _, t := range tasks {
		g.Go(t)
	}
	return g.Wait()
}

// unpredictable returns bytes from crypto/rand.
func unpredictable() (b [32]byte) {
	cryptorand.Read(b[:]) //nolint:errcheck // it never fails
	return b
}
