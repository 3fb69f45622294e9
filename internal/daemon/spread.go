package daemon

import (
	"math"
	"time"

	"github.com/robfig/cron/v3"
)

// namedTimeSpread is over how long the refreshes of all scopes are spread that a cron expression
// has begin at the same time.
const namedTimeSpread = time.Minute

// spread is where a scope stands among those that one schedule refreshes, so that they do not all begin
// at the same time. It spreads them always in the same way, however late some of them began. The scope of
// the zero spread is refreshed when the schedule says.
type spread struct {
	start time.Time // of the daemon
	nth   int       // of the scopes, in the order in which they came to the fleet
}

// share is a number in [0, 1): those of the first n scopes lie evenly, whatever n is.
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
