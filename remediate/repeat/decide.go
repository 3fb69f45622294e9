package repeat

import (
	"maps"
	"time"

	"flowkeeper/alert"
)

const (
	mostBursts = 200 // of a class: forged principals are endless (I12). Beyond it, those of an account share one
	// How many alerts of one severity are sent at once within a window: by one principal on
	// several targets, and in one account. It is half as many after each window in which
	// calls were held.
	byPrincipal = 10
	byAccount   = 20
)

// ledger is what the state file has of the bursts that a call concerns, and what is
// changed of it.
type ledger struct {
	now     time.Time
	bursts  map[string]Burst // by key, of those that Call.keys names
	inClass int              // how many bursts there are of the call's class

	written map[string]*Burst // by key; nil: it is dropped
	alerts  []alert.Alert     // for the outbox, in this order
}

func newLedger(now time.Time) *ledger {
	return &ledger{now: now, bursts: map[string]Burst{}, written: map[string]*Burst{}}
}

// decide says whether the alert about a call goes at once or is held, and notes what
// changes by that.
func (l *ledger) decide(c Call, a alert.Alert) (atOnce bool) {
	key, bounds := c.keys()
	own, found := l.burst(key)
	inOwn := c
	inOwn.Example.Principal = "" // the burst's
	if found && c.Severity <= own.Mark {
		l.put(own.hold(a, inOwn, l.now))
		return false
	}
	crowded := !found && l.inClass >= mostBursts
	full, within := l.bounded(c, bounds, crowded)
	switch {
	case full != nil && found:
		l.put(own.hold(a, inOwn, l.now))
		return false
	case full != nil:
		l.put(full.hold(a, c, l.now))
		return false
	}
	for _, b := range within {
		l.put(b.count(c.Severity))
	}
	if !crowded { // otherwise the bursts that bound it hold what follows
		if !found {
			own = c.burst(key, l.now)
		}
		own.Mark = c.Severity
		l.put(own)
	}
	a.Minor = true
	l.alerts = append(l.alerts, a)
	return true
}

// bounded finds a burst that has no room for one more alert, if there is one, and otherwise
// those that count the alert. One of each severity is always sent at once: a flood does not hold
// what is graver. crowded: no more bursts may begin, so that only those that are there bound
// the alert, or if there are none the one of all accounts.
func (l *ledger) bounded(c Call, bounds []bound, crowded bool) (full *Burst, within []Burst) {
	for n, limit := range bounds {
		last := n == len(bounds)-1 // of all accounts together: for when it is crowded
		if last && (!crowded || len(within) > 0) {
			break
		}
		b, there := l.burst(limit.key)
		if crowded && !there && !last {
			continue
		}
		if !there {
			b = c.burst(limit.key, l.now)
		}
		most := max(1, limit.most>>min(b.Summaries, 4))
		if crowded {
			most = 1
		}
		if b.AtOnce[c.Severity] >= most {
			return &b, nil
		}
		within = append(within, b)
	}
	return nil, within
}

// burst is the burst of a key. If its window is over, that is ended first.
func (l *ledger) burst(key string) (b Burst, there bool) {
	if b, there = l.bursts[key]; !there || !b.over(l.now) {
		return b, there
	}
	b, there, ended := b.next(l.now)
	l.alerts = append(l.alerts, ended...)
	if there {
		l.put(b)
	} else {
		l.written[key] = nil
		l.inClass--
	}
	return b, there
}

func (l *ledger) put(b Burst) { l.written[b.Key] = &b }

// count notes an alert that went at once.
func (b Burst) count(severity int) Burst {
	b.AtOnce = maps.Clone(b.AtOnce)
	if b.AtOnce == nil {
		b.AtOnce = map[int]int{}
	}
	b.AtOnce[severity]++
	return b
}
