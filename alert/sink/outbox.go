package sink

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
)

// Outbox is the durable side of delivery; internal/store implements it. An
// alert is in it from the transaction that caused it until every sink has it
// or has been given up on (I7).
type Outbox interface {
	// Next returns the delivery to try now: of this sink's pending ones (neither
	// sent nor parked) whose NextAt is not after now, the most urgent one, of
	// equally urgent ones the oldest, and now and then the one that has waited
	// longest. One that answers an earlier alert comes only after that is sent, or
	// parked. Without one it returns false, and the Delivery's NextAt says
	// when the soonest pending one is due; zero: nothing is pending.
	Next(ctx context.Context, sink string, now time.Time) (Delivery, bool, error)
	// Sent records that the sink has the alert.
	Sent(ctx context.Context, sink, alertID string, at time.Time) error
	// Failed records a try that failed. Where TellOthers is set, an alert that says so
	// is added with it for the other sinks.
	Failed(ctx context.Context, sink, alertID string, f Failure) error
}

// Failure is a try that failed, and what follows from it.
type Failure struct {
	Attempts   int       // tries so far, this one among them
	NextAt     time.Time // when the next one is due
	Cause      string    // why it failed: cleaned, without secrets
	Parked     bool      // it was the last one
	TellOthers bool      // the other sinks are to hear of it
}

// Delivery is one alert on its way to one sink.
type Delivery struct {
	Alert    alert.Alert
	Sink     string
	Urgency  int       // its place among the pending ones: see Alert.Urgency
	Attempts int       // tries that failed
	NextAt   time.Time // not before
	SentAt   time.Time // zero while pending
	ParkedAt time.Time // zero unless given up after days
	Error    string    // why the last try failed: cleaned, without secrets
}

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
