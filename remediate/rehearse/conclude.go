package rehearse

import (
	"context"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/notify"
)

// conclude writes the verdicts, and alerts of those that have changed, in one commit. If
// the rehearsal was complete, the verdicts on targets that no flow log has any more are dropped.
func (r *Rehearser) conclude(ctx context.Context, s inventory.Scope, found verdicts, complete bool) error {
	var before []Rehearsal
	err := r.Store.View(ctx, func(tx Tx) (err error) { before, err = tx.Rehearsals(s); return err })
	if err != nil {
		return err
	}
	refused, mended := found.since(before)
	if len(mended) > 0 { // before that is on disk: after a crash, the next rehearsal does it again
		if err := r.Restores.RetryBlocked(ctx, s); err != nil {
			return err
		}
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		if err := save(tx, before, found, complete); err != nil {
			return err
		}
		affected, err := affectedBy(tx, s, refused, mended)
		if err != nil {
			return err
		}
		now := r.Now()
		alerts := append(refusals(s, refused, affected, alert.High, now), refusals(s, mended, affected, alert.Informational, now)...)
		return addAlerts(tx, s, alerts, complete && found.result().Refused == 0, now)
	})
	if err == nil {
		r.Senders.Wake()
	}
	return err
}

// affectedBy are flow logs of the targets whose verdict has changed: some of each target, and
// mostNamed of all together.
func affectedBy(tx Tx, s inventory.Scope, refused, mended verdicts) (map[delivery.Target][]inventory.Row, error) {
	affected := map[delivery.Target][]inventory.Row{}
	for _, changed := range []verdicts{refused, mended} { // no target is in both
		for t := range changed {
			rows, err := tx.LiveWith(s, t, max(1, mostNamed/(len(refused)+len(mended))))
			if err != nil {
				return nil, err
			}
			affected[t] = rows
		}
	}
	return affected, nil
}

// save writes the verdicts. If they are complete, it drops those on other targets.
func save(tx Tx, before []Rehearsal, found verdicts, complete bool) error {
	for _, old := range before {
		if _, still := found[old.Target]; complete && !still {
			if err := tx.DropRehearsal(old); err != nil {
				return err
			}
		}
	}
	for _, x := range found {
		if err := tx.PutRehearsal(x); err != nil {
			return err
		}
	}
	return nil
}

// addAlerts puts the alerts of one rehearsal into the outbox, and notes whether rehearsals fail.
func addAlerts(tx Tx, s inventory.Scope, alerts []alert.Alert, allAllowed bool, now time.Time) error {
	alerted, err := tx.OutageAlerted(s, notify.Rehearsing)
	if err != nil {
		return err
	}
	o := outcomeOf(s, alerts, alerted, allAllowed, now)
	if o.changes {
		if err := tx.SetOutageAlerted(s, notify.Rehearsing, o.fails); err != nil {
			return err
		}
	}
	for _, a := range o.alerts {
		if err := add(tx, a); err != nil {
			return err
		}
	}
	return nil
}

// outcome is what one rehearsal comes to for people.
type outcome struct {
	alerts  []alert.Alert
	changes bool // whether rehearsals fail is to be noted
	fails   bool
}

// outcomeOf says which alerts one rehearsal owes, of which there are these already, and which of them open and
// close an incident at a pager: the first refusal opens it, and the alert that all restores would be allowed
// again closes it. alerted says that an incident is open.
func outcomeOf(s inventory.Scope, alerts []alert.Alert, alerted, allAllowed bool, now time.Time) outcome {
	o := outcome{alerts: slices.Clone(alerts)}
	if allAllowed && alerted && len(alerts) == 0 {
		o.alerts = append(o.alerts, notify.OutageEnd(s, notify.Rehearsing, "AWS would allow every restore that was rehearsed", now))
	}
	o.fails = slices.ContainsFunc(o.alerts, func(a alert.Alert) bool { return a.Level == alert.High })
	o.changes = o.fails || allAllowed && len(o.alerts) > 0
	for n, a := range o.alerts {
		if a.Level == alert.High || allAllowed && n == len(o.alerts)-1 {
			o.alerts[n].DedupKey = notify.OutageKey(s, notify.Rehearsing)
		}
	}
	return o
}
