package remediate

import (
	"context"
	"fmt"
	"time"

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

// mostNews is how many flow logs one alert of notifyNews names.
const mostNews = 1000

// notifyNews alerts of what the snapshot has learned: a destination never seen before, a
// delivery that fails, or works again. It is one commit with the note that this was alerted.
func (r *Remediator) notifyNews(ctx context.Context, s inventory.Scope) error {
	for {
		n := 0
		err := r.Store.Update(ctx, func(tx Tx) error {
			rows, err := tx.Untold(s, mostNews)
			if n = len(rows); err != nil || n == 0 {
				return err
			}
			return notifyRows(tx, s, rows, r.Now())
		})
		if err != nil {
			return fmt.Errorf("alert of what changed in %s: %w", s, err)
		}
		if n > 0 {
			r.Wake()
		}
		if n < mostNews {
			return r.endDelivering(ctx, s)
		}
	}
}

func notifyRows(tx Tx, s inventory.Scope, rows []inventory.Row, now time.Time) error {
	news := notify.NewsOf(rows)
	for _, row := range news.Rows {
		if err := tx.PutFlowLog(row); err != nil {
			return err
		}
	}
	over := false
	if len(news.Working) > 0 {
		failing, err := tx.AnyFailing(s)
		if err != nil {
			return err
		}
		over = !failing
	}
	for _, a := range news.Alerts(s, over, now) {
		if err := add(tx, a); err != nil {
			return err
		}
	}
	if over || len(news.Failing) > 0 {
		return tx.SetTrouble(s, notify.Delivering, !over)
	}
	return nil
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
