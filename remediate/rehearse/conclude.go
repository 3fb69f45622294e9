package rehearse

import (
	"context"
	"maps"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/notify"
)

// conclude writes the rehearsals of a round, and alerts of answers that have changed, in one commit. If
// the round was complete, rehearsals of targets that no flow log has any more are dropped.
func (r *Rehearser) conclude(ctx context.Context, s inventory.Scope, found rehearsals, complete bool) error {
	var stored Stored
	load := func(tx Tx) (err error) { stored, err = tx.Rehearsals(s); return err }
	if err := r.Store.View(ctx, load); err != nil {
		return err
	}
	if _, mended := found.since(stored.Rehearsals); len(mended) > 0 { // before the answers are on disk: after a crash, the next rehearsal does this again
		if err := r.Restores.RetryBlocked(ctx, s); err != nil {
			return err
		}
	}
	err := r.Store.Update(ctx, func(tx Tx) error {
		if err := load(tx); err != nil {
			return err
		}
		affected, err := affectedBy(tx, s, found, stored)
		if err != nil {
			return err
		}
		return save(tx, s, found.changes(s, stored, affected, complete, r.Now()))
	})
	if err == nil {
		r.Senders.Wake()
	}
	return err
}

// affectedBy are flow logs of the targets whose answer has changed: some of each target, and
// mostNamed of all together.
func affectedBy(tx Tx, s inventory.Scope, found rehearsals, before Stored) (map[delivery.Target][]inventory.Row, error) {
	refused, mended := found.since(before.Rehearsals)
	affected := map[delivery.Target][]inventory.Row{}
	for _, changed := range []rehearsals{refused, mended} { // no target is in both
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

// changes are what a round changes in the store, with the alerts, which name the affected
// flow logs. If the round was complete, stored rehearsals of other targets are dropped.
func (v rehearsals) changes(s inventory.Scope, before Stored, affected map[delivery.Target][]inventory.Row, complete bool, now time.Time) Changes {
	c := Changes{Rehearsals: slices.Collect(maps.Values(v))}
	for _, old := range before.Rehearsals {
		if _, still := v[old.Target]; complete && !still {
			c.Dropped = append(c.Dropped, old.Target)
		}
	}
	refused, mended := v.since(before.Rehearsals)
	alerts := append(refusals(s, refused, affected, alert.High, now), refusals(s, mended, affected, alert.Informational, now)...)
	c.Alerts = withOutage(s, alerts, before.Alerted, complete && v.result().Refused == 0, now)
	return c
}

// withOutage returns the alerts of one rehearsal. It gives the dedup key of the outage alert.PartRehearsal to the alerts
// that begin or end it: each refusal begins it, and the last alert of a rehearsal in which all was allowed ends it. If
// such a rehearsal has no alert, and the outage has begun (alerted), it adds one.
func withOutage(s inventory.Scope, alerts []alert.Alert, alerted, allAllowed bool, now time.Time) []alert.Alert {
	out := slices.Clone(alerts)
	if allAllowed && alerted && len(alerts) == 0 {
		out = append(out, notify.OutageEnd(s, alert.PartRehearsal, "AWS would allow every restore that was rehearsed", now))
	}
	for n, a := range out {
		if a.Level == alert.High || allAllowed && n == len(out)-1 {
			out[n].DedupKey = notify.OutageKey(s, alert.PartRehearsal)
		}
	}
	return out
}
