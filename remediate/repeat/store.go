package repeat

import (
	"time"

	"flowkeeper/alert"
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
	// AddAlert puts an alert and its deliveries into the outbox; one whose ID
	// is there already changes nothing. HasAlert reports whether it is.
	AddAlert(a alert.Alert) error
	HasAlert(id string) (bool, error)
}

func add(tx Tx, a alert.Alert) error {
	a.Write()
	return tx.AddAlert(a)
}

// AlertOrHold puts an alert into the outbox, or holds it back to be summed up. It
// reports whether it did the former. A call that it knows already changes nothing.
func AlertOrHold(tx Tx, a alert.Alert, c Call, now time.Time) (atOnce bool, err error) {
	a.Minor = true
	if done, err := tx.HasAlert(a.ID); err != nil || done {
		return done, err
	}
	key, bounds := c.keys()
	own, found, err := current(tx, key, now)
	if err != nil {
		return false, err
	}
	alone := c
	alone.Example.Principal = "" // the burst's
	if found && c.Severity <= own.Mark {
		return false, tx.PutBurst(own.hold(a, alone, now))
	}
	n, err := tx.Bursts(c.Class)
	if err != nil {
		return false, err
	}
	crowded := !found && n >= mostBursts
	full, rows, err := bounded(tx, c, bounds, crowded, now)
	if err != nil {
		return false, err
	}
	switch {
	case full != nil && found:
		return false, tx.PutBurst(own.hold(a, alone, now))
	case full != nil:
		return false, tx.PutBurst(full.hold(a, c, now))
	}
	for _, b := range rows {
		b.AtOnce[c.Severity]++
		if err := tx.PutBurst(b); err != nil {
			return false, err
		}
	}
	if crowded { // the rows that bound it count it, and hold what follows
		return true, add(tx, a)
	}
	if !found {
		own = c.burst(key, now)
	}
	own.Mark = c.Severity
	if err := tx.PutBurst(own); err != nil {
		return false, err
	}
	return true, add(tx, a)
}

// bounded finds the row that an alert is too many for, if there is one, and
// otherwise those that it counts in. One of each severity always goes at once: what
// is graver than a flood is not held by it. crowded: there are as many bursts as may
// be, so that only rows which are there bound it, or else the one of all accounts.
func bounded(tx Tx, c Call, bounds []rowBound, crowded bool, now time.Time) (full *Burst, rows []Burst, err error) {
	for k, limit := range bounds {
		last := k == len(bounds)-1 // of all accounts together: for when it is crowded
		if last && (!crowded || len(rows) > 0) {
			break
		}
		b, there, err := current(tx, limit.key, now)
		if err != nil {
			return nil, nil, err
		}
		if crowded && !there && !last {
			continue
		}
		if !there {
			b = c.burst(limit.key, now)
		}
		if b.AtOnce == nil {
			b.AtOnce = map[int]int{}
		}
		most := max(1, limit.most>>min(b.Summaries, 4))
		if crowded {
			most = 1
		}
		if b.AtOnce[c.Severity] >= most {
			return &b, nil, nil
		}
		rows = append(rows, b)
	}
	return nil, rows, nil
}

// EndWindow alerts of what a burst's window held, if that is over.
func EndWindow(tx Tx, key string, now time.Time) error {
	_, _, err := current(tx, key, now)
	return err
}

// current is the burst of a key, its window ended if that is over.
func current(tx Tx, key string, now time.Time) (Burst, bool, error) {
	b, found, err := tx.Burst(key)
	if err != nil || !found || !b.over(now) {
		return b, found, err
	}
	return endWindow(tx, b, now)
}

// endWindow alerts of what the window held, and begins the next one; one that held
// nothing ends the burst.
func endWindow(tx Tx, b Burst, now time.Time) (Burst, bool, error) {
	if b.Held.Calls == 0 {
		if b.Class == UnknownDeletion && b.Summaries > 0 {
			if err := add(tx, b.settled(now)); err != nil {
				return b, false, err
			}
		}
		return b, false, tx.DropBurst(b.Key)
	}
	if err := add(tx, b.summary(now)); err != nil {
		return b, false, err
	}
	b.Summaries, b.Total, b.Level = b.Summaries+1, b.Total+b.Held.Calls, alert.Highest(b.Level, b.Held.Gravest.Level)
	b.Mark = max(b.Mark, b.Held.Severity)
	b.Since, b.DueAt, b.AtOnce, b.Held = now, now.Add(Window), nil, Held{}
	return b, true, tx.PutBurst(b)
}
