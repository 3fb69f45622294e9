package incident

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// When an alert of an event is due at the latest.
const (
	// NotifyRestoredAfter is when an alert says what is restored, even if some of the
	// event's flow logs are not back.
	NotifyRestoredAfter = 5 * time.Minute
	// NotifyDriftAfter is when an alert says what a refresh found gone, even if nothing is decided yet.
	// With the time that other alerts take, that is within 30 seconds of the refresh.
	NotifyDriftAfter = 25 * time.Second
	// NotifyStuckAfter is when an alert says that incidents are stuck. One alert is about all of
	// the event, however many flow logs it names.
	NotifyStuckAfter = 30 * time.Second
	// NotifyTokenUsedAfter applies instead to the first ClientToken of an event that somebody else
	// has used: the alert is due before the flow log can be back.
	NotifyTokenUsedAfter = 10 * time.Second
	// NotifyStuckAgainAfter applies instead after the first such alert, for further reasons. It is
	// long, because each attempt may find another reason, and one alert is to name them together.
	NotifyStuckAgainAfter = 16 * time.Minute
)

// Event groups the incidents of one record, or of one refresh that found flow logs gone:
// people get one alert of each kind about all of them. Its JSON is in the state file. JSON names that differ from
// those of the fields are of earlier versions: state files keep them.
//
// TestSameTimes and TestEventClampTimesKnowsEveryTime fail for a new field that they do not know.
type Event struct {
	Scope      inventory.Scope
	ID         string
	Source     string
	Rule       *alert.Rule
	Level      alert.Level
	Actor      *alert.Actor
	DeletedAt  time.Time // as the record says; zero: a refresh found the loss, or the record does not say
	DetectedAt time.Time
	Failed     []alert.FlowLog
	CampaignID string // empty: it belongs to none
	// FailedOmitted is how many more flow logs AWS refused to delete.
	FailedOmitted int  `json:",omitempty"`
	Unknown       bool `json:",omitempty"` // it names no flow log that Flowkeeper knows: the row may be dropped

	// When the alerts of the event were written; zero: not yet.
	DeletionAlertedAt time.Time `json:"ToldDeletion"`
	ReopenedAt        time.Time // when one of its incidents was reopened, which has no alert of its own
	RestoredAlertedAt time.Time `json:"ToldRestored"`
	ClosedAlertedAt   time.Time `json:"ToldClosed"`
	// Deadline is by when the next alert is written, even if it is not decided yet what becomes of all flow logs: first
	// the deletion alert of what a refresh found gone, afterwards the restored alert. Zero: no alert waits for that.
	Deadline     time.Time `json:"DueAt"`
	StuckAt      time.Time // by when an alert says which incidents are stuck; zero: none is
	StuckAlerted bool      `json:"StuckTold"`  // there was such an alert
	TokenUsed    bool      `json:",omitempty"` // an alert that somebody else used a ClientToken of it is due, or there was one
	OverdueAt    time.Time // by when an alert says what is not back; zero: none is missing
	NotTaggedAt  time.Time `json:",omitzero"` // of the last alert that AWS refuses tags; zero: there was none
}

// Due is when to evaluate it again even if no incident changes; zero: never.
func (e Event) Due() time.Time { return Soonest(e.Deadline, e.StuckAt, e.OverdueAt) }

// mayHavePagerIncident reports whether the event's alert may have opened an incident at a pager
// that is not resolved yet.
func (e Event) mayHavePagerIncident() bool {
	return !e.DeletionAlertedAt.IsZero() && e.ClosedAlertedAt.IsZero() && !e.Due().IsZero()
}

// Droppable reports whether the event may be forgotten before its time, to make room: no
// alert about it is to follow, and it names no flow log that is known.
func (e Event) Droppable() bool { return e.Unknown && !e.mayHavePagerIncident() }

// SameTimes reports whether two states of an event have the same times by which its alerts
// after the first are due, or were written. The time of the deletion alert is not compared:
// the event is written together with that alert.
func (e Event) SameTimes(was Event) bool {
	times := func(e Event) []time.Time {
		return []time.Time{e.StuckAt, e.OverdueAt, e.Deadline, e.RestoredAlertedAt, e.ClosedAlertedAt}
	}
	return e.StuckAlerted == was.StuckAlerted && slices.EqualFunc(times(e), times(was), time.Time.Equal)
}

// ClampTimes moves the times by which alerts are due: after the clock has gone back, no alert
// is due later than if it were noted now.
func (e Event) ClampTimes(now time.Time) Event {
	e.Deadline = Earlier(e.Deadline, now.Add(NotifyRestoredAfter))
	e.StuckAt = Earlier(e.StuckAt, now.Add(NotifyStuckAgainAfter))
	again := OverdueAfter // there was no alert that it is not back
	if e.StuckAlerted {
		again = RemindAfter
	}
	e.OverdueAt = Earlier(e.OverdueAt, now.Add(again))
	return e
}

// MergeRecord is the event after one more record with its event ID: of is the event of that record alone. Either
// record may be forged (I2): the level is never lowered, and a record that names no known flow log does not change
// who did it.
func (e Event) MergeRecord(of Event, incidents []Incident) Event {
	e.Source, e.Level, e.CampaignID = of.Source, alert.Highest(e.Level, of.Level), of.CampaignID
	if slices.ContainsFunc(incidents, func(i Incident) bool { return i.Known }) {
		e.Actor, e.Rule, e.DeletedAt, e.Failed, e.FailedOmitted = of.Actor, of.Rule, of.DeletedAt, of.Failed, of.FailedOmitted
	}
	return e
}
