package fakeaws

import (
	"net/url"
	"time"
)

// Call is one request that changed something, or tried to.
type Call struct {
	Time      time.Time // when it was answered
	Operation string
	Account   string
	Region    string
	ARN       string // of the caller
	Code      string // of the error; empty: it succeeded
	DryRun    bool
	Form      url.Values
	IDs       []string // flow logs made, deleted or tagged
}

// Calls are the changing calls so far, in order; of one operation, or all.
func (e *EC2) Calls(operation string) []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Call
	for _, c := range e.calls {
		if operation == "" || c.Operation == operation {
			out = append(out, c)
		}
	}
	return out
}

// TakeCalls returns the changing calls so far and forgets them, which a run of days needs: Calls
// begins anew.
func (e *EC2) TakeCalls() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.calls
	e.calls = nil
	return out
}

// addCall adds a call to those that Calls returns. The caller holds e.mu.
func (e *EC2) addCall(q *Request, rep reply, err error) {
	call := Call{Time: e.now(), Operation: q.Operation, Account: q.Account, Region: q.Region, ARN: q.ARN, Form: q.Form, IDs: rep.ids, DryRun: q.Form.Get("DryRun") == "true"}
	if err != nil {
		call.Code = asError(err).Code
	}
	e.calls = append(e.calls, call)
}
