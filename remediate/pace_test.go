package remediate

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestI9PaceIsKept: whatever the order of calls, throttling, pauses, and steps back of the clock, no more calls
// are made than the bucket allows, and the rate stays within its bounds. After a quiet time the rate is the full
// one again.
func TestI9PaceIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		now, latest := begin, begin
		passed := time.Duration(0) // by a clock that never goes back
		p := newBucket(50, 5, begin)
		granted := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"call", "call", "call", "wait", "throttle", "back"}).Draw(t, "step") {
			case "call":
				if p.allow(now) {
					granted++
				}
			case "wait":
				wait := time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "wait"))
				now, passed = now.Add(wait), passed+wait
			case "throttle":
				p.throttled(now)
				if p.allow(now) {
					t.Fatal("a call is allowed at the moment of throttling")
				}
			case "back":
				now = now.Add(-time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "back")))
			}
			if now.After(latest) {
				latest = now
			}
			if most := p.size + p.most*passed.Seconds() + 1e-6; float64(granted) > most {
				t.Fatalf("%d calls in %s", granted, passed)
			}
			if p.rate < leastRate || p.rate > p.most {
				t.Fatalf("rate %v", p.rate)
			}
		}
		quiet := latest.Add(regainTime)
		if n := p.available(quiet); n != int(p.size) || p.rate != p.most {
			t.Fatalf("after a quiet time: %d calls, %v a second", n, p.rate)
		}
	})
}

// TestI9PaceSaysWhen: after the time that wait returns, at least one call is allowed. That time is never longer
// than one call takes at the least rate.
func TestI9PaceSaysWhen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		p := newBucket(50, 5, now)
		for range rapid.IntRange(0, 12).Draw(t, "throttled") {
			p.throttled(now)
		}
		for range rapid.IntRange(0, 60).Draw(t, "spent") {
			p.allow(now)
		}
		d := p.wait(now)
		if most := 5 * time.Second; d < 0 || d > most {
			t.Fatalf("a wait of %s", d)
		}
		if n := p.available(now); n > 0 != (d == 0) {
			t.Fatalf("ready for %d calls, and to wait for %s", n, d)
		}
		if n := p.available(now.Add(d + time.Microsecond)); n < 1 {
			t.Fatalf("after %s ready for %d calls", d, n)
		}
	})
}

// TestPaceLearnsFromThrottling: one throttled call, or several that were sent together, delay the next call by
// half a second, and the rate stays. If throttling goes on, others take calls from the same bucket of AWS, and
// the rate halves.
func TestPaceLearnsFromThrottling(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newBucket(50, 5, now)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	wantRate := func(after time.Duration, rate float64) {
		t.Helper()
		p.available(at(after)) // updates the rate
		if p.rate < rate || p.rate > rate*1.2 {
			t.Errorf("after %s: %v calls a second, want %v", after, p.rate, rate)
		}
	}
	if most := p.available(now); most != 48 {
		t.Errorf("%d calls at once, want 48: AWS grants 50, and calls may arrive early", most)
	}
	p.throttled(at(0))
	p.throttled(at(50 * time.Millisecond))
	wantRate(100*time.Millisecond, 5)
	if d := p.wait(at(100 * time.Millisecond)); d < 400*time.Millisecond || d > 700*time.Millisecond {
		t.Errorf("the next call waits for %s, want about half a second", d)
	}
	p.throttled(at(time.Second))
	wantRate(time.Second, 2.5)
	p.throttled(at(1500 * time.Millisecond))
	wantRate(1500*time.Millisecond, 2.5)
	p.throttled(at(3 * time.Second))
	wantRate(3*time.Second, 1.25)
	p.throttled(at(5 * time.Minute))
	wantRate(5*time.Minute, 5)
}
