package remediate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// Handle takes the findings of one message. It returns nil once everything
// that they ask for is on disk, so that the message may be acknowledged (I1). The
// look at AWS begins beside the commit and goes on by itself: see Wait. beat is called after each scope, and
// after each alert that goes past a full disk: sinks may be slow.
func (r *Remediator) Handle(ctx context.Context, findings []detection.Finding, beat func()) error {
	byScope := map[inventory.Scope][]detection.Finding{}
	var order []inventory.Scope
	var tampers, rehearsed []detection.Finding
	for _, f := range findings {
		if f.Kind == detection.Tampered {
			tampers = append(tampers, identified(f))
			continue
		}
		s := inventory.Scope{Account: f.Record.Account, Region: f.Record.Region}
		if _, ours := r.Fleet.EC2(s); !ours {
			r.reportForeign(s, f)
			if f.Kind == detection.Deleted && (s.Account == "" || s.Region == "") {
				r.RefreshSoon(s, true) // it may be any (I8)
			}
			continue
		}
		if f.Kind == detection.Rehearsed {
			rehearsed = append(rehearsed, f)
			continue
		}
		if byScope[s] == nil {
			order = append(order, s)
		}
		byScope[s] = append(byScope[s], f)
	}
	var errs []error
	for _, s := range order {
		errs = append(errs, r.handleScope(ctx, s, byScope[s], beat))
		beat()
	}
	if len(tampers) > 0 {
		errs = append(errs, r.Tampering.Alert(ctx, tampers, beat))
	}
	for _, f := range rehearsed {
		if r.Rehearsals == nil {
			break
		}
		errs = append(errs, r.Rehearsals.Returned(ctx, inventory.Scope{Account: f.Record.Account, Region: f.Record.Region}, f))
		beat()
	}
	return errors.Join(errs...)
}

// reportForeign reports a scope that is not configured.
func (r *Remediator) reportForeign(s inventory.Scope, f detection.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.foreign.report(s, r.Now()) {
		return
	}
	r.Log.Warn("a record of an account or Region that is not configured: nothing is done about those; add it to accounts or inventory.regions",
		"account", s.Account, "region", s.Region, "event", f.Record.EventName)
}

func (r *Remediator) handleScope(ctx context.Context, s inventory.Scope, fs []detection.Finding, beat func()) error {
	now := r.Now()
	for n, f := range fs {
		fs[n] = identified(f)
	}
	commit := func() error { return r.commit(ctx, s, fs, now, beat) }
	var err error
	if r.Parallel != nil { // no goroutines
		err = r.Parallel(3,
			func() error { r.observeNamed(ctx, s, fs); return nil },
			func() error { r.learnCreated(ctx, s, fs); return nil },
			commit)
		r.scope(s).wakeUp()
	} else {
		err = r.observeWhile(ctx, s, fs, commit)
	}
	for _, f := range fs {
		if f.Record.IDsUnknown && (f.Kind == detection.Deleted || f.Kind == detection.Created) || f.Kind == detection.TornDown && r.hasLiveFlowLog(ctx, s, f.Record.ResourceIDs[0]) {
			r.RefreshSoon(s, false)
		}
	}
	return err
}

// identified is a finding whose record has an event ID: one of ours, where
// CloudTrail's is missing.
func identified(f detection.Finding) detection.Finding {
	if f.Record.EventID == "" {
		f.Record.EventID = alert.UnnamedEvent.ID(alert.ID(f.Record.EventTime.String(), f.Record.EventName, f.Record.Target, fmt.Sprint(f.Deleted, f.Failed)))
	}
	return f
}

// hasLiveFlowLog reports whether the snapshot has a live flow log on a resource: when
// that is torn down, AWS removes it, perhaps one that was just put back.
func (r *Remediator) hasLiveFlowLog(ctx context.Context, s inventory.Scope, resource string) bool {
	var live []inventory.Row
	err := r.Store.View(ctx, func(tx Tx) error {
		c, err := tx.Case(s, incident.Selection{Resources: []string{resource}}, r.Now())
		if err == nil {
			live = c.Live(resource)
		}
		return err
	})
	return err == nil && len(live) > 0
}

// observeNamed looks at the resources of the flow logs named, for the restorer.
// It spends no call on IDs that the snapshot does not know, on repeated
// events, or when the scope's pace is used up.
func (r *Remediator) observeNamed(ctx context.Context, s inventory.Scope, fs []detection.Finding) {
	resources := map[string]bool{}
	err := r.Store.View(ctx, func(tx Tx) error {
		for _, f := range fs {
			rows, err := tx.Names(s, f.Deleted)
			if err != nil {
				return err
			}
			actor := f.Actor()
			for id, row := range rows {
				if !row.Protected || row.Imported {
					continue
				}
				done, err := tx.Recorded(s, id, f.Record.EventID, incident.ClaimOf(&actor, f.Record.EventTime))
				if err != nil {
					return err
				}
				if !done {
					resources[row.ResourceID] = true
				}
			}
		}
		return nil
	})
	if err != nil || len(resources) == 0 || len(resources) > perObservation || !r.scope(s).pace.allowBesideRestores(r.Now()) {
		return // the restorer looks itself
	}
	ids := make([]string, 0, len(resources))
	for id := range resources {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	api, _ := r.Fleet.EC2(s)
	if l, err := r.observeResources(ctx, s, api, ids); err == nil {
		r.scope(s).keepObservation(l)
	}
}

// commit writes incidents and alerts of one message in one transaction, or in
// several where it names more flow logs than one call may: others wait for each.
func (r *Remediator) commit(ctx context.Context, s inventory.Scope, fs []detection.Finding, now time.Time, beat func()) error {
	for len(fs) > 0 {
		n := together(fs)
		err := r.commitTogether(ctx, s, fs[:n], now)
		if err == nil {
			fs = fs[n:]
			continue
		}
		for _, f := range fs {
			if f.Kind == detection.Deleted {
				r.bypassOutbox(ctx, s, f, now)
				beat()
			}
		}
		return fmt.Errorf("record the deletion of flow logs in %s: %w", s, err)
	}
	return nil
}

// namedAtOnce is how many flow logs one commit of a message names, unless one record
// alone has more: as many as one call.
const namedAtOnce = 1000

// together is how many of the findings are written in one transaction.
func together(fs []detection.Finding) (n int) {
	named := 0
	for n < len(fs) {
		named += max(1, len(fs[n].Deleted)+len(fs[n].Failed))
		if n > 0 && named > namedAtOnce {
			break
		}
		n++
	}
	return n
}

func (r *Remediator) commitTogether(ctx context.Context, s inventory.Scope, fs []detection.Finding, now time.Time) error {
	var news []time.Time // of deletions
	err := r.Store.Update(ctx, func(tx Tx) error {
		news = nil
		for _, f := range fs {
			var err error
			switch f.Kind {
			case detection.Deleted:
				var isNew bool
				if isNew, err = r.recordDeletion(tx, s, f, now); isNew {
					news = append(news, f.Record.EventTime)
				}
			case detection.Attempted:
				err = r.recordAttempt(tx, s, f, now)
			case detection.Created:
				_, err = repeat.RecordCall(tx, f, len(f.Record.CreatedIDs), now)
			case detection.TornDown:
				err = r.tornDown(tx, s, f.Record.ResourceIDs[0], now)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		r.AlertsAdded()
		r.countDeletions(news)
	}
	return err
}
