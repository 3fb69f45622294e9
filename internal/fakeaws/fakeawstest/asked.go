package fakeawstest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
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
	calls := w.Calls("CreateFlowLogs")
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	for _, c := range calls {
		for _, permission := range c.Permissions {
			service, name, _ := strings.Cut(permission, ":")
			w.faults.ask(Asked{c.ARN, service, name})
		}
	}
	return slices.SortedFunc(maps.Keys(w.faults.asked), func(a, b Asked) int {
		return cmp.Or(cmp.Compare(a.ARN, b.ARN), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
	})
}

// ask notes a call. The caller holds f.mu.
func (f *faults) ask(a Asked) {
	if len(f.asked) < mostAsked {
		f.asked[a] = true
	}
}
