package incident

import (
	"errors"
	"fmt"
	"time"

	"flowkeeper/inventory"
)

// ErrYoung says that a flow log may be there though AWS did not show it: it is younger than the ConsistencyWindow.
var ErrYoung = errors.New("AWS may not show it yet")

// ByHand changes a case as a person asks for it.
type ByHand struct{ c *Case }

// ByHand is what a person may ask of the case.
func (c *Case) ByHand() ByHand { return ByHand{c} }

// Planned is the incident by which a flow log of the snapshot would be recreated by hand.
// It changes nothing. An error says that there is nothing to recreate it from.
func (h ByHand) Planned(id string) (Incident, error) {
	c := h.c
	row, known := c.Row(id)
	i, found := c.Incident(id)
	if !known && !i.Known {
		return Incident{}, fmt.Errorf("the snapshot never saw %s in %s: there is nothing to recreate it from", id, c.Scope)
	}
	switch {
	case !found:
		i = New(c.Scope, id, row, true, c.Now)
		i.Source, i.EventID = ByDrift, "by-hand-"+id
	case i.HasReplacement():
		return i, nil // it is back
	case i.State == Closed || !i.Known:
		i = i.reopen(c.Now)
		if !i.Known {
			i = i.freezeSettings(row)
		}
	}
	i.Action, i.Requested, i.NextAttemptAt = Restore, true, c.Now
	i.WaitUntil = Earlier(i.WaitUntil, c.Now) // a wait is over, and its time does not count as overdue
	return i, nil
}

// Request records that a person asked for the restore of a flow log, which AWS did not show when it was asked. It
// changes nothing if the flow log is back, or if its replacement was lost in turn: then the replacement's incident
// goes on. An error that is ErrYoung says that the flow log may be there.
func (h ByHand) Request(id string, asked time.Time) error {
	c := h.c
	was, _ := c.Incident(id)
	i, err := h.Planned(id)
	if err != nil || i.HasReplacement() || was.closedAs(Superseded) {
		return err
	}
	if row, _ := c.Row(id); !was.Pending() && h.isYoung(row, asked) {
		return fmt.Errorf("%s is younger than %s, and %w: if it is gone, try again after that time", id, c.Policy.ConsistencyWindow, ErrYoung)
	}
	t := &transition{i.ClampTimes(c.Now, c.Policy), c}
	t.markGone()
	t.put()
	c.Effects.note(NoteRequested, t.Incident)
	c.Effects.note(NoteOverdue, t.Incident) // its event may be due only after the wait
	c.Effects.addHistory(id, Entry{At: c.Now, State: t.State, Text: "a person asked for it (flowkeeper restore)", EventID: t.EventID})
	return nil
}

// isYoung reports whether a flow log whose loss nothing has reported may be there though AWS did not show it at the
// time asked.
func (h ByHand) isYoung(row inventory.Row, asked time.Time) bool {
	return row.State == inventory.Live && !row.Imported && h.c.Policy.mayLack(row.CreatedAt, asked)
}

// CloseReleased closes the incident of a flow log that is gone and not back: a person does not
// want it any more. It reports whether there was such an incident.
func (h ByHand) CloseReleased(id, text string) bool {
	t, ok := h.c.begin(id)
	if !ok || !t.Pending() {
		return false
	}
	t.Requested, t.Stuck = false, nil
	t.close(Released, text)
	return true
}

// Wake makes an incident due.
func (h ByHand) Wake(id string) {
	c := h.c
	if i, ok := c.Incident(id); ok {
		i.NextAttemptAt = c.Now
		c.Put(i)
	}
}
