package remediate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
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
			r.notOurs(s, f)
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
		errs = append(errs, r.Tampering.Handle(ctx, tampers, beat))
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

// notOurs reports a scope that is not configured.
func (r *Remediator) notOurs(s inventory.Scope, f detection.Finding) {
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
	if r.Beside != nil { // no goroutines
		err = r.Beside(3,
			func() error { r.lookBeside(ctx, s, fs); return nil },
			func() error { r.created(ctx, s, fs); return nil },
			commit)
		r.scope(s).poke()
	} else {
		err = r.aside(ctx, s, fs, commit)
	}
	for _, f := range fs {
		if f.Record.IDsUnknown && (f.Kind == detection.Deleted || f.Kind == detection.Created) || f.Kind == detection.TornDown && r.stands(ctx, s, f.Record.ResourceIDs[0]) {
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

// stands reports whether the snapshot has a live flow log on a resource: when
// that is torn down, AWS removes it, perhaps one that was just put back.
func (r *Remediator) stands(ctx context.Context, s inventory.Scope, resource string) bool {
	var live []inventory.Row
	err := r.Store.View(ctx, func(tx Tx) error {
		c, err := tx.Case(s, incident.Part{Resources: []string{resource}}, r.Now())
		if err == nil {
			live = c.Live(resource)
		}
		return err
	})
	return err == nil && len(live) > 0
}

// created puts new flow logs into the snapshot at once, so that one deleted
// before the next refresh is known. It may fail, or go without where the
// scope's pace is used up: a refresh makes it sure.
func (r *Remediator) created(ctx context.Context, s inventory.Scope, fs []detection.Finding) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for _, f := range fs {
		if f.Kind != detection.Created {
			continue
		}
		for ids := range slices.Chunk(f.Record.CreatedIDs, perLook) {
			if !r.scope(s).pace.leave(r.Now()) {
				r.RefreshSoon(s, false)
				return
			}
			r.createdBy(ctx, s, ids, f)
		}
	}
}

func (r *Remediator) createdBy(ctx context.Context, s inventory.Scope, ids []string, f detection.Finding) {
	actor := f.Actor()
	if err := r.learnByID(ctx, s, ids); err != nil {
		r.Log.Warn("could not describe new flow logs; the next refresh will", "account", s.Account, "region", s.Region, "error", err)
	}
	err := r.Store.Update(ctx, func(tx Tx) error {
		c, err := r.load(tx, s, incident.Part{IDs: ids}, r.Now())
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := r.tellDecoyMade(tx, f, c, id); err != nil {
				return err
			}
			c.Created(id, incident.PrincipalOrName(&actor))
		}
		return r.save(tx, c)
	})
	if err == nil {
		err = r.notifyNews(ctx, s)
	}
	if err != nil {
		r.Log.Warn("could not note who created flow logs", "error", err)
	}
}

// lookBeside looks at the resources of the flow logs named, for the restorer.
// It spends no call on IDs that the snapshot does not know, on repeated
// events, or when the scope's pace is used up.
func (r *Remediator) lookBeside(ctx context.Context, s inventory.Scope, fs []detection.Finding) {
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
	if err != nil || len(resources) == 0 || len(resources) > perLook || !r.scope(s).pace.leave(r.Now()) {
		return // the restorer looks itself
	}
	ids := make([]string, 0, len(resources))
	for id := range resources {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	api, _ := r.Fleet.EC2(s)
	if l, err := r.look(ctx, s, api, ids); err == nil {
		r.scope(s).keep(l)
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
				r.tellStraight(ctx, s, f, now)
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
				if isNew, err = r.deleted(tx, s, f, now); isNew {
					news = append(news, f.Record.EventTime)
				}
			case detection.Attempted:
				err = r.attempted(tx, s, f, now)
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
		r.Wake()
		r.heard(news)
	}
	return err
}

// heard tells the meter of deletions at these times.
func (r *Remediator) heard(deletions []time.Time) {
	for _, at := range deletions {
		if r.Meter != nil && !at.IsZero() {
			r.Meter.Heard(r.Now().Sub(at))
		}
	}
}

// tellStraight alerts of a deletion that the store could not take (I1): what
// can be read of it still says what went dark. Whether it was allowed is not asked
// for. The alert has an ID of its own: the one that is stored later says that the
// restore goes on, and a receiver that drops repeats must take it.
func (r *Remediator) tellStraight(ctx context.Context, s inventory.Scope, f detection.Finding, now time.Time) {
	var rows map[string]inventory.Row
	err := r.Store.View(ctx, func(tx Tx) (err error) { rows, err = tx.Names(s, f.Deleted); return err })
	asked := err == nil // or all are unknown
	incidents := make([]Incident, len(f.Deleted))
	for n, id := range f.Deleted {
		row, known := rows[id]
		incidents[n] = incident.New(s, id, row, known, now)
	}
	e := notify.NewEvent(s, f, now)
	facts := notify.ActorFacts(r.Policy, s.Account, e.Actor)
	_ = r.Store.View(ctx, func(tx Tx) (err error) { facts, err = r.facts(tx, s, e.Actor, notify.FlowLogs(incidents)); return err }) // fewer, then
	e.Level, facts = notify.Raised(e.Level, facts)
	a := notify.DeletionAlert(e, incidents, now)
	a.RaisedBy = facts
	if asked && len(incidents) > 0 {
		if unknown, err := r.unknownNow(ctx, incidents); err == nil && unknown {
			a.ID = repeat.BypassID(a, incident.PrincipalOrName(e.Actor), now)
		}
	}
	a = notify.NotStored(a)
	r.Direct(ctx, a)
}

// deleted opens an incident for each flow log that a record says is gone, and
// tells people. The same record again changes nothing; another record that
// bears the same event ID is heard like any other, or a forged one could make
// us deaf to the real one (I2).
func (r *Remediator) deleted(tx Tx, s inventory.Scope, f detection.Finding, now time.Time) (news bool, err error) {
	e, known, err := tx.Event(s, f.Record.EventID)
	if known && e.Source == ByDrift { // a record with an ID that is ours
		f.Record.EventID = alert.ForgedEvent.ID(f.Record.EventID)
		e, known, err = tx.Event(s, f.Record.EventID)
	}
	if err != nil {
		return false, err
	}
	told := notify.NewEvent(s, f, now)
	incidents, foreseen := make([]Incident, 0, len(f.Deleted)), make([]string, 0, len(f.Deleted))
	quiet := len(f.Deleted) > 0 && len(f.Failed) == 0
	news = !known
	c, named, err := r.applyRecord(tx, s, f, now)
	if err != nil {
		return false, err
	}
	for _, n := range named {
		incidents, foreseen = append(incidents, n.Incident), append(foreseen, n.Foreseen)
		quiet, news = quiet && n.Excused, news || n.News
	}
	if !news {
		return false, nil
	}
	recent, err := repeat.RecordCall(tx, f, len(f.Deleted), now)
	if err != nil {
		return false, err
	}
	var raisedBy []string
	if quiet {
		told.Level = alert.Informational
	} else {
		facts := notify.DeletionFacts(r.Policy, c, told.Actor, notify.FlowLogs(incidents))
		told.Level, raisedBy = notify.Raised(told.Level, facts)
	}
	told.CampaignID = e.CampaignID
	if told, err = joinCampaign(tx, told, incidents, now); err != nil {
		return false, err
	}
	a := notify.DeletionAlert(told, incidents, now)
	a.RaisedBy, a.Recent = raisedBy, recent
	for n, why := range foreseen {
		a.FlowLogs[n].Foreseen = why
	}
	unknown, err := namesUnknown(tx, incidents)
	if err != nil {
		return false, err
	}
	alerted := true
	if unknown {
		alerted, err = repeat.AlertOrHold(tx, a, deletionOfUnknown(f, a), now)
	} else {
		err = add(tx, a)
	}
	if err != nil {
		return false, err
	}
	if known {
		told = told.MergeRecord(e, incidents)
	}
	told.Unknown = unknown && (!known || e.Unknown)
	if !alerted {
		told.ToldDeletion, told.ToldRestored, told.ToldClosed, told.DueAt = e.ToldDeletion, e.ToldRestored, e.ToldClosed, e.DueAt
		return true, tx.PutEvent(told)
	}
	told = notify.Alerted(told, incidents, r.Policy, now)
	if err := tx.PutEvent(told); err != nil {
		return false, err
	}
	if err := r.overdueEarlier(tx, told.ID, incidents); err != nil {
		return false, err
	}
	return true, r.notifyEvent(tx, s, told.ID, now)
}

// attempted alerts of a deletion that AWS refused, or that was a dry run. Nothing
// is gone, so there is no incident.
func (r *Remediator) attempted(tx Tx, s inventory.Scope, f detection.Finding, now time.Time) error {
	e := notify.NewEvent(s, f, now)
	ids := make([]string, 0, len(f.Failed))
	for _, x := range f.Failed {
		ids = append(ids, x.FlowLogID)
	}
	known, err := tx.Names(s, ids)
	if err != nil {
		return err
	}
	named := slices.Clone(f.Failed)
	slices.SortStableFunc(named, func(x, y cloudtrail.Refusal) int { // those that Flowkeeper knows first
		_, a := known[x.FlowLogID]
		_, b := known[y.FlowLogID]
		return btoi(b) - btoi(a)
	})
	e.Failed, e.FailedOmitted = notify.Refused(named)
	about := make([]alert.FlowLog, 0, len(known))
	for n, x := range named {
		row, ok := known[x.FlowLogID]
		if !ok {
			break
		}
		full := alert.FlowLog{FlowLogID: row.ID, ResourceID: row.ResourceID}
		if n < len(e.Failed) {
			l := &e.Failed[n]
			l.ResourceID, l.Destination, l.LogFormat, l.Tags = row.ResourceID, row.Destination(s), row.LogFormat, row.Tags
		}
		about = append(about, full)
	}
	recent, err := repeat.RecordCall(tx, f, len(ids), now)
	if err != nil {
		return err
	}
	facts, err := r.facts(tx, s, e.Actor, about)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	a := notify.FindingAlert(f, alert.Attempt, now, strings.Join(ids, ",")) // a forged twin of the event ID swallows nothing (I2)
	a.Level, a.RaisedBy = notify.Raised(a.Level, facts)
	a.FailedFlowLogs, a.FailedOmitted, a.Recent = e.Failed, e.FailedOmitted, recent
	c := repeat.CallOf(repeat.Attempt, f, a, len(ids), len(known) > 0)
	if len(named) > 0 {
		c.Example.FlowLogID = named[0].FlowLogID
	}
	_, err = repeat.AlertOrHold(tx, a, c, now)
	return err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
