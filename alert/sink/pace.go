package sink

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
)

const (
	// maxRetryAfter bounds a sink's own wish: nobody but us decides that an
	// alert waits for days.
	maxRetryAfter = 10 * time.Minute
	// parkAfter is how old an alert grows before it is given up. People mend a
	// sink within a long weekend; what is older than that is history.
	// And it has been tried so often by then, at the least: a clock that leaps
	// makes nothing old.
	parkAfter = 72 * time.Hour
	parkTries = 50

	// A failing alert holds up the later ones of its sink for this many tries,
	// which keeps the order through a hiccup. Then others get their turn, as one
	// alert that a receiver chokes on must not silence the rest. A refusal (4xx)
	// is likely about this one alert, and an attacker may write the user agent
	// that a web application firewall refuses: it holds them for seconds only.
	holdTries        = 10
	holdTriesRefused = 3
)

// backoff is between the tries of an alert, and of a sink. Full jitter: daemons that
// failed together come back apart.
var backoff = retry.Backoff{First: time.Second, Most: 5 * time.Minute}

// failure decides what follows for a delivery from a try that failed at a time. The sink
// pauses; random, in [0, 1), is asked only where the delivery waits longer than that.
func failure(d Delivery, err error, pausedUntil, now time.Time, random func() float64) Failure {
	f := Failure{Attempts: d.Attempts + 1, NextAt: pausedUntil, Cause: alert.Clean(err.Error(), alert.MaxField)}
	hold := holdTries
	if asError(err).Refused {
		hold = holdTriesRefused
	}
	// From then on the alert holds up the later ones no longer, and, if it is an urgent one,
	// the other sinks hear that this one does not take it.
	setAside := f.Attempts >= hold
	if setAside {
		// Strictly after the pause, so that the others are asked first.
		f.NextAt = f.NextAt.Add(time.Second + backoff.Jittered(f.Attempts-1, random()))
	}
	f.Parked = f.Attempts >= parkTries && now.Sub(d.Alert.Time.Time) >= parkAfter
	f.TellOthers = f.Parked || setAside && d.Alert.RoutingLevel().AtLeast(alert.High)
	return f
}
