package remediate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Refresh brings the snapshot of one scope up to date with AWS. What AWS does
// not show any more is a deletion by drift; incidents that waited to learn of
// their flow log go on.
func (r *Remediator) Refresh(ctx context.Context, s inventory.Scope) (inventory.Counts, error) {
	api, ours := r.Fleet.EC2(s)
	if !ours {
		return inventory.Counts{}, fmt.Errorf("%s is not a configured scope", s)
	}
	if err := r.reconsider(ctx, s); err != nil {
		return inventory.Counts{}, err
	}
	counts, err := r.applyDiff(ctx, s, inventory.NewDiff(r.Snapshot, s, api, r.Policy.Settle, r.Now()))
	if err != nil {
		return counts, err
	}
	if err := r.Store.Update(ctx, func(tx Tx) error { return r.relearn(tx, s, r.Now()) }); err != nil {
		return counts, err
	}
	r.scope(s).wakeUp()
	err = r.notifyNews(ctx, s)
	if r.Rehearsals != nil {
		err = errors.Join(err, r.Rehearsals.AlertSilence(ctx, s))
	}
	return counts, err
}

// applyDiff writes what AWS lists, one page while it asks for the next one, and then what
// is lost. Only a complete listing is recorded as a refresh (I5).
func (r *Remediator) applyDiff(ctx context.Context, s inventory.Scope, d *inventory.Diff) (c inventory.Counts, err error) {
	page, more, err := d.Page(ctx)
	for err == nil && more {
		this := page
		err = r.inParallel(2,
			func() error { return r.applyPage(ctx, s, d, this, &c) },
			func() (err error) { page, more, err = d.Page(ctx); return err })
	}
	if err == nil {
		err = r.applyPage(ctx, s, d, page, &c)
	}
	c.Listed = d.Listed
	for err == nil {
		var lost []inventory.Row
		if lost, more, err = d.Lost(ctx); err != nil || !more {
			break
		}
		if len(lost) > 0 {
			c.Lost += len(lost)
			err = r.Store.Update(ctx, func(tx Tx) error { return r.recordDrift(tx, s, lost, d.Started, r.Now()) })
		}
	}
	if err != nil {
		return c, err
	}
	return c, r.Snapshot.Refreshed(ctx, s, d.Started, r.Now())
}

func (r *Remediator) applyPage(ctx context.Context, s inventory.Scope, d *inventory.Diff, page []types.FlowLog, c *inventory.Counts) error {
	changed, err := d.Changed(ctx, page)
	if err != nil || len(changed) == 0 {
		return err
	}
	added, err := r.applyFound(ctx, s, changed, r.Now())
	c.New += added
	c.Changed += len(changed) - added
	return err
}

// reconsider applies inventory.destinations to what the snapshot has, once a
// start: the configuration may be another than when it was learned.
func (r *Remediator) reconsider(ctx context.Context, s inventory.Scope) error {
	st := r.scope(s)
	if st.reconsidered.Load() {
		return nil
	}
	changed := 0
	err := r.eachLive(ctx, s, func(page []inventory.Row) error {
		page = slices.DeleteFunc(page, func(row inventory.Row) bool {
			return row.Excluded != incident.Protects(r.Policy.Destinations, row.Destination(s))
		})
		if len(page) == 0 {
			return nil
		}
		changed += len(page)
		return r.Store.Update(ctx, func(tx Tx) error {
			ids := make([]string, 0, len(page))
			for _, row := range page {
				ids = append(ids, row.ID)
			}
			c, err := r.load(tx, s, incident.Selection{IDs: ids}, r.Now())
			if err != nil {
				return err
			}
			for _, id := range ids {
				c.Exclude(id)
			}
			return r.save(tx, c)
		})
	})
	if err != nil {
		return fmt.Errorf("apply inventory.destinations to the snapshot of %s: %w", s, err)
	}
	if changed > 0 {
		r.Log.Info("inventory.destinations is another than it was: flow logs are protected now, or not any more", "account", s.Account, "region", s.Region, "flow_logs", changed)
	}
	st.reconsidered.Store(true)
	return nil
}

// learnByID describes flow logs and puts them into the snapshot.
func (r *Remediator) learnByID(ctx context.Context, s inventory.Scope, ids []string) error {
	api, _ := r.Fleet.EC2(s)
	found, err := inventory.ByID(ctx, s, api, ids)
	if err != nil {
		return err
	}
	list := make([]inventory.FlowLog, 0, len(found))
	for _, f := range found {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b inventory.FlowLog) int { return cmp.Compare(a.ID, b.ID) })
	_, err = r.applyFound(ctx, s, list, r.Now())
	return err
}

// eachLive calls fn with every live row of a scope, a page at a time.
func (r *Remediator) eachLive(ctx context.Context, s inventory.Scope, fn func(page []inventory.Row) error) error {
	const size = 500
	for after := ""; ; {
		rows, err := r.Snapshot.LiveAfter(ctx, s, after, size)
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].ID
		if err := fn(rows); err != nil {
			return err
		}
	}
}
