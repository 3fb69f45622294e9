package incident

import "slices"

// Effects are what follows from the changes of a Case, in addition to its rows and incidents.
type Effects struct {
	History []HistoryLine
	Notes   []Note    // for the events of its incidents, in their order
	Log     []LogLine // for the log, once the changes are on disk
}

// HistoryLine is a line to be added to the history of a flow log's incident.
type HistoryLine struct {
	FlowLogID string
	Entry     Entry
}

// LogLine is a line for the log about an incident.
type LogLine struct {
	Incident Incident
	Text     string
	Retry    bool // a warning that an attempt failed, not a change of state
}

// Note is what a change of an incident means for its event: people are alerted of an
// event, not of each incident.
type Note struct {
	Kind     NoteKind
	Incident Incident // as it was when the note was made
	Message  string   // of NoteNotDelivering and NoteNotTagged: AWS's own words
}

// NoteKind says what a Note is about.
type NoteKind string

const (
	// NoteLineage: the incident was opened for a replacement whose loss no record and no
	// refresh reported. It has an event of its own, which is to be made.
	NoteLineage NoteKind = "lineage"
	// NoteReopened: the incident is open again, so its event is not over.
	NoteReopened NoteKind = "reopened"
	// NoteOverdue: the incident may be overdue before its event is due (Event.OverdueAt).
	NoteOverdue NoteKind = "overdue"
	// NoteKnown: the snapshot knows the flow log now. A deletion that was held back as one
	// of an unknown flow log is to be alerted.
	NoteKnown NoteKind = "known"
	// NoteStuck: something keeps the flow log from coming back, and no alert has said so yet.
	NoteStuck NoteKind = "stuck"
	// NoteNotDelivering: AWS can't deliver what the replacement records.
	NoteNotDelivering NoteKind = "not delivering"
	// NoteNotTagged: AWS refuses tags that the replacement is to have.
	NoteNotTagged NoteKind = "not tagged"
	// NoteRequested: a person asked for the restore, and is to be alerted of its result.
	NoteRequested NoteKind = "requested"
)

func (e *Effects) note(kind NoteKind, i Incident) {
	e.Notes = append(e.Notes, Note{Kind: kind, Incident: i})
}

func (e *Effects) addHistory(id string, entry Entry) {
	e.History = append(e.History, HistoryLine{FlowLogID: id, Entry: entry})
}

// logFailureOnce removes repeated lines for the log. Of the lines after the first n, it keeps only
// one that says that an attempt failed, because all of these are about one call.
func (e *Effects) logFailureOnce(n int) {
	said := false
	kept := slices.DeleteFunc(e.Log[n:], func(l LogLine) bool {
		again := l.Retry && said
		said = said || l.Retry
		return again
	})
	e.Log = e.Log[:n+len(kept)]
}
