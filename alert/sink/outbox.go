package sink

import (
	"context"
	"time"

	"flowkeeper/alert"
)

// Outbox keeps the alerts on disk; internal/store implements it. An alert is in it from the
// transaction that caused it until each sink has taken it, or it was given up for that sink
// (I7).
type Outbox interface {
	// Next returns the delivery to try now, from this sink's pending ones (neither sent
	// nor parked) whose NextAt is not after choice.Now: the most urgent one, of equally urgent
	// ones the oldest; or the oldest of all, if choice.WaitingSince says so. An alert that
	// answers an earlier one comes only after that one is sent or parked. If no delivery is
	// due, Next returns false, and the Delivery's NextAt is when the next one is due; zero:
	// nothing is pending.
	Next(ctx context.Context, sink string, choice Choice) (Delivery, bool, error)
	// Sent records that the sink has the alert.
	Sent(ctx context.Context, sink, alertID string, at time.Time) error
	// Failed records a try that failed. If NotifyOthers is set, it also adds an alert
	// about that for the other sinks.
	Failed(ctx context.Context, sink, alertID string, f Failure) error
}

// Failure is a try that failed, and what follows from it.
type Failure struct {
	Attempts     int       // tries so far, including this one
	NextAt       time.Time // when the next try is due
	Cause        string    // why it failed: cleaned, without secrets
	Parked       bool      // it was the last try: the alert is given up
	NotifyOthers bool      // the other sinks are to get an alert about it
}

// Delivery is one alert for one sink.
type Delivery struct {
	Alert    alert.Alert
	Sink     string
	Urgency  int       // see Alert.Urgency
	Attempts int       // tries that failed
	NextAt   time.Time // it is not tried before
	SentAt   time.Time // zero while pending
	ParkedAt time.Time // zero unless it was given up
	Error    string    // why the last try failed: cleaned, without secrets
}

// These are the states of a delivery.
const (
	Pending = "pending"
	Sent    = "sent"
	GivenUp = "given_up"
)

// State is the state of the delivery.
func (d Delivery) State() string {
	switch {
	case !d.SentAt.IsZero():
		return Sent
	case !d.ParkedAt.IsZero():
		return GivenUp
	}
	return Pending
}
