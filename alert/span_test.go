package alert

import "testing"

func TestSpan(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]string{
		-1: "0.0 s", 0: "0.0 s", 2.34: "2.3 s", 59.94: "59.9 s", 59.96: "1 min 0 s",
		250: "4 min 10 s", 3599.9: "1 h 0 min", 11100: "3 h 5 min", 1e18: "277777 h 47 min",
	} {
		if got := span(in); got != want {
			t.Errorf("span(%v) = %q, want %q", in, got, want)
		}
	}
}
