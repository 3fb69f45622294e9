package fakeaws

import (
	"cmp"
	"maps"
	"slices"
)

// Asked is one kind of call that somebody made, whatever was answered.
type Asked struct {
	ARN       string // of the caller
	Service   string // as its signature names it
	Operation string
}

// mostAsked bounds the kinds that are kept.
const mostAsked = 10_000

// Asked are all kinds of calls so far, of any service, dry runs and refused
// ones too, each once: what the policies of the callers must allow.
func (w *World) Asked() []Asked {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.asked), func(a, b Asked) int {
		return cmp.Or(cmp.Compare(a.ARN, b.ARN), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
	})
}

// ask notes a call. The caller holds w.mu.
func (w *World) ask(q *Request) {
	if len(w.asked) < mostAsked {
		w.asked[Asked{q.ARN, q.Service, q.Operation}] = true
	}
}
