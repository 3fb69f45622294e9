package incident

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// origin is where a replacement comes from.
type origin int

const (
	fromAnswer origin = iota // a create of ours answered its ID; AWS may not show it yet
	foundOurs                // a create of ours has made it, and AWS shows it
	adopted                  // somebody else has made it, and it does the same
)

// markRestored notes the replacement, made or adopted, and puts it into the
// snapshot (I6).
func (t *transition) markRestored(f inventory.FlowLog, from origin) {
	now, isAdopted := t.c.Now, from == adopted
	next, lost := t.c.wasLost(f.ID)
	lostOurs := lost && from == foundOurs
	if lostOurs && next.closedAs(Unknown) { // a record named it before it was known: no observation has looked for it
		t.handOn(next, t.lostReplacement(f.ID), "a create call whose answer was lost has made it")
		t.handOnCall(f.ID)
		next, _ = t.c.Incident(f.ID)
	}
	unconfirmed := lostOurs && next.Pending() && next.AbsentAt.IsZero() // its own incident finds it alive, or not
	if lost && !unconfirmed {
		t.supersede(f.ID, next, isAdopted) // what was adopted was shown: it is alive
		return
	}
	t.State, t.Reason, t.Advice, t.LastError = Restored, "", "", ""
	t.NewID, t.Adopted, t.RestoredAt = f.ID, isAdopted, now
	if isAdopted && f.CreatedAt.Before(now) {
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
	t.succeed(f)
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

// succeed writes the replacement's row.
func (t *transition) succeed(f inventory.FlowLog) {
	c := t.c
	row, ok := c.Row(f.ID)
	if !ok || row.Imported { // a file's word does not count where AWS names the flow log (I2)
		row = inventory.Row{FlowLog: f, State: inventory.Live, FirstSeenAt: c.Now, LastSeenAt: c.Now}
	}
	row.Excluded = !Protects(c.Policy.Destinations, row.Destination(c.Scope)) // a person asked for it by hand
	lost, _ := c.Row(t.FlowLogID)
	row.Held = lost.Held // a person asked for it by hand, and has not approved where it delivers
	row.RootID, row.Protected, row.WrittenAt, row.OwnTags = t.RootID, !row.Excluded && !row.Held, c.Now, nil
	if t.Adopted || t.MissingTags != nil {
		row.OwnTags = tagsApart(t.Incident, f)
	}
	row.LineageSince = t.FirstSeenAt
	c.putRow(row)
}

// supersede closes the incident because its replacement was lost: the replacement's own incident, next, goes on (zero:
// there is none). alive: AWS shows the replacement, so next is reopened and will find it alive.
func (t *transition) supersede(newID string, next Incident, alive bool) {
	c, text := t.c, "its replacement was lost in turn"
	replacement := t.lostReplacement(newID)
	t.succeed(t.created(newID))
	switch {
	case !next.Known:
		t.handOn(next, replacement, text)
	case alive:
		text = "AWS shows its replacement, which counted as lost"
		t.putReopened(next.reopen(c.Now), text)
	case next.closedAs(StillThere): // what reported a loss then says nothing of this one (I2)
		t.putReopened(t.unreported(next.reopen(c.Now).freezeSettings(replacement)), text)
	default:
		if back, found := c.circle(next, t.FlowLogID); found {
			t.putReopened(back.reopen(c.Now), "what it adopted was lost before: "+back.NewID)
		}
	}
	t.handOnCall(newID)
	t.NewID = newID
	t.close(Superseded, text+": see "+newID)
}

// lostReplacement is the row of a replacement as it is lost: of the incident's lineage, with the settings that AWS
// has shown, for somebody else may have made it, or changed its tags since. If AWS has not shown it, they are those
// that were asked for.
func (t *transition) lostReplacement(newID string) inventory.Row {
	row, ok := t.c.Row(newID)
	if !ok || row.Imported {
		row = inventory.Row{FlowLog: t.created(newID), LastSeenAt: t.RestoredAt}
	}
	row.RootID, row.FirstSeenAt, row.LineageSince = t.RootID, t.FirstSeenAt, time.Time{}
	return row
}

// handOn opens the incident of a lost replacement of which no incident has settings yet, with its
// own token. next is zero where nothing has reported its loss.
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
	t.putReopened(next, text)
	c.Effects.note(NoteKnown, next)
}

// unreported is the incident of a lost replacement, as nothing has reported the loss. It has an event
// of its own.
func (t *transition) unreported(next Incident) Incident {
	next.Source, next.EventID, next.Actor, next.DeletedAt = ByDrift, alert.LostEvent.ID(next.FlowLogID), nil, time.Time{}
	next.Action = Restore
	t.c.Effects.note(NoteLineage, next)
	return next
}

// handOnCall leaves a call in doubt to the incident that goes on: that one takes over
// what the call has made, except the lost replacement.
func (t *transition) handOnCall(newID string) {
	next, _ := t.c.Incident(newID)
	if t.Call == nil || !next.Pending() {
		return
	}
	sent := *t.Call
	sent.Final = true
	if next.Call != nil {
		sent.Before, sent.At = Later(sent.Before, sent.At), Later(sent.At, next.Call.At) // a refusal of the later one says nothing about the other
		if next.Call.Token == t.c.Policy.TokenKey.Token(next) {
			sent.Token = next.Call.Token // which is used up by then: see withFreshToken
		}
	}
	next.Call, t.Call = &sent, nil
	t.c.Put(next)
}

// putReopened writes another incident of the lineage, which was opened once more.
func (t *transition) putReopened(i Incident, text string) {
	c := t.c
	c.Put(i)
	c.Effects.note(NoteReopened, i)
	c.Effects.note(NoteOverdue, i) // the event may have been alerted of others, for a day
	c.Effects.addHistory(i.FlowLogID, Entry{At: c.Now, State: Open, Text: text, EventID: i.EventID})
}
