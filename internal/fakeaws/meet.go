package fakeaws

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/aws/smithy-go"
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
// f is called with no lock of the world held, and must not keep the form. nil:
// calls meet nothing.
func (w *World) Meet(f func(*Request) Refusal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meets = f
}

// PassDeadlines has calls that hang end at once for clients in this process:
// pass is called with how long each had yet to wait. It is for worlds whose
// clock does not move by itself. A call without a deadline panics.
func (w *World) PassDeadlines(pass func(time.Duration)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passes = pass
}

func (w *World) meet(q *Request) error {
	w.mu.Lock()
	f := w.meets
	w.mu.Unlock()
	if f == nil {
		return nil
	}
	m := f(q)
	if m.Hangs {
		w.hang(q.HTTP)
	}
	if m.Code == "" {
		return nil
	}
	return &Error{Code: m.Code, Message: cmp.Or(m.Message, "injected"), Status: cmp.Or(m.Status, http.StatusBadRequest)}
}

// hung is the panic of a call in this process that hangs, with what its client
// sees of it.
type hung struct{ err error }

// hang returns when the call's deadline is over, by a panic: there is no
// answer.
func (w *World) hang(r *http.Request) {
	w.mu.Lock()
	pass := w.passes
	w.mu.Unlock()
	if pass != nil {
		end, ok := r.Context().Deadline()
		if !ok {
			panic("fakeaws: a call that hangs has no deadline")
		}
		pass(time.Until(end))
		panic(hung{&smithy.CanceledError{Err: context.DeadlineExceeded}}) // what the SDK makes of a deadline that is over
	}
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}
