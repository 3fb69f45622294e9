package incident

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestI9BackoffIsBounded: the pauses between attempts are random (full jitter), below a ceiling that doubles up to a
// minute. The pauses of a blocked incident grow from 15 s to 15 min.
func TestI9BackoffIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<40).Draw(t, "failed")
		rnd := rapid.Float64Range(0, 0.999999).Draw(t, "rnd")
		d := attempts.Jittered(n, rnd)
		if d < 0 || d > time.Minute || n < 6 && d > time.Second<<n {
			t.Fatalf("attempts.Jittered(%d, %v) = %s", n, rnd, d)
		}
		if b := blockedAttempts.Pause(n); b < 15*time.Second || b > 15*time.Minute || b > blockedAttempts.Pause(n+1) {
			t.Fatalf("blockedAttempts.Pause(%d) = %s, then %s", n, b, blockedAttempts.Pause(n+1))
		}
	})
}
