package repeat

import (
	"time"

	"flowkeeper/alert"
)

// Tx is what this package asks of a transaction of the state file.
type Tx interface {
	// Bursts are those of some keys.
	Bursts(keys ...string) (map[string]Burst, error)
	// CountBursts counts those of a class.
	CountBursts(class Class) (int, error)
	// SaveBursts writes bursts by their keys; nil: it is dropped.
	SaveBursts(written map[string]*Burst) error
	// AddAlert puts an alert and its deliveries into the outbox; one whose ID
	// is there already changes nothing. HasAlert reports whether it is.
	AddAlert(a alert.Alert) error
	HasAlert(id string) (bool, error)
}

// Calls are what principals did.
type Calls interface {
	// RecentCalls sums up what a principal did within a time, but for one event.
	RecentCalls(principal string, from, to time.Time, but string) ([]alert.RecentCalls, error)
	// AddActorCall notes one. One that is noted already changes nothing.
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
	l := newLedger(now)
	var err error
	if l.bursts, err = tx.Bursts(key); err != nil {
		return err
	}
	l.burst(key)
	return l.save(tx)
}

// load reads what a decision about a call depends on. The bursts are counted only if the call may
// begin one.
func load(tx Tx, c Call, now time.Time) (*ledger, error) {
	l := newLedger(now)
	own, bounds := c.keys()
	keys := []string{own}
	for _, x := range bounds {
		keys = append(keys, x.key)
	}
	var err error
	if l.bursts, err = tx.Bursts(keys...); err != nil {
		return nil, err
	}
	if b, there := l.bursts[own]; !there || b.over(now) {
		l.inClass, err = tx.CountBursts(c.Class)
	}
	return l, err
}

func (l *ledger) save(tx Tx) error {
	if err := tx.SaveBursts(l.written); err != nil {
		return err
	}
	for _, a := range l.alerts {
		if err := a.AddTo(tx); err != nil {
			return err
		}
	}
	return nil
}
