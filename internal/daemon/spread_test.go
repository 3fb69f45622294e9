package daemon

import (
	"slices"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

// TestRefreshesAreSpread: of 3,400 scopes no second has many more than any other, whenever each of
// them asks for its next refresh, and each keeps the interval.
func TestRefreshesAreSpread(t *testing.T) {
	t.Parallel()
	const scopes = 3400
	every, err := cron.ParseStandard("@every 5m")
	if err != nil {
		t.Fatal(err)
	}
	begun := map[int]int{} // by second
	for n := range scopes {
		p := spread{noon, n}
		next := p.next(every, noon.Add(time.Duration(n)*time.Second/100)) // the first round takes a while
		if late := next.Sub(noon.Add(time.Duration(n) * time.Second / 100)); late <= 0 || late > 5*time.Minute {
			t.Fatalf("scope %d waits %s", n, late)
		}
		for range 10 {
			begun[int(next.Sub(noon)/time.Second)]++
			again := p.next(every, next)
			if again.Sub(next) != 5*time.Minute {
				t.Fatalf("scope %d waits %s", n, again.Sub(next))
			}
			next = again
		}
	}
	for second := 600; second < 1200; second++ {
		if n := begun[second]; n < 10 || n > 13 { // 11.3 on average
			t.Errorf("%d refreshes begin in second %d", n, second)
		}
	}
}

// TestAPlaceOfASchedule: the first scope is where the schedule is; a time that a cron expression
// names is kept but for a minute.
func TestAPlaceOfASchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schedule string
		nth      int
		after    time.Duration // since the start
		want     []time.Duration
	}{
		{"@every 80s", 0, 0, []time.Duration{80 * time.Second, 160 * time.Second}},
		{"@every 80s", 0, -time.Second, []time.Duration{0, 80 * time.Second}}, // the clock went back
		{"@every 80s", 0, -200 * time.Second, []time.Duration{-160 * time.Second, -80 * time.Second}},
		{"@every 100s", 1, 0, []time.Duration{61803 * time.Millisecond, 161803 * time.Millisecond}},
		{"@every 100s", 1, time.Minute, []time.Duration{61803 * time.Millisecond, 161803 * time.Millisecond}},
		{"30 12 * * *", 0, 0, []time.Duration{30 * time.Minute, 24*time.Hour + 30*time.Minute}},
		{"30 12 * * *", 1, 0, []time.Duration{30*time.Minute + 37082*time.Millisecond, 24*time.Hour + 30*time.Minute + 37082*time.Millisecond}},
		{"30 12 * * *", 1, 30*time.Minute + 10*time.Second, []time.Duration{30*time.Minute + 37082*time.Millisecond}},
	} {
		schedule, err := cron.ParseStandard(c.schedule)
		if err != nil {
			t.Fatal(err)
		}
		var got []time.Duration
		for at := noon.Add(c.after); len(got) < len(c.want); {
			at = spread{noon, c.nth}.next(schedule, at)
			got = append(got, at.Sub(noon).Truncate(time.Millisecond))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("scope %d at %s, after %s: %v, want %v", c.nth, c.schedule, c.after, got, c.want)
		}
	}
}
