package repeat

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
)

// ActorCall is one call of a principal that concerned flow logs.
type ActorCall struct {
	Principal string
	At        time.Time
	EventID   string
	EventName string
	Refused   bool
	FlowLogs  int // named by it
}

const (
	recently       = time.Hour // how far back an alert says what else its actor did
	mostActorCalls = 1000      // remembered of one principal's hour: anybody can forge records without end (I12)
)

// shortName is a name as a key of the state file: a hash if it is longer than any name of AWS.
func shortName(s string) string {
	if len(s) <= 256 {
		return s
	}
	return alert.ID(s)
}

// RecordCall notes the call of a finding, and returns what else its principal did within the hour
// before. flowLogs is how many flow logs the call names.
func RecordCall(tx Calls, f detection.Finding, flowLogs int, now time.Time) ([]alert.RecentCalls, error) {
	actor := f.Actor()
	who, eventID := shortName(actor.Principal()), shortName(f.Record.EventID)
	if who == "" {
		return nil, nil
	}
	at := f.Record.EventTime
	if at.IsZero() || at.After(now) {
		at = now
	}
	before, err := tx.RecentCalls(who, at.Add(-recently), at, eventID)
	if err != nil {
		return nil, err
	}
	calls := 0
	for _, d := range before {
		calls += d.Calls
	}
	if calls >= mostActorCalls {
		return before, nil
	}
	return before, tx.AddActorCall(ActorCall{Principal: who, At: at, EventID: eventID, EventName: f.Record.EventName,
		Refused: f.Kind == detection.Attempted, FlowLogs: flowLogs})
}
