package configs

import (
	"testing"
	"time"
)

func TestTidy(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{2 * time.Hour: "2h", 10 * time.Minute: "10m", 90 * time.Second: "1m30s", 1500 * time.Millisecond: "1.5s", 100 * time.Hour: "100h"} {
		if got := Tidy(d); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}
