package remediate

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// foreignScopes remembers which scopes that are not configured were reported. In an
// hour each is reported once, and at most mostForeign of them are, because forged records
// may name any number (I12). The zero value is ready; its owner guards it.
type foreignScopes struct {
	since    time.Time
	reported map[string]bool
}

const (
	mostForeign   = 20
	foreignPeriod = time.Hour
)

// report reports whether a scope is to be reported now.
func (f *foreignScopes) report(s inventory.Scope, now time.Time) bool {
	if over := now.Sub(f.since) >= foreignPeriod || now.Before(f.since); over || f.reported == nil {
		f.since, f.reported = now, map[string]bool{}
	}
	key := alert.ID(s.Account, s.Region)
	if f.reported[key] || len(f.reported) >= mostForeign {
		return false
	}
	f.reported[key] = true
	return true
}
