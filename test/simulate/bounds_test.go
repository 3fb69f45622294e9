package simulate

import (
	"slices"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
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
