package alert

import (
	"fmt"
	"testing"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]string{
		-1: "0.0 s", 0: "0.0 s", 2.34: "2.3 s", 59.94: "59.9 s", 59.96: "1 min 0 s",
		250: "4 min 10 s", 3599.9: "1 h 0 min", 11100: "3 h 5 min", 1e18: "277777 h 47 min",
	} {
		t.Run(fmt.Sprint(in), func(t *testing.T) {
			t.Parallel()
			if got := span(in); got != want {
				t.Errorf("span(%v) = %q, want %q", in, got, want)
			}
		})
	}
}

func TestPlural(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"0 flow logs": Plural(0, "flow log"), "1 flow log": Plural(1, "flow log"), "2 flow logs": Plural(2, "flow log"),
		"2 days": Plural(2, "day"), "1 delivery": Plural(1, "delivery"), "2 deliveries": Plural(2, "delivery"), "once": Times(1), "2 times": Times(2),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
