package fakeawstest

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"flowkeeper/internal/fakeaws"
)

// faults are the failures that calls meet before they have any effect.
type faults struct {
	latency time.Duration

	mu          sync.Mutex // guards what follows
	planned     []fault
	chaos       *rand.Rand
	odds        Odds
	spared      map[string]bool // users, by name
	meets       func(*fakeaws.Request) Refusal
	passes      func(time.Duration)
	asked       map[Asked]bool
	refusedKeys map[string]*refusedKey // by access key
}

// fault is a failure that the next calls of an operation meet.
type fault struct {
	operation string
	left      int
	code      string // empty: the answer is lost after the effect
	status    int
}

// intercept decides whether a call is refused, or its answer lost. The simulation's
// golden traces depend on the order of these steps, and on when Chaos draws.
func (w *World) intercept(q *fakeaws.Request) (lost bool, err error) {
	f := &w.faults
	if err := w.sts.expired(q); err != nil {
		return false, err
	}
	if err := f.refusesKey(q); err != nil {
		return false, err
	}
	if f.latency > 0 {
		wait(q.HTTP, f.latency)
	}
	if err := f.refuses(q); err != nil {
		return false, err
	}
	q.Permissions = w.required(q)
	f.ask(q)
	return f.nextFault(q)
}

func wait(r *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

// Fail makes the next n calls of an operation fail with a code and an HTTP
// status, before they have any effect.
func (w *World) Fail(operation string, n int, code string, status int) {
	w.faults.plan(fault{operation, n, code, status})
}

// Throttle makes the next n calls of an operation exceed the rate.
func (w *World) Throttle(operation string, n int) {
	w.Fail(operation, n, "RequestLimitExceeded", http.StatusServiceUnavailable)
}

// LoseAnswers lets the next n calls of an operation take effect, and cuts the
// connection before they are answered.
func (w *World) LoseAnswers(operation string, n int) {
	w.faults.plan(fault{operation: operation, left: n})
}

func (f *faults) plan(x fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planned = append(f.planned, x)
}

// Odds of random faults, from 0 to 1, for each call of EC2, SQS and SNS.
type Odds struct{ Throttled, Failed, Lost float64 }

// Chaos makes calls fail at random, the same way for the same seed and order.
func (w *World) Chaos(seed uint64, o Odds) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.chaos, w.faults.odds = rand.New(rand.NewPCG(seed, 1)), o
}

// SetOdds changes the odds of Chaos, and nothing of its order.
func (w *World) SetOdds(o Odds) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.odds = o
}

// Spare exempts a user, named as at User, from Chaos.
func (w *World) Spare(user string) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.spared[user] = true
}

// nextFault is the planned or random fault that a call meets, if any; lost: its
// answer does not arrive.
func (f *faults) nextFault(q *fakeaws.Request) (lost bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range f.planned {
		if x := &f.planned[n]; x.operation == q.Operation && x.left > 0 {
			x.left--
			if x.code == "" {
				return true, nil
			}
			return false, injected(x.code, x.status)
		}
	}
	if f.chaos == nil || f.spared[q.Name] || q.Service != "ec2" && q.Service != "sqs" && q.Service != "sns" {
		return false, nil
	}
	switch r := f.chaos.Float64(); {
	case r < f.odds.Throttled:
		return false, injected("RequestLimitExceeded", http.StatusServiceUnavailable)
	case r < f.odds.Throttled+f.odds.Failed:
		return false, injected("InternalError", http.StatusInternalServerError)
	case r < f.odds.Throttled+f.odds.Failed+f.odds.Lost:
		return true, nil
	}
	return false, nil
}

func injected(code string, status int) error {
	return fakeaws.Errorf(code, "injected").WithStatus(status)
}
