package remediate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// found writes flow logs that AWS showed at a time: new ones, and what changed
// of live ones. It is inventory.Refresher's Found.
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
			mended, mends := healedDelivery(s, healed, now), false
			if len(healed) > 0 {
				still, err := tx.AnyFailing(s)
				if err != nil {
					return err
				}
				mends = !still
			}
			if mends { // the last of them: it closes what the first opened
				mended.DedupKey = TroubleKey(s, Delivering)
				if err := tx.SetTrouble(s, Delivering, false); err != nil {
					return err
				}
			}
			for _, a := range []alert.Alert{newDestinations(s, elsewhere, now), failingDelivery(s, failing, now), mended} {
				if len(a.FlowLogs) == 0 {
					continue
				}
				if err := add(tx, a); err != nil {
					return err
				}
			}
			if len(failing) > 0 {
				return tx.SetTrouble(s, Delivering, true)
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
	err := r.Store.View(ctx, func(tx Tx) (err error) { told, err = tx.Trouble(s, Delivering); return err })
	if err != nil || !told {
		return err
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		if failing, err := tx.AnyFailing(s); err != nil || failing {
			return err
		}
		return tellEnd(tx, s, Delivering, "AWS delivers what every protected flow log records", r.Now())
	})
	r.Wake()
	return err
}

func newDestinations(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	seen := map[string]bool{}
	for _, row := range rows {
		seen[row.Destination(s)] = true
	}
	a := newsAlert(s, alert.Destination, alert.High, rows, now)
	a.Cause = listed(slices.Sorted(maps.Keys(seen)))
	a.Advice = "see whether that place is yours. If it is not, delete the flow log (aws ec2 delete-flow-logs): it sends away whom you talk to. Whether it is protected, inventory.destinations says"
	return a
}

func failingDelivery(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	a := newsAlert(s, alert.Pipeline, alert.High, rows, now)
	a.DedupKey, a.Part = TroubleKey(s, Delivering), alert.PartDelivery
	a.Cause = "AWS can't deliver what they log"
	a.Advice = "see the policy and the key of the destination, and the delivery role: somebody may have taken it from there"
	return a
}

// healedDelivery tells of those that deliver again. Others may still fail.
func healedDelivery(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	a := newsAlert(s, alert.Pipeline, alert.Informational, rows, now)
	a.Cause, a.Part = "AWS delivers again what they log", alert.PartDelivery
	a.RouteLevel = alert.High // who heard of the failure hears of its end
	return a
}

// newsAlert is about rows of the snapshot that no incident is about.
func newsAlert(s inventory.Scope, kind alert.Kind, level alert.Level, rows []inventory.Row, now time.Time) alert.Alert {
	about := string(kind) + "-" + strconv.FormatInt(now.UnixMilli(), 10)
	a := alert.Alert{
		ID:       alert.ID(about, string(level), s.String()),
		DedupKey: alert.DedupKey(s.String(), about),
		Time:     alert.Time{Time: now}, Kind: kind, Level: level, Account: s.Account, Region: s.Region,
	}
	slices.SortFunc(rows, func(x, y inventory.Row) int { return cmp.Compare(x.ID, y.ID) })
	for _, row := range rows {
		f := alert.FlowLog{FlowLogID: row.ID, ResourceID: row.ResourceID, Destination: row.Destination(s), LogFormat: row.LogFormat, Tags: row.Tags, CreatedBy: row.CreatedBy}
		if kind == alert.Pipeline {
			f.ErrorMessage = row.DeliverLogsErrorMessage
		}
		if row.RootID != row.ID {
			f.RootFlowLogID = row.RootID
		}
		a.FlowLogs = append(a.FlowLogs, f)
	}
	return a
}

// listed names the first of some things, and how many more there are.
func listed(things []string) string {
	switch len(things) {
	case 0:
		return ""
	case 1:
		return things[0]
	}
	return fmt.Sprintf("%s and %d more", things[0], len(things)-1)
}
