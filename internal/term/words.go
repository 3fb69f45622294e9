package term

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Ago is a time relative to now; empty for the zero time.
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return ""
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return "in " + Span(-d)
	}
	return Span(d) + " ago"
}

// When is a time with its date, and how long ago it is; empty for the zero time.
func When(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC") + " (" + Ago(t, now) + ")"
}

// Minute is a time to the minute.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Span is a length of time in one unit.
func Span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// Tidy is a duration without units that are zero: 2h, not 2h0m0s.
func Tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Plural counts things: 1 flow log, 2 flow logs, 2 tries.
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// ShortARN is an ARN for a table: the service and the name of the resource. Any other
// text stays as it is.
func ShortARN(text string) string {
	a, err := arn.Parse(text)
	if err != nil {
		return text
	}
	return a.Service + " " + strings.TrimPrefix(strings.TrimPrefix(a.Resource, "log-group:"), "deliverystream/")
}
