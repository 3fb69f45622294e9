package metrics

import (
	"cmp"
	"slices"
	"time"

	"flowkeeper/inventory"
)

// mostScopes is how many scopes have a series of their own: each one more costs memory in
// Prometheus. Alerting rules need those that were refreshed longest ago.
const mostScopes = 100

// refreshed is a scope, and when its last complete refresh began; zero: it had none.
type refreshed struct {
	scope inventory.Scope
	at    time.Time
}

// refreshes are those of all scopes, as /metrics shows them.
type refreshes struct {
	shown      []refreshed // the longest ago first
	had, never int         // scopes that had a complete refresh, and others
	oldest     time.Time   // of those that had one; zero: none had
}

func refreshesOf(scopes map[inventory.Scope]time.Time) (r refreshes) {
	for scope, at := range scopes {
		r.shown = append(r.shown, refreshed{scope, at})
	}
	slices.SortFunc(r.shown, func(a, b refreshed) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.scope.Account, b.scope.Account), cmp.Compare(a.scope.Region, b.scope.Region))
	})
	for r.never < len(r.shown) && r.shown[r.never].at.IsZero() {
		r.never++
	}
	if r.had = len(r.shown) - r.never; r.had > 0 {
		r.oldest = r.shown[r.never].at
	}
	r.shown = r.shown[:min(len(r.shown), mostScopes)]
	return r
}

// seconds of a time since 1970, as Prometheus has it; 0: the zero time.
func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}
