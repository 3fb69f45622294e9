package remediate

import (
	"math"
	"sync"
	"time"
)

// pace is one scope's token bucket for EC2 calls. It starts generous, because
// EC2's own buckets hold a burst, and learns: a throttle halves the rate, each
// quiet second after it adds a little, up to where it began.
type pace struct {
	mu     sync.Mutex
	tokens float64
	rate   float64 // tokens a second
	last   time.Time
}

const (
	paceBurst  = 50
	paceRate   = 50  // a second, until AWS throttles
	paceLeast  = 0.5 // a second, however often it does
	paceRegain = 0.2 // more a second, each second
)

func newPace(now time.Time) *pace { return &pace{tokens: paceBurst, rate: paceRate, last: now} }

// available is how many calls a step may make now; 0: it is to wait for more.
func (p *pace) available(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	if p.tokens < p.least() {
		return 0
	}
	return int(p.tokens)
}

// wait is how long it takes until a step may begin.
func (p *pace) wait(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	return time.Duration(max(0, p.least()-p.tokens) / p.rate * float64(time.Second))
}

// least is with how many calls a step may begin: what comes in a fifth of a
// second, so that many creates share an observation; an observation and a create at least, or
// the observations alone would use up the pace.
func (p *pace) least() float64 { return max(2, math.Floor(p.rate/5)) }

// reserve takes a token for a call that goes out in any case.
func (p *pace) reserve(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	p.tokens--
}

// allow reports whether a call would go out at once, and takes its token if so.
func (p *pace) allow(now time.Time) bool {
	return p.take(now, func() float64 { return 0 })
}

// allowBesideRestores is allow for a call that no restore waits for: it leaves them what a
// step begins with.
func (p *pace) allowBesideRestores(now time.Time) bool { return p.take(now, p.least) }

// take takes a token if that leaves so many.
func (p *pace) take(now time.Time, leaves func() float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	if p.tokens < leaves()+1 {
		return false
	}
	p.tokens--
	return true
}

// throttled tells that AWS refused a call for its rate.
func (p *pace) throttled(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	p.rate = max(paceLeast, p.rate/2)
	p.tokens = min(p.tokens, 0)
}

func (p *pace) fill(now time.Time) {
	s := max(0, now.Sub(p.last).Seconds()) // the clock may go back
	p.last = now
	p.tokens = min(paceBurst, p.tokens+s*p.rate)
	p.rate = min(paceRate, p.rate+s*paceRegain)
}
