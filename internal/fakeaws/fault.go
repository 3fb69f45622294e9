package fakeaws

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// fault is a failure that the next calls of an operation meet.
type fault struct {
	operation string
	left      int
	code      string // empty: the answer is lost after the effect
	status    int
	message   string // empty: "injected"
}

// Fail makes the next n calls of an operation fail with a code and an HTTP
// status, before they have any effect.
func (w *World) Fail(operation string, n int, code string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fault{operation: operation, left: n, code: code, status: status})
}

// Throttle makes the next n calls of an operation exceed the rate.
func (w *World) Throttle(operation string, n int) {
	w.Fail(operation, n, "RequestLimitExceeded", http.StatusServiceUnavailable)
}

// LoseAnswers lets the next n calls of an operation take effect, and cuts the
// connection before they are answered.
func (w *World) LoseAnswers(operation string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fault{operation: operation, left: n})
}

// Odds of random faults, from 0 to 1, for each call of EC2, SQS and SNS.
type Odds struct{ Throttled, Failed, Lost float64 }

// Chaos makes calls fail at random, the same way for the same seed and order.
func (w *World) Chaos(seed uint64, o Odds) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chaos, w.odds = rand.New(rand.NewPCG(seed, 1)), o
}

// Spare keeps a user, named as at User, from what Chaos does.
func (w *World) Spare(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spared[user] = true
}

// SetOdds changes the odds of Chaos, and nothing of its order.
func (w *World) SetOdds(o Odds) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.odds = o
}

// SetPageSize makes a page of a Describe no longer than this; 0: as AWS
// allows.
func (w *World) SetPageSize(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pageSize = n
}

// SetConsistencyDelay makes every Describe show the flow logs as they were so
// long ago, an hour at most (aws-facts.md, "Deleted IDs").
func (w *World) SetConsistencyDelay(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// AllowDuplicates switches FlowLogAlreadyExists off.
func (w *World) AllowDuplicates(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.twins = on
}

// Deny refuses an operation to a user, named as at User; "*" is everybody.
func (w *World) Deny(user, operation string) { w.permit(user, operation, true) }

// Allow ends a Deny.
func (w *World) Allow(user, operation string) { w.permit(user, operation, false) }

func (w *World) permit(user, operation string, denied bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.denied[user+"/"+operation] = denied
}

func (w *World) isDenied(c caller, operation string) bool {
	return w.denied[c.Name+"/"+operation] || w.denied["*/"+operation]
}

// next is the fault that a call meets, if any.
func (w *World) next(r *http.Request, service, operation string, c caller) (f fault, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ask(r, service, operation, c)
	for n := range w.faults {
		if q := &w.faults[n]; q.operation == operation && q.left > 0 {
			q.left--
			return *q, q.code == ""
		}
	}
	if w.chaos == nil || w.spared[c.Name] || service != "ec2" && service != "sqs" && service != "sns" {
		return fault{}, false
	}
	switch r := w.chaos.Float64(); {
	case r < w.odds.Throttled:
		return fault{code: "RequestLimitExceeded", status: http.StatusServiceUnavailable}, false
	case r < w.odds.Throttled+w.odds.Failed:
		return fault{code: "InternalError", status: http.StatusInternalServerError}, false
	case r < w.odds.Throttled+w.odds.Failed+w.odds.Lost:
		return fault{}, true
	}
	return fault{}, false
}

func (w *World) pauseFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latency
}
