package incident

import (
	"time"

	"flowkeeper/inventory"
)

// decoyNotice is the notice of a flow log that begins to count as a decoy; nil if an alert has said
// that it prevents a restore. It is due when people would be alerted that the lost one is not
// back. By then, the flow log is protected if a rule has waited for it, if a record has named its
// maker, or if AWS shows it together with the one that came back.
func decoyNotice(p place, row inventory.Row) *inventory.DecoyNotice {
	for _, i := range p.c.pending(p.resource) {
		if alertNamed(i, row.ID) {
			return nil
		}
	}
	n := &inventory.DecoyNotice{Since: p.c.Now, Due: noticeDue(p, row)}
	compare := func(id string, settings inventory.Settings) {
		if n.Of == "" && id != row.ID && differs(settings, row) {
			n.Of, n.Differences = id, inventory.Differences(row.Scope, settings, row.Settings)
		}
	}
	for _, i := range mayComeBack(p) {
		if i.Known {
			compare(i.FlowLogID, i.Frozen)
		}
	}
	for _, r := range p.live() {
		if isGuarded(r) {
			compare(r.ID, r.Settings)
		}
	}
	return n
}

// noticeDue is when a notice that begins now is due: when people would be alerted that what was lost
// there is not back.
func noticeDue(p place, row inventory.Row) time.Time {
	at := p.c.Now
	for _, i := range mayComeBack(p) {
		if i.Known && inventory.SameTarget(row.Scope, i.Frozen, row.Settings) {
			at = Later(at, i.WaitUntil)
		}
	}
	return at.Add(OverdueAfter)
}

// putOffNotices puts off the notices of decoys in the place of a lost flow log until the wait of a rule
// is over: the record that named the flow log may have brought that wait. Waits one after the other put
// a notice off by FarthestNotice at most.
func putOffNotices(p place, lost Incident) {
	for _, row := range p.live() {
		n := row.DecoyNotice
		if n == nil || !lost.Pending() || !inventory.SameTarget(row.Scope, lost.Frozen, row.Settings) {
			continue
		}
		if due := Soonest(lost.WaitUntil.Add(OverdueAfter), n.Since.Add(FarthestNotice)); due.After(n.Due) {
			later := *n
			later.Due = due
			row.DecoyNotice = &later
			p.c.putRowAndNotice(row)
		}
	}
}

// alertNamed reports whether an alert that an incident is blocked has named a flow log as the one that
// prevents the restore. The alert has the incident's words from the time when it was added. So both the
// reason noted for the alert and the incident's present words must name the flow log.
func alertNamed(i Incident, id string) bool {
	if i.Stuck == nil || i.StuckNews {
		return false
	}
	said := i.Why()
	return names(i.Stuck.Message, id) && names(said.Message+" "+said.Advice, id)
}

// StuckAlerted notes that alerts have said why incidents are stuck, and so have named the decoys
// that prevent their restores.
func (r Rows) StuckAlerted(incidents []Incident) {
	for _, i := range incidents {
		for _, row := range r.c.Live(i.ResourceID) {
			if alertNamed(i, row.ID) {
				r.DecoyAlerted(row.ID)
			}
		}
	}
}

// DecoyAlerted notes that an alert has named a flow log as a decoy.
func (r Rows) DecoyAlerted(id string) {
	if row, ok := r.c.Row(id); ok && row.DecoyNotice != nil {
		row.DecoyNotice = nil
		r.c.putRowAndNotice(row)
	}
}

// DecoyNoticeDue reports whether the notice of a row is due. A notice that is further off than
// FarthestNotice is due, too: the clock has gone back since it was noted.
func DecoyNoticeDue(row inventory.Row, now time.Time) bool {
	n := row.DecoyNotice
	return n != nil && (!n.Due.After(now) || n.Due.After(now.Add(FarthestNotice)))
}

// FarthestNotice is longer than any notice waits: a rule waits for a day at most.
const FarthestNotice = 25 * time.Hour
