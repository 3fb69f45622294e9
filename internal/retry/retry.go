package retry

import (
	"context"
	"math"
	"time"
)

// Backoff is a series of pauses that begins with First and doubles up to Most. It is a plain
// value, safe for concurrent use. It has no state, so that its caller counts the failures. The
// zero Backoff never pauses. Most must not be less than First.
type Backoff struct{ First, Most time.Duration }

// Pause returns the nth pause of the series, counted from 0: First, twice First,
// four times First, and never more than Most, however large n is. A negative n
// counts as 0.
func (b Backoff) Pause(n int) time.Duration {
	pause := b.First
	for ; n > 0 && pause < b.Most; n-- {
		if pause > b.Most/2 {
			return b.Most
		}
		pause *= 2
	}
	return pause
}

// Jittered returns a part of Pause(n), from 0 to all of it ("full jitter"), so that
// callers that failed together do not try again together. random is that part: at least
// 0 and less than 1, as math/rand/v2.Float64 returns it.
func (b Backoff) Jittered(n int, random float64) time.Duration {
	return time.Duration(random * float64(b.Pause(n)))
}

// Forever is a wait that only the context, or the channel, ends.
const Forever time.Duration = math.MaxInt64

// Sleep waits for d, or until ctx ends if that is sooner. It returns false if ctx has
// ended. With a d of 0 or less it returns at once.
func Sleep(ctx context.Context, d time.Duration) bool { return Wait(ctx, d, nil) }

// Wake ends the Wait of another goroutine, or its next one if it does not wait now. wake has a capacity of one:
// several calls before the next Wait count as one. It never blocks.
func Wake(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Wait is Sleep that also ends once wake has a value or is closed. A nil wake never
// ends it.
func Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	var over <-chan time.Time
	if d != Forever {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
