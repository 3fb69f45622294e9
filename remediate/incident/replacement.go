package incident

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// origin is where a replacement comes from.
type origin int

const (
	fromAnswer    origin = iota // a create of ours answered its ID; AWS may not show it yet
	foundOurs                   // a create of ours has made it, and AWS shows it
	foundUnstored               // like foundOurs; the daemon died before the answer was on disk
	adopted                     // somebody else has made it, and it does the same
)

// takeReplacement records that a flow log, made or adopted, replaces the lost one. If it was lost in turn, the incident is
// closed as superseded, and the incident of that flow log goes on.
func (t *transition) takeReplacement(f inventory.FlowLog, from origin) {
	next, lost := t.c.wasLost(f.ID)
	lostOurs := lost && from == foundOurs
	if lostOurs && next.closedAs(Unknown) { // a record named it before it was known: no observation has looked for it
		t.handOn(next, t.lostReplacement(f.ID), "a create call whose answer was lost has made it")
		t.handOnCall(f.ID)
		next, _ = t.c.Incident(f.ID)
	}
	unconfirmed := lostOurs && next.Pending() && next.AbsentAt.IsZero() // its own incident will find out whether it is alive
	if lost && !unconfirmed {
		t.supersede(f.ID, next, from == adopted) // AWS has shown an adopted flow log, so it is alive
		return
	}
	t.markRestored(f, from)
}

// markRestored notes the replacement, and puts it into the snapshot (I6).
func (t *transition) markRestored(f inventory.FlowLog, from origin) {
	now, isAdopted := t.c.Now, from == adopted
	t.State, t.Reason, t.Advice, t.LastError = Restored, "", "", ""
	t.NewID, t.Adopted, t.RestoredAt = f.ID, isAdopted, now
	if madeBefore := isAdopted || from == foundUnstored; madeBefore && f.CreatedAt.Before(now) {
		t.RestoredAt = Later(f.CreatedAt, t.DeletedAt)
	}
	t.NextAttemptAt = wholeSecond(t.RestoredAt.Add(t.c.Policy.ConsistencyWindow))
	t.Attempts, t.TimesAlive = 0, 0
	t.Group, t.AtMost, t.Call, t.MissingTags, t.TaggedAt, t.TagRounds = "", 0, nil, nil, time.Time{}, 0
	if hasOurTags(t.Incident, f) {
		t.MissingTags = missingTags(t.Frozen.Tags, f.Tags)
	}
	if t.MissingTags != nil {
		t.NextAttemptAt = now
	}
	t.putReplacement(f)
	text := "recreated as " + f.ID
	if isAdopted {
		text = "adopted " + f.ID + ", which does the same"
	}
	t.putWithHistory(text)
}

// created is the flow log that a create answered: AWS makes it active.
func (t *transition) created(id string) inventory.FlowLog {
	return inventory.FlowLog{ID: id, Scope: t.Scope, Settings: Replacement(t.Incident), Status: "ACTIVE", CreatedAt: t.c.Now}
}

// putReplacement writes the replacement's row.
func (t *transition) putReplacement(f inventory.FlowLog) {
	c := t.c
	row, ok := c.Row(f.ID)
	if !ok || row.Imported { // what a file says of a flow log does not count once AWS names it (I2)
		row = inventory.Row{FlowLog: f, State: inventory.Live, FirstSeenAt: c.Now, LastSeenAt: c.Now}
	}
	row.Excluded = !Protects(c.Policy.Destinations, row.Destination(c.Scope)) // a person asked for it by hand
	lost, _ := c.Row(t.FlowLogID)
	row.Held = lost.Held // a person asked for it by hand, and has not approved where it delivers
	row.RootID, row.Protected, row.WrittenAt, row.OwnTags = t.RootID, !row.Excluded && !row.Held, c.Now, nil
	if t.Adopted || t.MissingTags != nil {
		row.OwnTags = tagsSetLater(t.Incident, f)
	}
	row.LineageSince = t.FirstSeenAt
	c.putRowAndNotice(row)
}

// supersede closes the incident because its replacement was lost: the replacement's own incident, next, goes on (zero:
// there is none). alive: AWS shows the replacement, so next is reopened and will find it alive.
func (t *transition) supersede(newID string, next Incident, alive bool) {
	c, text := t.c, "its replacement was lost in turn"
	replacement := t.lostReplacement(newID)
	t.putReplacement(t.created(newID))
	switch {
	case !next.Known:
		t.handOn(next, replacement, text)
	case alive:
		text = "AWS shows its replacement, which counted as lost"
		putReopened(c, next.reopen(c.Now), text)
	case next.closedAs(StillThere): // an earlier report of a loss says nothing about this loss (I2)
		putReopened(c, t.unreported(next.reopen(c.Now).freezeSettings(replacement)), text)
	default:
		if back, found := c.circle(next, t.FlowLogID); found {
			putReopened(c, back.reopen(c.Now), "what it adopted was lost before: "+back.NewID)
		}
	}
	t.handOnCall(newID)
	t.NewID = newID
	t.close(Superseded, text+": see "+newID)
}

// lostReplacement is the row of a replacement that was lost. It is of the incident's lineage, and has the settings
// that AWS has shown: somebody else may have made the flow log, or changed its tags. If AWS has not shown it, the row
// has the settings of the request.
func (t *transition) lostReplacement(newID string) inventory.Row {
	row, ok := t.c.Row(newID)
	if !ok || row.Imported {
		row = inventory.Row{FlowLog: t.created(newID), LastSeenAt: t.RestoredAt}
	}
	row.RootID, row.FirstSeenAt, row.LineageSince = t.RootID, t.FirstSeenAt, time.Time{}
	return row
}

// handOn opens the incident of a lost replacement whose settings no incident has yet. It has a token of
// its own. next is the incident there is; zero: nothing has reported the loss.
func (t *transition) handOn(next Incident, replacement inventory.Row, text string) {
	c := t.c
	reported := next.FlowLogID != ""
	if !reported {
		next = t.unreported(New(t.Scope, replacement.ID, inventory.Row{}, false, c.Now))
	}
	next = next.freezeSettings(replacement)
	next.LastSeenAt, next.LateDestination = Later(t.RestoredAt, next.LastSeenAt), t.LateDestination
	next = next.reopen(c.Now)
	if neverShown := !reported && !t.Confirmed && !t.Adopted; neverShown { // the same loss goes on
		next.MissingSince, next.Tried, next.StuckAlertedAt = t.darkSince(), t.Tried, t.StuckAlertedAt
	}
	putReopened(c, next, text)
	c.Effects.note(NoteKnown, next)
}

// unreported returns next as the incident of a loss that no record and no refresh has reported. It
// has an event of its own.
func (t *transition) unreported(next Incident) Incident {
	next.Source, next.EventID, next.Actor, next.DeletedAt = ByDrift, alert.LostEvent.ID(next.FlowLogID), nil, time.Time{}
	next.Action = Restore
	t.c.Effects.note(NoteLineage, next)
	return next
}

// handOnCall hands a call in doubt to the incident of the lost replacement: that incident
// adopts what the call has made, except the lost replacement itself.
func (t *transition) handOnCall(newID string) {
	next, _ := t.c.Incident(newID)
	if t.Call == nil || !next.Pending() {
		return
	}
	sent := *t.Call
	sent.Final = true
	if next.Call != nil {
		sent.Before, sent.At = Later(sent.Before, sent.At), Later(sent.At, next.Call.At) // a refusal of the later call says nothing about the earlier one
		if next.Call.Token == t.c.Policy.TokenKey.Token(next) {
			sent.Token = next.Call.Token // it was sent, too, so that the next create takes a fresh one: see withFreshToken
		}
	}
	next.Call, t.Call = &sent, nil
	t.c.Put(next)
}

// putReopened writes another incident of the lineage, which was opened once more.
func putReopened(c *Case, i Incident, text string) {
	c.Put(i)
	c.Effects.note(NoteReopened, i)
	c.Effects.note(NoteOverdue, i) // after an alert about its other flow logs, the event may be due in a day only
	c.Effects.addHistory(i.FlowLogID, Entry{At: c.Now, State: Open, Text: text, EventID: i.EventID})
}
