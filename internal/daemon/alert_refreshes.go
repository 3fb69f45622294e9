package daemon

import (
	"time"

	"flowkeeper/inventory"
)

const (
	alertRefreshFor  = time.Hour   // after the last event in the account
	alertRefreshMost = 50          // scopes at once
	alertRefreshSlow = time.Second // until the next try of a refresh that has to wait for others
)

// alertRefreshes says when scopes are refreshed besides the schedule because there was a deletion, an attempt or
// tampering in their account: the attacker may cut the way of events next. It has no clock, and is not safe for
// concurrent use. A restart forgets it.
type alertRefreshes struct {
	every    time.Duration // between two refreshes of a scope; 0: there are none
	scopes   map[inventory.Scope]*alerted
	noted    uint64               // how often a scope was noted
	accounts map[string]time.Time // when note was last called
}

// alerted is a scope with an event in its account.
type alerted struct {
	at  time.Time // of the last event
	nth uint64    // which one of all that were noted
	due time.Time // the next refresh
}

func newAlertRefreshes(every time.Duration) alertRefreshes {
	return alertRefreshes{every: every, scopes: map[inventory.Scope]*alerted{}, accounts: map[string]time.Time{}}
}

// ignores reports whether an event in an account changes nothing: of a flood, one in a second counts.
func (a *alertRefreshes) ignores(account string, now time.Time) bool {
	return a.every == 0 || now.Sub(a.accounts[account]) < time.Second
}

// note notes an event in an account, which has these scopes: the last one is noted last. The first refresh is due an
// interval later, because the event itself is still on its way to the state file.
func (a *alertRefreshes) note(account string, scopes []inventory.Scope, now time.Time) {
	a.accounts[account] = now
	for _, s := range scopes {
		x := a.scopes[s]
		if x == nil || x.over(now) {
			x = &alerted{due: now.Add(a.every)}
			a.scopes[s] = x
		}
		a.noted++
		x.at, x.nth = now, a.noted
	}
}

func (x *alerted) over(now time.Time) bool { return now.Sub(x.at) > alertRefreshFor }

// begun notes that a refresh of a scope begins, for whatever reason, or is left out.
func (a *alertRefreshes) begun(s inventory.Scope, now time.Time) { a.delay(s, now.Add(a.every)) }

// delay sets when the next refresh of a scope is due, if it had an event.
func (a *alertRefreshes) delay(s inventory.Scope, due time.Time) {
	if x := a.scopes[s]; x != nil {
		x.due = due
	}
}

// next returns when the next refresh of a scope is due, or zero: its last event is too long ago, or more than
// alertRefreshMost scopes had one after it.
func (a *alertRefreshes) next(s inventory.Scope, now time.Time) time.Time {
	x := a.scopes[s]
	if x == nil || x.over(now) || x.due.Sub(x.at) > alertRefreshFor {
		return time.Time{}
	}
	later := 0
	for _, other := range a.scopes {
		if other.nth > x.nth {
			later++
		}
		if later >= alertRefreshMost {
			return time.Time{}
		}
	}
	return x.due
}

// count is how many scopes are refreshed like that.
func (a *alertRefreshes) count(now time.Time) (n int) {
	for s := range a.scopes {
		if !a.next(s, now).IsZero() {
			n++
		}
	}
	return n
}
