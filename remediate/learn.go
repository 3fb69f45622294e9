package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// found writes flow logs that AWS showed at a time: new ones, and what changed
// of live ones.
func (r *Remediator) found(ctx context.Context, s inventory.Scope, list []inventory.FlowLog, at time.Time) (added int, err error) {
	of := incident.Part{IDs: make([]string, 0, len(list))}
	for _, f := range list {
		of.IDs, of.Resources = append(of.IDs, f.ID), append(of.Resources, f.ResourceID)
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		c, err := r.load(tx, s, of, r.Now())
		if err != nil {
			return err
		}
		since := at
		if !c.Complete {
			since = time.Time{} // it may have been there for long
		}
		added = 0
		for _, f := range list {
			isNew := false
			if c.Learns(f.ID, at) {
				if isNew, err = tx.NewDestination(s, f.Destination(s), since); err != nil {
					return err
				}
			}
			if c.ApplyFound(f, isNew, at) {
				added++
			}
		}
		return r.save(tx, c)
	})
	return added, err
}

// eachLive calls fn with every live row of a scope, a page at a time.
func (r *Remediator) eachLive(ctx context.Context, s inventory.Scope, fn func(page []inventory.Row) error) error {
	const size = 500
	for after := ""; ; {
		var rows []inventory.Row
		err := r.Store.View(ctx, func(tx Tx) (err error) { rows, err = tx.LiveAfter(s, after, size); return err })
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].ID
		if err := fn(rows); err != nil {
			return err
		}
	}
}

// mostNews is how many flow logs one alert of tellNews names.
const mostNews = 1000

// tellNews tells people what the snapshot has learned and they should know: a
// destination never seen before, a delivery that fails, or works again. It is
// one commit with the note that they were told.
func (r *Remediator) tellNews(ctx context.Context, s inventory.Scope) error {
	for {
		n := 0
		err := r.Store.Update(ctx, func(tx Tx) error {
			rows, err := tx.Untold(s, mostNews)
			if n = len(rows); err != nil || n == 0 {
				return err
			}
			now := r.Now()
			var elsewhere, failing, healed []inventory.Row
			for _, row := range rows {
				if row.NewDestination {
					elsewhere = append(elsewhere, row)
				}
				switch {
				case !row.Protected || row.Failing() == row.ToldFailing:
				case row.Failing():
					failing = append(failing, row)
				default:
					healed = append(healed, row)
				}
				row.NewDestination, row.ToldFailing = false, row.Failing()
				if err := tx.PutFlowLog(row); err != nil {
					return err
				}
			}
			mended, mends := notify.DeliveryWorks(s, healed, now), false
			if len(healed) > 0 {
				still, err := tx.AnyFailing(s)
				if err != nil {
					return err
				}
				mends = !still
			}
			if mends { // the last of them: it closes what the first opened
				mended.DedupKey = notify.OutageKey(s, notify.Delivering)
				if err := tx.SetTrouble(s, notify.Delivering, false); err != nil {
					return err
				}
			}
			for _, a := range []alert.Alert{notify.NewDestinations(s, elsewhere, now), notify.DeliveryFails(s, failing, now), mended} {
				if len(a.FlowLogs) == 0 {
					continue
				}
				if err := add(tx, a); err != nil {
					return err
				}
			}
			if len(failing) > 0 {
				return tx.SetTrouble(s, notify.Delivering, true)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("tell of what changed in %s: %w", s, err)
		}
		if n > 0 {
			r.Wake()
		}
		if n < mostNews {
			return r.endDelivering(ctx, s)
		}
	}
}

// endDelivering tells that no flow log fails to deliver any more: those that
// did are mended, or gone.
func (r *Remediator) endDelivering(ctx context.Context, s inventory.Scope) error {
	told := false
	err := r.Store.View(ctx, func(tx Tx) (err error) { told, err = tx.Trouble(s, notify.Delivering); return err })
	if err != nil || !told {
		return err
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		if failing, err := tx.AnyFailing(s); err != nil || failing {
			return err
		}
		return tellEnd(tx, s, notify.Delivering, "AWS delivers what every protected flow log records", r.Now())
	})
	r.Wake()
	return err
}
