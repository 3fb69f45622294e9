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
	// AddAlert puts an alert and its deliveries into the outbox. If the outbox
	// has its ID already, it changes nothing. HasAlert reports whether it has.
	AddAlert(a alert.Alert) error
	HasAlert(id string) (bool, error)
}

// Calls are what principals did.
type Calls interface {
	// RecentCalls sums up a principal's calls within a time, without the one of an event.
	RecentCalls(principal string, from, to time.Time, exceptEvent string) ([]alert.RecentCalls, error)
	// AddActorCall notes a call. If it is noted already, nothing changes.
	AddActorCall(d ActorCall) error
}

// Orphaned is how long after its DueAt the restorers of all scopes end a burst's window: its own
// scope is not configured any more, and so has no restorer.
const Orphaned = time.Hour

// AlertOrHold puts the alert about a call into the outbox, or holds it back to be summed up. atOnce
// says that it is in the outbox. If it was there before, nothing changes.
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

// EndWindow alerts of the calls that a burst's window held, if the window is over.
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
