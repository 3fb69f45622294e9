package simulate

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/watcher"
)

// The bounds within which people hear. Each is checked at the moment from which
// it must hold, by what is on disk then.

// handled is what must hold when a daemon has dealt with a message and is about
// to acknowledge it.
func (p *play) handled(d *daemon, m watcher.Message) {
	for _, f := range detection.Findings(m.Records) {
		p.alertedAtCommit(d, f)
	}
}

// stepped is what must hold when a daemon has done what was due in a scope. What
// is known by a clock that has leapt, nobody can hold to a bound.
func (p *play) stepped(d *daemon, s inventory.Scope) {
	if p.skewed {
		return
	}
	for _, i := range d.unsettled() {
		if i.Scope == s {
			p.lossAlerted(d, i)
		}
	}
}

const driftBound = 30 * time.Second // an alert, after the refresh that found a loss

// lossAlerted: people hear of what a refresh found gone, whatever AWS says to a
// restore, unless it turned out not to be lost.
func (p *play) lossAlerted(d *daemon, i remediate.Incident) {
	if i.Source != remediate.ByDrift || !i.Known || i.Adopted || p.now.Sub(i.OpenedAt) < driftBound {
		return
	}
	alerted := false
	d.commits.naming(i.FlowLogID, func(a alert.Alert) bool {
		alerted = a.Kind == alert.Deletion && !a.Time.Before(i.OpenedAt)
		return !alerted
	})
	if !alerted {
		p.fail("%s after a refresh found %s gone, no alert tells: %s, %s", p.now.Sub(i.OpenedAt), i.FlowLogID, i.State, i.Reason)
	}
}

// alertedAtCommit: of each flow log that was truly deleted, and that the daemon
// knew, an alert is on disk before the message is gone.
func (p *play) alertedAtCommit(d *daemon, f detection.Finding) {
	for _, id := range p.deleted[f.Record.EventID] {
		alerted := !slices.Contains(f.Deleted, id) || !d.knew(id)
		d.commits.naming(id, func(a alert.Alert) bool {
			alerted = alerted || a.Kind == alert.Deletion && a.EventID == f.Record.EventID
			return !alerted
		})
		if !alerted {
			p.fail("I1: %s deleted %s, the message is dealt with, and no alert is on disk", f.Record.EventID, id)
		}
	}
}
