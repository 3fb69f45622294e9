package daemon

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// stateFile is the state file as a part of the pipeline. Its outages have no end that is
// alerted.
const stateFile notify.Part = "state"

// pipelineOutage is an outage of a part of the pipeline. One alert reports it, and one its
// end; the state file remembers the first, so that the next daemon can send the second.
// Note and Failures are safe for concurrent use; alert and end are called by one
// goroutine at a time.
type pipelineOutage struct {
	outage.Outage
	d        *Daemon
	scope    inventory.Scope
	part     notify.Part
	recovery string // the text of the alert about its end; empty: there is none

	alerted    bool // there was an alert about this outage
	endPending bool // the alert about the end of an earlier outage could not be stored
	endStored  bool // no end is left to be alerted of; false at the start: the daemon before may have alerted
}

func (d *Daemon) newOutage(s inventory.Scope, p notify.Part, recovery string) *pipelineOutage {
	return &pipelineOutage{d: d, scope: s, part: p, recovery: recovery}
}

// alert adds the alert about the outage to the outbox, unless there was one, and remembers
// it in the same commit. If that fails, it sends the alert directly.
func (o *pipelineOutage) alert(ctx context.Context, text string) {
	if o.alerted {
		return
	}
	o.alerted, o.endStored = true, false
	a := outageAlert(o.scope, o.part, alert.High, text)
	if err := o.store(ctx, a); err != nil {
		o.d.bypassOutbox(ctx, a)
	}
}

// end notes that the part works, and adds the alert about the end of the outage to the outbox, if there was one about
// the outage. It is called each time the part works, so that an alert that could not be stored is added later. The
// alert is never sent directly, because it can wait.
func (o *pipelineOutage) end(ctx context.Context) {
	o.Note(nil)
	if o.endStored {
		return
	}
	o.endPending, o.alerted = o.endPending || o.alerted, false // the next outage is alerted, whether or not this end can be stored
	alerted := false
	err := o.d.store.View(ctx, func(tx *store.Tx) (err error) { alerted, err = tx.OutageAlerted(o.scope, o.part); return err })
	if err == nil && (alerted || o.endPending) {
		err = o.store(ctx, outageAlert(o.scope, o.part, alert.Informational, o.recovery))
	}
	if err == nil {
		o.endPending, o.endStored = false, true
	}
}

// store adds an alert to the outbox, and notes in the state file whether the end of the
// outage is still to be alerted of, if that is to be alerted.
func (o *pipelineOutage) store(ctx context.Context, a alert.Alert) error {
	err := o.d.store.Update(ctx, func(tx *store.Tx) error {
		if o.recovery != "" {
			if err := tx.SetOutageAlerted(o.scope, o.part, !a.Resolves()); err != nil {
				return err
			}
		}
		return tx.AddAlert(a)
	})
	if err == nil {
		o.d.wakeSenders()
	}
	return err
}

func outageAlert(s inventory.Scope, p notify.Part, level alert.Level, text string) alert.Alert {
	now := time.Now()
	a := alert.Alert{
		ID: alert.ID("pipeline", s.String(), text, now.Format(time.RFC3339)), DedupKey: notify.OutageKey(s, p),
		Time: alert.Time{Time: now}, Kind: alert.Pipeline, Level: level, RouteLevel: alert.High, Account: s.Account, Region: s.Region, Cause: text,
	}
	if !a.Resolves() {
		a.Advice = outageAdvice[p]
	}
	a.Write()
	return a
}

// outageAdvice says what to do when a part fails.
var outageAdvice = map[notify.Part]string{
	notify.Receiving:       "make the queue again, or give access back: no restart is needed. `flowkeeper doctor` says what is missing; see who did it (docs/troubleshoot.md#queue-lost)",
	notify.Refreshing:      "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#refresh-fails)",
	notify.Reaching:        "see network, DNS, proxy and credentials of the daemon's machine: `flowkeeper doctor` there tells which (docs/troubleshoot.md#aws-unreachable)",
	notify.Copying:         "see that the bucket is there and takes it: `flowkeeper doctor` (docs/troubleshoot.md#copy-fails)",
	notify.ReadingLogFiles: "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#log-files-unread)",
	stateFile:              "run `flowkeeper doctor` on the daemon's machine; where nobody of yours did it, find out who (docs/troubleshoot.md#state-file-taken)",
}
