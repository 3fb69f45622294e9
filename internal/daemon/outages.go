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

// remembering is the state file itself: nothing says when its trouble is over.
const stateFile notify.Part = "state"

// pipelineOutage is the outage of a part of the pipeline that people are alerted of: once
// when it is due, and once when it is over, by this daemon or the next one (the state
// file has who was told). Note and Failures are safe for concurrent use; the rest is
// of whoever tries the part, one goroutine at a time.
type pipelineOutage struct {
	outage.Outage
	d        *Daemon
	scope    inventory.Scope
	part     notify.Part
	recovery string // what people are told in the end; empty: nothing says when it is over

	alerted    bool // people were told of this outage
	endPending bool // they are to be told of the end of an earlier one, which could not be stored
	endStored  bool // nobody is left to be told of an end; false at a start, for a daemon before may have alerted
}

func (d *Daemon) newOutage(s inventory.Scope, p notify.Part, recovery string) *pipelineOutage {
	return &pipelineOutage{d: d, scope: s, part: p, recovery: recovery}
}

// alert tells people, unless they were told of this outage already: in one commit with
// the note of that, else past the state file.
func (o *pipelineOutage) alert(ctx context.Context, text string) {
	if o.alerted {
		return
	}
	o.alerted, o.endStored = true, false
	a := outageAlert(o.scope, o.part, alert.High, text)
	if err := o.store(ctx, a, o.recovery != ""); err != nil {
		o.d.bypassOutbox(ctx, a)
	}
}

// end tells people that the part works, if they were told that it does not. It is
// called whenever the part works, and tried again where the state file takes nothing:
// good news can wait for a disk with room.
func (o *pipelineOutage) end(ctx context.Context) {
	if o.endStored {
		return
	}
	o.endPending, o.alerted = o.endPending || o.alerted, false // the next one is alerted, whether or not this end can be stored
	told := false
	err := o.d.store.View(ctx, func(tx *store.Tx) (err error) { told, err = tx.Trouble(o.scope, o.part); return err })
	if err == nil && (told || o.endPending) {
		err = o.store(ctx, outageAlert(o.scope, o.part, alert.Informational, o.recovery), true)
	}
	if err == nil {
		o.endPending, o.endStored = false, true
	}
}

// store adds an alert to the outbox, and notes that people were told of the outage, or
// of its end.
func (o *pipelineOutage) store(ctx context.Context, a alert.Alert, note bool) error {
	err := o.d.store.Update(ctx, func(tx *store.Tx) error {
		if note {
			if err := tx.SetTrouble(o.scope, o.part, !a.Resolves()); err != nil {
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

// outageAdvice is what to do where a part fails.
var outageAdvice = map[notify.Part]string{
	notify.Receiving:  "make the queue again, or give access back: no restart is needed. `flowkeeper doctor` says what is missing; see who did it (docs/troubleshoot.md#queue-lost)",
	notify.Refreshing: "run `flowkeeper doctor`: it says what is refused, and what to grant (docs/troubleshoot.md#refresh-fails)",
	notify.Reaching:   "see network, DNS, proxy and credentials of the daemon's machine: `flowkeeper doctor` there tells which (docs/troubleshoot.md#aws-unreachable)",
	notify.Copying:    "see that the bucket is there and takes it: `flowkeeper doctor` (docs/troubleshoot.md#copy-fails)",
	stateFile:         "run `flowkeeper doctor` on the daemon's machine; where nobody of yours did it, find out who (docs/troubleshoot.md#state-file-taken)",
}
