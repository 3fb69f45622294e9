package sink

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
)

const (
	// maxRetryAfter limits the Retry-After of a receiver, which must not delay alerts for
	// days.
	maxRetryAfter = 10 * time.Minute
	// An alert is given up when it is at least parkAfter old, which leaves a long weekend
	// to fix a sink, and was tried at least parkTries times, because a clock that jumps
	// can make an alert look old.
	parkAfter = 72 * time.Hour
	parkTries = 50

	// A failing alert delays the later ones of its sink for this many tries, so that a
	// short outage does not change the order. Then the others are tried, too: one alert
	// that a receiver can't handle must not delay all others.
	holdTries = 10
)

// HoldTriesRefused is how many tries of an alert that its sink refuses (4xx) delay the later alerts. A
// refusal is most likely about this alert alone. An attacker may even choose a user agent that a web
// application firewall refuses, so a refused alert delays the others only for seconds. No alert is set
// aside after fewer tries.
const HoldTriesRefused = 3

// backoff gives the pauses between the tries of an alert, and of a sink. With full jitter,
// daemons that failed at the same time do not retry at the same time.
var backoff = retry.Backoff{First: time.Second, Most: 5 * time.Minute}

// failure decides what becomes of a delivery after a try that failed at the time now. The sink
// pauses until pausedUntil. random returns a number in [0, 1); it is called only if the
// delivery waits longer than the sink.
func failure(d Delivery, err error, pausedUntil, now time.Time, random func() float64) Failure {
	f := Failure{Attempts: d.Attempts + 1, NextAt: pausedUntil, Cause: alert.Clean(err.Error(), alert.MaxField)}
	hold := holdTries
	if asError(err).Refused {
		hold = HoldTriesRefused
	}
	// An alert that is set aside no longer delays the later ones. If it is urgent, the other
	// sinks get an alert that this one does not take it.
	setAside := f.Attempts >= hold
	if setAside {
		// After the end of the pause, so that the others are tried first.
		f.NextAt = f.NextAt.Add(time.Second + backoff.Jittered(f.Attempts-1, random()))
	}
	f.Parked = f.Attempts >= parkTries && now.Sub(d.Alert.Time.Time) >= parkAfter
	f.NotifyOthers = f.Parked || setAside && d.Alert.RoutingLevel().AtLeast(alert.High)
	return f
}
