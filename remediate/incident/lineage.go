package incident

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// restored records the replacement, made or adopted, and puts it into the
// snapshot (I6).
func (c *Case) restored(i Incident, f inventory.FlowLog, adopted bool) {
	if next, lost := c.wasLost(f.ID); lost {
		c.supersede(i, f.ID, next, adopted)
		return
	}
	i.State, i.Reason, i.Advice, i.LastError = Restored, "", "", ""
	i.NewID, i.Adopted, i.RestoredAt = f.ID, adopted, c.Now
	if adopted && f.CreatedAt.Before(c.Now) {
		i.RestoredAt = Later(f.CreatedAt, i.DeletedAt)
	}
	i.NextAttemptAt = wholeSecond(i.RestoredAt.Add(c.Policy.Settle))
	i.Attempts, i.Looks = 0, 0
	c.succeed(i, f)
	text := "recreated as " + f.ID
	if adopted {
		text = "adopted " + f.ID + ", which does the same"
	}
	c.conclude(i, text)
}

// wasLost reports whether an ID can't be a replacement: it was lost itself.
func (t *Tables) wasLost(id string) (next Incident, lost bool) {
	next, found := t.Incident(id)
	if found && !(next.State == Closed && next.Reason == StillThere) {
		return next, true
	}
	row, known := t.Row(id)
	return next, known && row.State == inventory.Gone
}

// succeed writes the replacement's row.
func (c *Case) succeed(i Incident, f inventory.FlowLog) {
	row, ok := c.Row(f.ID)
	if !ok {
		row = inventory.Row{FlowLog: f, State: inventory.Live, FirstSeenAt: c.Now, LastSeenAt: c.Now}
	}
	row.Excluded = !Protects(c.Policy.Destinations, row.Destination(c.Scope)) // a person asked for it by hand
	row.RootID, row.Protected, row.WrittenAt = i.RootID, !row.Excluded, c.Now
	c.putRow(row)
}

// supersede ends an incident whose replacement was lost in turn: that one's
// own incident goes on, with the same settings and its own token. alive: AWS
// shows the replacement, so that its incident was wrong, and opens to find that.
func (c *Case) supersede(i Incident, newID string, next Incident, alive bool) {
	lost := inventory.FlowLog{ID: newID, Scope: i.Scope, Settings: Replacement(i), CreatedAt: c.Now}
	c.succeed(i, lost)
	text, never := "its replacement was lost in turn", false
	if next.FlowLogID == "" {
		next = New(i.Scope, newID, inventory.Row{}, false, c.Now)
		next.Source, next.Action, next.EventID = ByDrift, Restore, alert.LostEvent.ID(newID)
		never = !i.Confirmed && !i.Adopted
		c.Effects.note(NoteLineage, next)
	}
	switch {
	case !next.Known:
		next.Known, next.RootID, next.ResourceID = true, i.RootID, i.ResourceID
		next.Frozen, next.FirstSeenAt, next.LastSeenAt = lost.Settings, i.FirstSeenAt, i.RestoredAt
		next = next.Reopen(c.Now)
		if never { // nobody has ever seen it: the same loss goes on
			next.MissingSince, next.Tried, next.ToldStuckAt = i.DarkSince(), i.Tried, i.ToldStuckAt
		}
		c.reopened(next, text)
		c.Effects.note(NoteKnown, next)
	case alive, next.State == Closed && next.Reason == StillThere:
		if alive {
			text = "AWS shows its replacement, which counted as lost"
		}
		c.reopened(next.Reopen(c.Now), text)
	default:
		if back, found := c.circle(next, i.FlowLogID); found {
			c.reopened(back.Reopen(c.Now), "what it adopted was lost before: "+back.NewID)
		}
	}
	i.NewID = newID
	c.close(i, Superseded, text+": see "+newID)
}

// reopened writes an incident that was opened once more.
func (c *Case) reopened(i Incident, text string) {
	c.Put(i)
	c.Effects.note(NoteReopened, i)
	c.Effects.note(NoteOverdue, i) // the event may have been alerted of others, for a day
	c.Effects.addHistory(i.FlowLogID, Entry{At: c.Now, State: Open, Text: text, EventID: i.EventID})
}

// MaxLineage bounds how many replacements are followed: there are no circles, but a
// damaged file might have one.
const MaxLineage = 1000

// circle finds, in a lineage that leads back to a lost flow log, the incident that took
// an ancestor for a replacement: a stale observation may have shown it alive. Each would
// count on the other.
func (t *Tables) circle(i Incident, lostID string) (back Incident, found bool) {
	for range MaxLineage {
		if i.Pending() || i.NewID == "" {
			return back, false
		}
		if i.Adopted || back.FlowLogID == "" {
			back = i
		}
		if i.NewID == lostID {
			return back, true
		}
		next, ok := t.Incident(i.NewID)
		if !ok {
			return back, false
		}
		i = next
	}
	return back, false
}

// Successor follows the lineage of a flow log to its last replacement: the ID itself
// where it was never replaced.
func (t *Tables) Successor(id string) string {
	for range MaxLineage {
		i, ok := t.Incident(id)
		if !ok || i.NewID == "" {
			break
		}
		id = i.NewID
	}
	return id
}

// restores are the incidents of one root that were restored within the hour before a time.
func (t *Tables) restores(root string, now time.Time) (out []Incident) {
	since := now.Add(-time.Hour)
	for _, i := range t.incidents.byID {
		if i.RootID == root && i.RestoredAt.After(since) && !i.RestoredAt.After(now) { // the clock may have gone back
			out = append(out, i)
		}
	}
	return out
}
