package remediate

import (
	cryptorand "crypto/rand"
	"log/slog"
	"math/rand/v2"

	"golang.org/x/sync/errgroup"

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
	random := r.Random
	if random == nil {
		random = unpredictable
	}
	st := scopeStore{store: r.Store, scope: s, configured: configured, policy: r.Policy, startedAt: m.startedAt, now: r.Now, random: random, senders: r.Senders}
	return scopeParts{store: st, client: client{api, s, m.pace, r.Now}, memory: m, notifier: notifier{st, r.News}, log: r.Log.With("account", s.Account, "region", s.Region)}
}

func (r *Remediator) restorer(s inventory.Scope) restorer { return newRestorer(r, r.parts(s)) }

func newRestorer(r *Remediator, p scopeParts) restorer {
	return restorer{scopeParts: p, meter: r.Meter, parallel: r.parallel(), jitter: jitterOf(r), asking: r.askSlots()}
}

func jitterOf(r *Remediator) func() float64 {
	if r.Rand != nil {
		return r.Rand
	}
	return rand.Float64
}

// mostAsking is how many restorers ask the store at the same time what is due. Thousands of them start
// together, and the reads of alerts must not wait for all these.
const mostAsking = 4

// askSlots holds one for each restorer that asks the store what is due.
func (r *Remediator) askSlots() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asking == nil {
		r.asking = make(chan struct{}, mostAsking)
	}
	return r.asking
}

// memory returns the memory of a scope, and makes it at its first use.
func (r *Remediator) memory(s inventory.Scope) *scopeMemory {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memories == nil {
		r.memories = map[inventory.Scope]*scopeMemory{}
	}
	m := r.memories[s]
	if m == nil {
		m = newScopeMemory(r.Now())
		r.memories[s] = m
	}
	return m
}

func (r *Remediator) parallel() func(most int, tasks ...func() error) error {
	if r.Parallel != nil {
		return r.Parallel
	}
	return func(most int, tasks ...func() error) error {
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
}

// unpredictable returns bytes from crypto/rand.
func unpredictable() (b [32]byte) {
	cryptorand.Read(b[:]) //nolint:errcheck // it never fails
	return b
}
