package incident

import (
	"strconv"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// ApplyDrift marks the live row of a flow log as gone, because a refresh no longer found it, and
// opens an incident for it (I5). It reports whether it opened one. The incident may wait for the
// record of the deletion (see driftWait), but not if its resource is in tornDown: a record says that
// the resource is deleted, and AWS removes the flow logs of a deleted resource without a record.
func (c *Case) ApplyDrift(id, eventID string, tornDown map[string]bool) (opened bool) {
	row, ok := c.Row(id)
	if !ok || row.State == inventory.Gone {
		return false
	}
	row.State, row.GoneAt = inventory.Gone, c.Now
	c.putRowAndNotice(row)
	i, found := c.Incident(id)
	switch {
	case !row.Protected && !row.Held || row.Imported:
		c.place(row.ResourceID).wakeBlocked()
		return false
	case found && i.State != Closed:
		i.NextAttemptAt = c.Now
		c.Put(i)
		return false
	case found && i.Reason != StillThere && i.Reason != Unknown: // AWS has shown an unknown one since: a refresh may have failed after that
		return false
	case found:
		i = i.reopen(c.Now).freezeSettings(row)
	default:
		i = New(c.Scope, id, row, true, c.Now)
		i.LateDestination = c.toNewDestination(row)
	}
	i.Source, i.EventID, i.Actor, i.DeletedAt = ByDrift, eventID, nil, time.Time{}
	i.Action = max(i.Action, c.Policy.driftAction(c.Stale)) // the strictest that any report of the loss asks for
	i.WaitUntil = c.Now
	if !tornDown[row.ResourceID] {
		i.WaitUntil = c.Now.Add(c.Policy.driftWait(row, i.lostAt()))
	}
	i.NextAttemptAt = c.Now // an incident that needs no create is decided before the alert
	c.Put(i)
	c.place(i.ResourceID).unprotectLate(i)
	c.Effects.addHistory(id, Entry{At: c.Now, State: Open, Text: "a refresh no longer finds it", EventID: eventID})
	return true
}

// driftAction is what a loss asks for that only a refresh has found. If the snapshot is from an old copy of the
// state file, nothing is restored without a person: see Case.Stale.
func (p Policy) driftAction(stale bool) Action {
	if p.DriftAlerts || stale {
		return Alert
	}
	return Restore
}

// TornDown ends the waits of incidents on a resource that a record says is deleted: the create
// that follows at once shows whether the resource is gone.
func (c *Case) TornDown(resource string) {
	for _, i := range c.pending(resource) {
		if i.State == Open && i.Source == ByDrift && i.WaitUntil.After(c.Now) {
			i.WaitUntil, i.NextAttemptAt = c.Now, c.Now
			c.Put(i)
			c.Effects.note(NoteOverdue, i)
		}
	}
	c.place(resource).wakeBlocked()
}

// CountedFor is how long a loss that no event has reported is counted, and an event for which AWS said that a
// ClientToken was used before.
const CountedFor = 24 * time.Hour

// DriftEventID is the ID of the event of what a refresh of a scope, begun at a time, finds gone. It ends with that
// time in milliseconds, so that the IDs of a scope are in the order of their times.
func DriftEventID(s inventory.Scope, started time.Time) string {
	return driftEvents(s) + strconv.FormatInt(started.UnixMilli(), 10)
}

// driftEvents begins the IDs of the events of a scope's refreshes.
func driftEvents(s inventory.Scope) string {
	return alert.DriftEvent.ID(s.Account + "-" + s.Region + "-")
}

// IsUnreported reports whether a refresh found the loss within CountedFor before now, and no event has reported it.
// Many of these say that events do not arrive. Metrics and doctor count them.
//
// A closed incident is none: AWS removes the flow logs of a deleted resource without an event. One whose replacement
// was adopted is none: another daemon on the queue, which has received the event, may have made that.
//
// The store counts by the same rule in SQL, so that it need not decode each incident.
func IsUnreported(i Incident, now time.Time) bool {
	byRefresh := strings.HasPrefix(i.EventID, driftEvents(i.Scope)) && i.EventID >= DriftEventID(i.Scope, now.Add(-CountedFor))
	return byRefresh && i.Source == ByDrift && !i.Adopted && i.State != Closed // a record that comes after the restore changes the source alone
}
