package incident

import (
	"fmt"
	"time"
)

// Planned is the incident by which a flow log of the snapshot would be recreated by hand.
// It changes nothing. An error says that there is nothing to recreate it from.
func (c *Case) Planned(id string) (Incident, error) {
	row, known := c.Row(id)
	i, found := c.Incident(id)
	if !known && !i.Known {
		return Incident{}, fmt.Errorf("the snapshot never saw %s in %s: there is nothing to recreate it from", id, c.Scope)
	}
	switch {
	case !found:
		i = New(c.Scope, id, row, true, c.Now)
		i.Source, i.EventID = ByDrift, "by-hand-"+id
	case i.State == Restored || i.State == Verified:
		return i, nil // it is back
	case i.State == Closed || !i.Known:
		i = i.Reopen(c.Now)
		if !i.Known {
			i = i.FreezeSettings(row)
		}
	}
	i.Action, i.Requested, i.WaitUntil, i.NextAttemptAt = Restore, true, time.Time{}, c.Now
	return i, nil
}

// Request records that a person asked for the restore of a flow log.
func (c *Case) Request(id string) error {
	i, err := c.Planned(id)
	if err != nil || i.State == Restored || i.State == Verified {
		return err
	}
	i = i.ClampTimes(c.Now, c.Policy)
	c.markGone(i)
	c.Put(i)
	c.Effects.note(NoteRequested, i)
	c.Effects.addHistory(id, Entry{At: c.Now, State: i.State, Text: "a person asked for it (flowkeeper restore)", EventID: i.EventID})
	return nil
}

// LetGo closes the incident of a flow log that is gone and not back: a person does not
// want it any more. It reports whether there was anything to close.
func (c *Case) LetGo(id, text string) bool {
	i, ok := c.clamped(id)
	if !ok || !i.Pending() {
		return false
	}
	i.Requested, i.Stuck = false, nil
	c.close(i, Released, text)
	return true
}

// Wake makes an incident due.
func (c *Case) Wake(id string) {
	if i, ok := c.Incident(id); ok {
		i.NextAttemptAt = c.Now
		c.Put(i)
	}
}
