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

func (w *World) isDenied(c Caller, operation string) bool {
	return w.denied[c.Name+"/"+operation] || w.denied["*/"+operation]
}

// next is the fault that a call meets, if any; lost: its answer does not
// arrive.
func (w *World) next(q *Request) (lost bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ask(q)
	for n := range w.faults {
		if f := &w.faults[n]; f.operation == q.Operation && f.left > 0 {
			f.left--
			if f.code == "" {
				return true, nil
			}
			return false, injected(f.code, f.status)
		}
	}
	if w.chaos == nil || w.spared[q.Name] || q.Service != "ec2" && q.Service != "sqs" && q.Service != "sns" {
		return false, nil
	}
	switch r := w.chaos.Float64(); {
	case r < w.odds.Throttled:
		return false, injected("RequestLimitExceeded", http.StatusServiceUnavailable)
	case r < w.odds.Throttled+w.odds.Failed:
		return false, injected("InternalError", http.StatusInternalServerError)
	case r < w.odds.Throttled+w.odds.Failed+w.odds.Lost:
		return true, nil
	}
	return false, nil
}

func injected(code string, status int) *Error { return Errorf(code, "injected").WithStatus(status) }

func (w *World) pauseFor() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latency
}
