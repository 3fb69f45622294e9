package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Plural is a number of things in words: 1 flow log, 2 flow logs, 2 tries, 2 days.
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok && !strings.HasSuffix(stem, "a") {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Times says how often something happened: once, 2 times.
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func moment(t Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// span is a duration in words: 2.3 s, 4 min 10 s, 3 h 5 min.
func span(seconds float64) string {
	if seconds < 59.95 {
		return strconv.FormatFloat(max(0, seconds), 'f', 1, 64) + " s"
	}
	d := time.Duration(min(seconds, 1e9) * float64(time.Second)).Round(time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}
