package fakeawstest

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/aws/smithy-go"

	"flowkeeper/internal/fakeaws"
)

// Refusal is what a call meets instead of its effect; its zero value lets the
// call through.
type Refusal struct {
	Code    string
	Message string // empty: "injected"
	Status  int    // of HTTP; 0: 400
	// Hangs lets the call end by its deadline alone, as one whose packets are
	// dropped on the way.
	Hangs bool
}

// Meet has f say what each call meets, before it has any effect: a scope that
// is refused by a policy of the organization, throttled for hours, or hangs.
// f is called with no lock of the world held. nil: calls meet nothing.
func (w *World) Meet(f func(*fakeaws.Request) Refusal) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.meets = f
}

// PassDeadlines has calls that hang end at once for clients in this process:
// pass is called with how long each had yet to wait. It is for worlds whose
// clock does not move by itself. A call without a deadline panics.
func (w *World) PassDeadlines(pass func(time.Duration)) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.passes = pass
}

// refuses is what Meet has set for a call.
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

// hung is the panic of a call in this process that hangs, with what its client
// sees of it.
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
	panic(hung{&smithy.CanceledError{Err: context.DeadlineExceeded}}) // what the SDK makes of a deadline that is over
}
