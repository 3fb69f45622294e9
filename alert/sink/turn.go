package sink

import "time"

const (
	// longWait is the time after which the age of a delivery counts. From then on, every
	// ageTurn-th turn goes by age alone. So an endless stream of urgent alerts delays no other
	// alert for ever, and at most one old alert comes before an urgent one.
	longWait = 5 * time.Minute
	ageTurn  = 8
)

// Turn says which delivery is next.
type Turn struct {
	Now time.Time
	// WaitingSince is zero if the most urgent delivery is next. Otherwise the delivery that has
	// waited longest is next, if its alert was added at WaitingSince or before; if there is no
	// such delivery, the most urgent one is next.
	WaitingSince time.Time
}

// Turns counts the turns of one sink. The zero Turns is ready for use. It is not safe for
// concurrent use.
type Turns struct{ taken int }

// Next is the next turn.
func (t *Turns) Next(now time.Time) Turn {
	t.taken = (t.taken + 1) % ageTurn
	turn := Turn{Now: now}
	if t.taken == 0 {
		turn.WaitingSince = now.Add(-longWait)
	}
	return turn
}
