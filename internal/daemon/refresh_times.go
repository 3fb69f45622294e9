package daemon

import (
	"math"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// requests are the refreshes of one scope that records and failures ask for, in addition to those on the schedule. The
// zero value has none. It has no clock, and is not safe for concurrent use.
type requests struct {
	due      time.Time // the next one; zero: none
	followUp time.Time // the second one after a record, after the pause of addRecord; zero: none
	recordAt time.Time // when addRecord was last called
	begunAt  time.Time // when the last requested refresh began
}

// add asks for a refresh: now, but not within requestPause of the last one.
func (q *requests) add(now time.Time) {
	if !q.due.IsZero() {
		return
	}
	q.due = now
	if earliest := q.begunAt.Add(requestPause); earliest.After(now) {
		q.due = earliest
	}
}

// addRecord asks because of a record: for a refresh like add, and for a second one after the pause, because AWS may
// still show the first one what was before.
func (q *requests) addRecord(now time.Time, pause time.Duration) {
	q.add(now)
	q.recordAt = now
	if q.followUp.IsZero() {
		q.followUp = now.Add(pause)
	}
}

// next returns when the next refresh is due, or zero.
func (q *requests) next() time.Time { return incident.Soonest(q.due, q.followUp) }

// take reports whether a refresh is due, which begins now. If it is the second refresh after a record, and more records
// have come since that record, another second refresh follows for the last of them.
func (q *requests) take(now time.Time, pause time.Duration) bool {
	if next := q.next(); next.IsZero() || next.After(now) {
		return false
	}
	if !q.due.After(now) {
		q.due = time.Time{}
	}
	if !q.followUp.IsZero() && !q.followUp.After(now) {
		if second := q.recordAt.Add(pause); second.After(q.followUp) {
			q.followUp = second
		} else {
			q.followUp = time.Time{}
		}
	}
	q.begunAt = now
	return true
}

const (
	alertRefreshFor  = time.Hour   // after the last event in the account
	alertRefreshMost = 50          // scopes at once
	alertRefreshSlow = time.Second // until the next try of a refresh that has to wait for others
)

// alertRefreshes says when scopes are refreshed, in addition to the schedule, because there was a deletion, an attempt
// or tampering in their account: the attacker may stop the events next. It has no clock, and is not safe for
// concurrent use. It is lost at a restart.
type alertRefreshes struct {
	every    time.Duration // between two refreshes of a scope; 0: there are none
	scopes   map[inventory.Scope]*alerted
	noted    uint64               // how often any scope was noted
	accounts map[string]time.Time // when note was last called
}

// alerted is a scope with an event in its account.
type alerted struct {
	at  time.Time // of the last event
	nth uint64    // alertRefreshes.noted at that event: the order of the scopes
	due time.Time // the next refresh
}

func newAlertRefreshes(every time.Duration) alertRefreshes {
	return alertRefreshes{every: every, scopes: map[inventory.Scope]*alerted{}, accounts: map[string]time.Time{}}
}

// ignores reports whether an event in an account changes nothing: in a flood, one event a second counts.
func (a *alertRefreshes) ignores(account string, now time.Time) bool {
	return a.every == 0 || now.Sub(a.accounts[account]) < time.Second
}

// note notes an event in an account that has these scopes; the last scope counts as the newest. The first refresh is due
// an interval later, because the event itself is still on its way to the state file.
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

// begun notes that a refresh of a scope begins, for any reason, or is left out.
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

// count is how many scopes are refreshed because of an event.
func (a *alertRefreshes) count(now time.Time) (n int) {
	for s := range a.scopes {
		if !a.next(s, now).IsZero() {
			n++
		}
	}
	return n
}

// namedTimeSpread is the time over which the refreshes of all scopes are spread if the schedule is a cron
// expression, which names one time for all.
const namedTimeSpread = time.Minute

// spread delays the refreshes of a scope by its share of the schedule, so that not all scopes are
// refreshed at the same time. The delay is always the same, however late some refreshes began. The zero
// spread has no delay.
type spread struct {
	start time.Time // of the daemon
	nth   int       // of the scopes, in the order in which they came to the fleet
}

// share is a number in [0, 1). The shares of the first n scopes are spread evenly, for every n.
func (p spread) share() float64 {
	_, share := math.Modf(float64(p.nth) * (math.Sqrt(5) - 1) / 2)
	return share
}

// next returns when the scope is refreshed next after a time. A schedule of intervals begins with
// the daemon, and its scopes are spread over the interval.
func (p spread) next(s cron.Schedule, after time.Time) time.Time {
	every, ok := s.(cron.ConstantDelaySchedule)
	if !ok {
		offset := time.Duration(p.share() * float64(namedTimeSpread))
		return s.Next(after.Add(-offset)).Add(offset)
	}
	first := p.start.Add(time.Duration(p.share() * float64(every.Delay)))
	since := after.Sub(first)
	rounds := since / every.Delay
	if since >= 0 || since%every.Delay == 0 {
		rounds++
	}
	return first.Add(rounds * every.Delay)
}
