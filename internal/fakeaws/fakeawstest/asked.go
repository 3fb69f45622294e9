package fakeawstest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"flowkeeper/internal/fakeaws"
)

// Asked is one kind of call that somebody made, or a permission that AWS required
// in addition to that of the call itself, whatever was answered.
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
