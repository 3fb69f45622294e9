package remediate

import (
	"math"
	"sync"
	"time"
)

// pace is how fast one scope may call EC2. AWS has a token bucket for each action, account
// and Region (docs/aws.md, "Rates"), and so has Flowkeeper: creates do not use up what
// observations need.
type pace struct {
	describes, creates, tags *bucket
	refreshes                *bucket // describes of sparing refreshes: half of what AWS grants
}

func newPace(now time.Time) *pace {
	return &pace{
		describes: newBucket(100, 20, now),
		creates:   newBucket(50, 5, now),
		tags:      newBucket(100, 10, now),
		refreshes: newBucket(50, 10, now),
	}
}

// wait is how long it takes until a step may begin that can do more than the one before.
func (p *pace) wait(now time.Time) time.Duration {
	next := p.creates.wait(now)
	if tags := p.tags.wait(now); next == 0 || tags > 0 && tags < next {
		next = tags // the step before has used the calls that are left: the first bucket to refill allows more
	}
	return max(p.describes.wait(now), next)
}

// bucket is a token bucket for calls of one action. It starts a little below AWS's numbers,
// and learns. A throttled call shows that AWS's bucket is empty. Another one soon after
// that shows that others take from it: then the rate halves. Each quiet second adds a
// little to the rate, up to where it began. A bucket is safe for concurrent use.
type bucket struct {
	size float64 // calls at once
	most float64 // calls a second, until AWS throttles

	mu      sync.Mutex
	tokens  float64   // guarded by mu, as all that follows; below 0 after reserve, and after a throttled call
	rate    float64   // tokens a second
	last    time.Time // when tokens were added
	refused time.Time // the last throttled call that counted
}

const (
	leastRate  = 0.5                    // calls a second, however often AWS throttles
	regainTime = 250 * time.Second      // from nothing to the rate at the start
	shareTime  = 200 * time.Millisecond // a step begins with the tokens that come in this time, or more
	reserved   = 400 * time.Millisecond // our bucket lacks the tokens of this time: calls take different times to reach AWS
	sameTime   = time.Second            // throttled calls within this time count as one: they were sent together
	soonAgain  = 10 * time.Second       // a throttled call that soon after another is not due to our own rate: others call, too
)

// newBucket is for an action of which AWS allows size calls at once, and then most calls a second.
func newBucket(size, most float64, now time.Time) *bucket {
	size -= most * reserved.Seconds()
	return &bucket{size: size, most: most, tokens: size, rate: most, last: now}
}

// available is how many calls a step may make now; 0: it must wait.
func (b *bucket) available(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	if b.tokens < b.least() {
		return 0
	}
	return int(b.tokens)
}

// wait is how long it takes until available is not 0.
func (b *bucket) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	return time.Duration(max(0, b.least()-b.tokens) / b.rate * float64(time.Second))
}

// least is how many calls a step needs to begin: those of shareTime, so that the incidents that
// become due in that time share an observation.
func (b *bucket) least() float64 { return max(1, math.Floor(b.rate*shareTime.Seconds())) }

// reserve takes a token for a call that goes out in any case.
func (b *bucket) reserve(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	b.tokens--
}

// allow reports whether a call would go out at once, and takes its token if so.
func (b *bucket) allow(now time.Time) bool {
	return b.take(now, func() float64 { return 0 })
}

// allowSpare is allow for a call that no restore waits for: it leaves as many tokens as a
// step of the restorer begins with.
func (b *bucket) allowSpare(now time.Time) bool { return b.take(now, b.least) }

// allowHalf is allow for a call that leaves half of the bucket to others.
func (b *bucket) allowHalf(now time.Time) bool {
	return b.take(now, func() float64 { return b.size / 2 })
}

// take takes a token if that leaves at least so many tokens.
func (b *bucket) take(now time.Time, leaves func() float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	if b.tokens < leaves()+1 {
		return false
	}
	b.tokens--
	return true
}

// throttled notes that AWS refused a call for its rate.
func (b *bucket) throttled(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	b.tokens = min(b.tokens, -b.rate*reserved.Seconds())
	since := now.Sub(b.refused)
	if since >= 0 && since < sameTime {
		return
	}
	b.refused = now
	if since > 0 && since < soonAgain { // the clock may go back
		b.rate = max(leastRate, b.rate/2)
	}
}

func (b *bucket) fill(now time.Time) {
	s := max(0, now.Sub(b.last).Seconds()) // the clock may go back
	b.last = now
	b.tokens = min(b.size, b.tokens+s*b.rate)
	b.rate = min(b.most, b.rate+s*b.most/regainTime.Seconds())
}
