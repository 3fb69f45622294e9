package sink

import "time"

const (
	// longWait is the time after which the age of a delivery counts. From then on, every
	// byAge-th choice goes by age alone. So an endless stream of urgent alerts delays no other
	// alert for ever, and at most one old alert comes before an urgent one.
	longWait = 5 * time.Minute
	byAge    = 8
)

// Choice says which delivery is next.
type Choice struct {
	Now time.Time
	// WaitingSince is zero if the most urgent delivery is next. Otherwise the delivery that has
	// waited longest is next, if its alert was added at WaitingSince or before; if there is no
	// such delivery, the most urgent one is next.
	WaitingSince time.Time
}

// Chooser makes the choices of one sink. The zero Chooser is ready for use. It is not safe for
// concurrent use.
type Chooser struct{ made int }

// Next is the next choice.
func (c *Chooser) Next(now time.Time) Choice {
	c.made = (c.made + 1) % byAge
	choice := Choice{Now: now}
	if c.made == 0 {
		choice.WaitingSince = now.Add(-longWait)
	}
	return choice
}
