package daemon

import (
	"context"
	"fmt"

	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/watcher"
)

// handler turns the records of a message into findings, and passes them to the remediator. It implements
// watcher.Handler.
type handler struct{ d *Daemon }

// RecordMessage returns nil once what the records ask for is on disk.
func (h handler) RecordMessage(ctx context.Context, m watcher.Message) error {
	findings := detection.Findings(m.Records)
	for _, s := range m.Suspects {
		h.refreshSuspect(s)
	}
	if len(findings) == 0 {
		return nil
	}
	for _, f := range findings {
		scope := inventory.Scope{Account: f.Record.Account, Region: f.Record.Region}
		_, ours := h.d.fleet.EC2(scope)
		if ours && (f.Kind == detection.Deleted || f.Kind == detection.Attempted) {
			h.d.refreshes.Often(scope)
		}
	}
	task := fmt.Sprintf("message %s (%d)", m.ID, h.d.handled.Add(1)) // one message may be handled twice at the same time
	defer h.d.progress.Task(task, maxSilence)()
	err := h.d.remediator.RecordFindings(ctx, findings, func() { h.d.progress.KeepAlive(task) })
	if err != nil && ctx.Err() == nil {
		h.d.storeHealth.failed(err)
	}
	return err
}

// refreshSuspect asks for a refresh because something that can't be read may hide a deletion (I8): of the scope that
// it names, if the fleet has that scope. If not, the key of a log file still names the account; any other text that
// can't be parsed may be about any scope.
func (h handler) refreshSuspect(s watcher.Suspect) {
	scope := inventory.Scope{Account: s.Account, Region: s.Region}
	switch {
	case h.d.refreshes.overview().has(scope):
		h.d.refreshes.Soon(scope)
	case s.ByKey:
		h.d.refreshes.AccountSoon(s.Account)
	default:
		h.d.refreshes.AccountSoon("")
	}
}
