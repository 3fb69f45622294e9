package fakeawstest

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"

	"flowkeeper/internal/fakeaws"
)

// faults are the failures of calls before they have any effect.
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

// fault is a failure of the next calls of an operation.
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
	if err := f.refusesKey(q); err != nil {
		return false, err
	}
	if f.latency > 0 {
		select {
		case <-time.After(f.latency):
		case <-q.HTTP.Context().Done():
		}
	}
	if err := f.refuses(q); err != nil {
		return false, err
	}
	q.Permissions = w.required(q)
	f.ask(q)
	return f.nextFault(q)
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

// SetOdds changes the odds of Chaos. The random numbers stay the same.
func (w *World) SetOdds(o Odds) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.odds = o
}

// Spare exempts a user, by the name given to User, from Chaos.
func (w *World) Spare(user string) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.spared[user] = true
}

// nextFault returns the planned or random fault of a call, if there is one; lost: the
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

// Refusal is the failure of a call without any effect; the zero value lets the call
// succeed.
type Refusal struct {
	Code    string
	Message string // empty: "injected"
	Status  int    // of HTTP; 0: 400
	// Hangs: only its deadline ends the call, as if its packets were dropped on
	// the way.
	Hangs bool
}

// Meet sets a function that decides how each call fails before it has any effect: for
// example a scope that a policy of the organization denies, that is throttled for hours,
// or that hangs. f is called with no lock of the world held. nil: no call fails.
func (w *World) Meet(f func(*fakeaws.Request) Refusal) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.meets = f
}

// PassDeadlines lets calls that hang end at once for clients in this process: pass is
// called with the time that was left until the deadline. It is for worlds whose clock
// does not move by itself. A call without a deadline panics.
func (w *World) PassDeadlines(pass func(time.Duration)) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.passes = pass
}

// refuses returns the failure of a call by the function that Meet has set.
func (f *faults) refuses(q *fakeaws.Request) error {
	f.mu.Lock()
	meets, pass := f.meets, f.passes
	f.mu.Unlock()
	if meets == nil {
		return nil
	}
	m := meets(q)
	if m.Hangs {
		hang(q.HTTP, pass)
	}
	if m.Code == "" {
		return nil
	}
	return &fakeaws.Error{Code: m.Code, Message: cmp.Or(m.Message, "injected"), Status: cmp.Or(m.Status, http.StatusBadRequest)}
}

// hung is the panic of a call in this process that hangs, with the error that its client
// gets.
type hung struct{ err error }

// hang ends by a panic when the call's deadline is over: there is no answer.
func hang(r *http.Request, pass func(time.Duration)) {
	if pass == nil {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	end, ok := r.Context().Deadline()
	if !ok {
		panic("fakeawstest: a call that hangs has no deadline")
	}
	pass(time.Until(end))
	panic(hung{&smithy.CanceledError{Err: context.DeadlineExceeded}}) // the SDK's error for a deadline that is over
}

// refusedKey is an access key that AWS does not accept any more.
type refusedKey struct {
	code, message string
	calls         int // since then
}

// RefuseKey refuses every call that an access key signs from now on; each service answers
// in its own protocol. All services answer with this code, even if it is one of EC2, such
// as AuthFailure: the client decides by the code.
func (w *World) RefuseKey(accessKeyID, code, message string) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.refusedKeys[accessKeyID] = &refusedKey{code: code, message: message}
}

// RefusedCalls counts the calls that came with an access key since RefuseKey.
func (w *World) RefusedCalls(accessKeyID string) int {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	if k := w.faults.refusedKeys[accessKeyID]; k != nil {
		return k.calls
	}
	return 0
}

// RevokeSessions refuses every session of a role that was assumed until now, and
// returns their access keys: what IAM's "Revoke active sessions" does, by a policy
// that denies everything to those issued before.
func (w *World) RevokeSessions(roleARN string) (keys []string) {
	w.sts.mu.Lock()
	defer w.sts.mu.Unlock()
	for key, x := range w.sts.sessions {
		if x.SessionIssuer != roleARN {
			continue
		}
		keys = append(keys, key)
		w.RefuseKey(key, "UnauthorizedOperation", "You are not authorized to perform this operation. User: "+x.ARN+
			" is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in an identity-based policy")
	}
	return keys
}

func (f *faults) refusesKey(q *fakeaws.Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.refusedKeys[q.AccessKeyID]
	if k == nil {
		return nil
	}
	k.calls++
	return &fakeaws.Error{Code: k.code, Message: k.message, Status: http.StatusForbidden}
}

// Asked is one kind of call that somebody made, or a permission that AWS required for
// it in addition. The call may have been refused.
type Asked struct {
	ARN       string // of the caller
	Service   string // as its signature names it
	Operation string
}

// mostAsked is how many kinds of calls are kept at most.
const mostAsked = 10_000

// Asked returns all kinds of calls so far, to any service, also dry runs and refused
// calls, each kind once: the policies of the callers must allow them.
func (w *World) Asked() []Asked {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.faults.asked), func(a, b Asked) int {
		return cmp.Or(cmp.Compare(a.ARN, b.ARN), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
	})
}

// ask notes a call, and the permissions that it needs.
func (f *faults) ask(q *fakeaws.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, action := range append([]string{q.Service + ":" + q.Operation}, q.Permissions...) {
		service, name, _ := strings.Cut(action, ":")
		if len(f.asked) < mostAsked {
			f.asked[Asked{q.ARN, service, name}] = true
		}
	}
}
