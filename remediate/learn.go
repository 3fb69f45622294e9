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
	err = r.Store.Update(ctx, func(tx Tx) error {
		added = 0
		listed, err := tx.FirstRefreshed(s)
		if err != nil {
			return err
		}
		for _, f := range list {
			fresh, err := r.learn(tx, f, listed, at)
			if err != nil {
				return err
			}
			if fresh {
				added++
			}
		}
		return nil
	})
	return added, err
}

// learn writes one flow log. A gone row stays as it is (I5). A new flow log
// that stands in the place of a protected one and does not do the same is a
// decoy: it is kept, but not protected. listed: the scope has had its first
// refresh.
func (r *Remediator) learn(tx Tx, f inventory.FlowLog, listed bool, at time.Time) (fresh bool, err error) {
	since := at
	if !listed {
		since = time.Time{} // it may have been there for long
	}
	row, ok, err := tx.FlowLog(f.Scope, f.ID)
	switch {
	case err != nil:
		return false, err
	case ok && row.State == inventory.Gone && !row.Imported:
		return false, nil
	case ok && row.Imported && hasJustGone(row, at, r.Policy.Settle):
		return false, nil // the next listing shows it again, if it is there
	case ok:
		fromFile := row.Imported
		if row.Imported {
			row.Imported, row.State, row.GoneAt, row.WrittenAt = false, inventory.Live, time.Time{}, at
			if _, err := tx.NewDestination(f.Scope, f.Destination(f.Scope), since); err != nil {
				return false, err
			}
		}
		row.FlowLog = f
		if err := tx.PutFlowLog(row); err != nil || !fromFile {
			return false, err
		}
		return false, shownAlive(tx, row, at)
	}
	lost, err := Lost(tx, f.Scope, f.ResourceID)
	if err != nil {
		return false, err
	}
	live, err := tx.Live(f.Scope, f.ResourceID)
	if err != nil {
		return false, err
	}
	news, err := tx.NewDestination(f.Scope, f.Destination(f.Scope), since)
	if err != nil {
		return false, err
	}
	allowed := incident.Protects(r.Policy.Destinations, f.Destination(f.Scope))
	row = inventory.Row{
		FlowLog: f, RootID: f.ID, State: inventory.Live, Excluded: !allowed,
		Protected:      allowed && !incident.IsDecoy(f, lost, live),
		NewDestination: news && (listed || !allowed),
		FirstSeenAt:    at, LastSeenAt: at, WrittenAt: at,
	}
	return true, tx.PutFlowLog(row)
}

// hasJustGone reports whether a row that a copy of the state file had as gone went
// so lately that a listing may show it all the same.
func hasJustGone(row inventory.Row, at time.Time, settle time.Duration) bool {
	since := at.Sub(row.GoneAt)
	return !row.GoneAt.IsZero() && since >= 0 && since < settle
}

// shownAlive corrects what an incident says of a flow log that a file or a copy of
// the state file had, now that AWS lists it: one that is pending looks at once,
// with the settings that AWS shows; after any other, records count again.
func shownAlive(tx Tx, row inventory.Row, at time.Time) error {
	i, found, err := tx.Incident(row.Scope, row.ID)
	if err != nil || !found {
		return err
	}
	if i.State == Open || i.State == Blocked {
		i = i.FreezeSettings(row)
		i.NextAttemptAt = at
		return tx.PutIncident(i)
	}
	if i.Listens() {
		return nil
	}
	i = i.Listening(at)
	if err := tx.PutIncident(i); err != nil {
		return err
	}
	return tx.AddHistory(row.Scope, row.ID, Entry{At: at, State: i.State, Reason: i.Reason, Text: i.Advice})
}

// Lost are the unsettled incidents of a resource whose flow log is to come
// back: not those of decoys, which nothing is restored from.
func Lost(tx Tx, s inventory.Scope, resource string) (out []Incident, err error) {
	pending, err := tx.Pending(s, resource)
	if err != nil {
		return nil, err
	}
	for _, i := range pending {
		row, ok, err := tx.FlowLog(s, i.FlowLogID)
		if err != nil {
			return nil, err
		}
		if !ok || row.Protected || i.Requested {
			out = append(out, i)
		}
	}
	return out, nil
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
