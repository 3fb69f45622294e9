package sink

import (
	"context"
	"time"

	"flowkeeper/alert"
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

// How far an alert is on its way to a sink.
const (
	Pending = "pending"
	Sent    = "sent"
	GivenUp = "given_up"
)

// State is how far the alert is on its way.
func (d Delivery) State() string {
	switch {
	case !d.SentAt.IsZero():
		return Sent
	case !d.ParkedAt.IsZero():
		return GivenUp
	}
	return Pending
}
