package incident

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestClampTimes: after the clock has gone back, times from which pauses are counted are not later than now, and a wait
// is not longer than its rule says. Times that say when something happened, or is due, stay.
func TestClampTimes(t *testing.T) {
	t.Parallel()
	ahead := now.Add(24 * time.Hour)
	i := pending("fl-1")
	stay := []string{"DeletedAt", "DetectedAt", "FirstSeenAt", "VerifiedAt", "NextAttemptAt", "WaitUntil"}
	var clamped []string
	for f, v := range reflect.ValueOf(&i).Elem().Fields() {
		if f.Type != reflect.TypeFor[time.Time]() {
			continue
		}
		v.Set(reflect.ValueOf(ahead))
		if !slices.Contains(stay, f.Name) {
			clamped = append(clamped, f.Name+"=now")
		}
	}
	all := strings.Join(clamped, " ")
	for _, c := range []struct {
		name   string
		waited time.Duration
		policy Policy
		wait   string
	}{
		{"no wait", 0, Policy{}, "now"},
		{"a rule's", time.Hour, Policy{DriftWait: time.Minute}, "+1h0m0s"},
		{"a drift's", 0, Policy{DriftWait: time.Minute}, "+1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := i
			i.Waited = c.waited
			got := i.ClampTimes(now, c.policy)
			if w := value(got.WaitUntil); w != c.wait {
				t.Errorf("waits until %s, want %s", w, c.wait)
			}
			i.Call = &SentCall{At: ahead}
			if sent := i.ClampTimes(now, c.policy).Call; !sent.At.Equal(now) {
				t.Errorf("the call was sent at %s", sent.At)
			}
			i.Call, got.WaitUntil = nil, i.WaitUntil
			if d := differences(i, got); d != all {
				t.Error(d)
			}
		})
	}
	if d := differences(pending("fl-1"), pending("fl-1").ClampTimes(now, policy)); d != "" {
		t.Errorf("changed, although no time is in the future: %s", d)
	}
}

func TestBlindSeconds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		i       Incident
		seconds float64
		known   bool
	}{
		{"open", pending("fl-1"), 0, false},
		{"from the deletion", back("fl-1", "fl-2"), 1, true},
		{"from when it was last seen", back("fl-1", "fl-2", drifted), 3600, true},
		{"not known from when", back("fl-1", "fl-2", drifted, func(i *Incident) { i.LastSeenAt = time.Time{} }), 0, false},
		{"deleted after the replacement was made", back("fl-1", "fl-2", func(i *Incident) { i.DeletedAt = now }), 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if s, known := c.i.BlindSeconds(); s != c.seconds || known != c.known {
				t.Errorf("%v, known %t; want %v, known %t", s, known, c.seconds, c.known)
			}
		})
	}
}
