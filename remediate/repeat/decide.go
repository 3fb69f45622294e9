package repeat

import (
	"maps"
	"time"

	"flowkeeper/alert"
)

const (
	mostBursts = 200 // of a class: anybody can forge principals without end (I12). Further principals of an account share one
	// How many alerts of one severity are sent at once within a window: about one principal's
	// calls on several targets, and about one account. After each window in which calls were
	// held, the number is halved.
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

// decide says whether the alert about a call is sent at once or held, and changes the
// bursts accordingly.
func (l *ledger) decide(c Call, a alert.Alert) (atOnce bool) {
	key, bounds := c.keys()
	own, found := l.burst(key)
	inOwn := c
	inOwn.Example.Principal = "" // all calls of the burst have the same
	if found && c.Severity <= own.Mark {
		l.put(own.hold(a, inOwn, l.now))
		return false
	}
	crowded := !found && l.inClass >= mostBursts
	full, within := l.checkBounds(c, bounds, crowded)
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

// checkBounds returns a burst that has no room for one more alert (full), or else the bursts that
// count the alert (within). One alert of each severity is always sent at once: a flood does not
// hold a graver call. crowded: no more bursts may begin, so only existing bursts bound the alert,
// or if there are none the burst of all accounts.
func (l *ledger) checkBounds(c Call, bounds []bound, crowded bool) (full *Burst, within []Burst) {
	for n, limit := range bounds {
		last := n == len(bounds)-1 // the burst of all accounts, which bounds only if it is crowded
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

// burst is the burst of a key. If its window is over, burst ends the window first.
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

// count counts an alert that was sent at once.
func (b Burst) count(severity int) Burst {
	b.AtOnce = maps.Clone(b.AtOnce)
	if b.AtOnce == nil {
		b.AtOnce = map[int]int{}
	}
	b.AtOnce[severity]++
	return b
}
