package repeat

import (
	"maps"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Tx is what this package asks of a transaction of the state file.
type Tx interface {
	// Burst finds what a principal repeats, by its key; PutBurst and DropBurst
	// change it.
	Burst(key string) (Burst, bool, error)
	PutBurst(b Burst) error
	DropBurst(key string) error
	// Bursts counts those of a class.
	Bursts(class Class) (int, error)
	// DueBursts are those of the scope, and of none, whose time has come, and those of any
	// scope that were due before orphaned.
	DueBursts(scope inventory.Scope, now, orphaned time.Time) ([]Burst, error)
	// AddAlert puts an alert and its deliveries into the outbox; one whose ID
	// is there already changes nothing. HasAlert reports whether it is.
	AddAlert(a alert.Alert) error
	HasAlert(id string) (bool, error)
	// RecentCalls sums up what a principal did within a time, but for one event;
	// AddActorCall notes one.
	RecentCalls(principal string, from, to time.Time, but string) ([]alert.RecentCalls, error)
	AddActorCall(d ActorCall) error
}

// Orphaned is how long a burst is overdue when it has no restorer of its own any more, because
// its scope is not configured now: the restorers of all scopes handle it then.
const Orphaned = time.Hour

// AlertOrHold puts the alert about a call into the outbox, or holds it back to be summed up. atOnce
// says that it is in the outbox. One that was there before changes nothing.
func AlertOrHold(tx Tx, a alert.Alert, c Call, now time.Time) (atOnce bool, err error) {
	if done, err := tx.HasAlert(a.ID); err != nil || done {
		return done, err
	}
	l, err := load(tx, c, now)
	if err != nil {
		return false, err
	}
	atOnce = l.decide(c, a)
	return atOnce, l.save(tx)
}

// EndWindow alerts of what a burst's window held, if that is over.
func EndWindow(tx Tx, key string, now time.Time) error {
	b, there, err := tx.Burst(key)
	if err != nil || !there {
		return err
	}
	l := newLedger(now)
	l.bursts[key] = b
	l.burst(key)
	return l.save(tx)
}

// load reads what a decision about a call depends on. The bursts are counted only if the call may
// begin one.
func load(tx Tx, c Call, now time.Time) (*ledger, error) {
	l := newLedger(now)
	own, bounds := c.keys()
	for _, x := range append(bounds, bound{key: own}) {
		b, there, err := tx.Burst(x.key)
		if err != nil {
			return nil, err
		}
		if there {
			l.bursts[x.key] = b
		}
	}
	var err error
	if b, there := l.bursts[own]; !there || b.over(now) {
		l.inClass, err = tx.Bursts(c.Class)
	}
	return l, err
}

func (l *ledger) save(tx Tx) (err error) {
	for _, key := range slices.Sorted(maps.Keys(l.written)) {
		if b := l.written[key]; b != nil {
			err = tx.PutBurst(*b)
		} else {
			err = tx.DropBurst(key)
		}
		if err != nil {
			return err
		}
	}
	for _, a := range l.alerts {
		a.Write()
		if err := tx.AddAlert(a); err != nil {
			return err
		}
	}
	return nil
}
