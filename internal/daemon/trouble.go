package daemon

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// part of the pipeline that may fail: one pager incident each, and scope.
type part string

const (
	reachingAWS part = "aws"     // AWS can be reached
	receiving   part = "queue"   // it answers
	refreshing  part = "refresh" // a scope's inventory
	copying     part = "backup"  // the copy of the state file
	remembering part = "state"   // the state file itself: nothing says when that is over
)

// factTrouble remembers that people were told that a part fails: whoever runs
// when it works again tells them, too.
func factTrouble(s inventory.Scope, p part) string { return "trouble " + string(p) + " " + s.String() }

// tellPipeline alerts that a part of the way of events, of the refresh or of
// the memory is broken.
func (d *Daemon) tellPipeline(ctx context.Context, s inventory.Scope, p part, text string) {
	d.tellTrouble(ctx, s, p, alert.High, text)
	if p == remembering {
		return
	}
	if err := d.store.SetFact(ctx, factTrouble(s, p), text); err != nil && ctx.Err() == nil {
		d.Log.Warn("could not note what people were told", "error", err)
	}
}

// works tells people that a part works again, if they were told that it does
// not. It reports whether it knows that nobody is left to be told.
func (d *Daemon) works(ctx context.Context, s inventory.Scope, p part, text string) bool {
	told, err := d.store.Fact(ctx, factTrouble(s, p))
	if err != nil || told == "" {
		return err == nil
	}
	d.tellTrouble(ctx, s, p, alert.Informational, text)
	return d.store.SetFact(ctx, factTrouble(s, p), "") == nil
}

func (d *Daemon) tellTrouble(ctx context.Context, s inventory.Scope, p part, level alert.Level, text string) {
	now := time.Now()
	a := alert.Alert{
		ID:       alert.ID("pipeline", s.String(), text, now.Format(time.RFC3339)),
		DedupKey: alert.DedupKey(s.String(), "pipeline "+string(p)),
		Time:     alert.Time{Time: now}, Kind: alert.Pipeline, Level: level, RouteLevel: alert.High, Account: s.Account, Region: s.Region, Cause: text,
	}
	a.Write()
	if err := d.store.Update(ctx, func(tx remediate.Tx) error { return tx.AddAlert(a) }); err != nil {
		d.direct(ctx, a)
		return
	}
	d.wakeSenders()
}
