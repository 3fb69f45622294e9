package rehearse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// Rehearser makes the rehearsals of every configured scope. Its methods may be called
// at the same time, but Rehearse only once for each scope.
type Rehearser struct {
	Store Store
	// EC2 gives the client of a scope, with the credentials of that scope and no
	// others (I13); false: it is not configured.
	EC2       func(scope inventory.Scope) (EC2, bool)
	Restores  Restores
	AlertOnly bool     // mode alert: nothing is ever created, so nothing is rehearsed
	Others    []string // ARNs of other Flowkeepers' principals: their rehearsals count, too
	Now       func() time.Time
	Log       *slog.Logger
	// Wake is called after each commit that may have put alerts into the outbox.
	Wake func()
	// Caller asks AWS who signs the calls of a scope, for its ARN; nil: nobody
	// knows, and no rehearsal's record counts.
	Caller func(ctx context.Context, scope inventory.Scope) (arn string, err error)
	// Rand names a new state file, in [0, 1); nil: math/rand.
	Rand func() float64
}

// Restores are what a rehearsal shares the calls of a scope with.
type Restores interface {
	// Allow reports whether a call to EC2 may go out now, and counts it.
	Allow(scope inventory.Scope) bool
	// RecordThrottle slows the calls of a scope where the error is AWS's refusal
	// of a call for its rate.
	RecordThrottle(scope inventory.Scope, err error)
	// RetryBlocked makes what is blocked in a scope due: something was mended.
	RetryBlocked(ctx context.Context, scope inventory.Scope) error
}

// Result counts the kinds of restores in one Rehearse.
type Result struct{ Tried, Refused int }

const (
	// triesPerNeeds bounds how many flow logs stand in for those with the same
	// needs, where a resource is not there any more.
	triesPerNeeds = 3
	mostNamed     = 1000 // flow logs in the alerts of one rehearsal
)

// ErrBusy is wrapped by Rehearse where it left something for the next time.
var ErrBusy = errors.New("restores go first; the next rehearsal tries the rest")

// Rehearse tries, as a dry run, to restore one protected flow log of each kind
// that there is by needs, and tells people when AWS would refuse what it
// allowed before, or has never been asked. It creates nothing. Restores go
// first: where the scope's pace is used up, the rest is left for the next time.
// beat is called before each try.
func (r *Rehearser) Rehearse(ctx context.Context, s inventory.Scope, beat func()) (Result, error) {
	api, ours := r.EC2(s)
	if !ours || r.AlertOnly {
		return Result{}, nil
	}
	way, err := r.setOut(ctx, s)
	if err != nil {
		return Result{}, err
	}
	started := r.Now()
	found, tries := verdicts{}, map[delivery.Needs]int{}
	calls, sent := 0, false
	var blind *incident.Answer // of the look that a restore begins with, where that is refused
	err = r.eachProtected(ctx, s, func(row inventory.Row) error {
		n := delivery.NeedsOf(row.FlowLog)
		if _, done := found[n]; done || tries[n] >= triesPerNeeds {
			return nil
		}
		if !r.Restores.Allow(s) {
			return ErrBusy
		}
		tries[n]++
		beat()
		if len(tries) == 1 && tries[n] == 1 {
			if blind, err = r.refusedLook(ctx, s, api, row.ResourceID); err != nil {
				return err
			}
		}
		if blind != nil {
			found.add(s, n, *blind, r.Now())
			return nil
		}
		calls++
		a, err := r.tryDry(ctx, s, api, row, way.token(started, calls))
		if err != nil {
			return err
		}
		sent = true
		if a.Class != incident.ResourceAbsent {
			found.add(s, n, a, r.Now())
		}
		return nil
	})
	if sent {
		err = errors.Join(err, r.sent(ctx, s, started))
	}
	result := found.result()
	if cerr := r.conclude(ctx, s, found, err == nil); cerr != nil {
		err, result = errors.Join(err, cerr), Result{}
	}
	if err != nil {
		return result, fmt.Errorf("rehearse restores in %s: %w", s, err)
	}
	return result, nil
}

// eachProtected calls fn with every flow log that would be restored.
func (r *Rehearser) eachProtected(ctx context.Context, s inventory.Scope, fn func(inventory.Row) error) error {
	const size = 500
	for after := ""; ; {
		var rows []inventory.Row
		err := r.Store.View(ctx, func(tx Tx) (err error) { rows, err = tx.LiveAfter(s, after, size); return err })
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].ID
		for _, row := range rows {
			if !row.Rehearsable() {
				continue
			}
			if err := fn(row); err != nil {
				return err
			}
		}
	}
}

// conclude writes the verdicts and alerts of what they changed, in one commit.
// Where the run was complete, needs that no flow log has any more are dropped.
func (r *Rehearser) conclude(ctx context.Context, s inventory.Scope, found verdicts, complete bool) error {
	var before []Rehearsal
	err := r.Store.View(ctx, func(tx Tx) (err error) { before, err = tx.Rehearsals(s); return err })
	if err != nil {
		return err
	}
	refused, mended := found.since(before)
	affected := map[delivery.Needs][]inventory.Row{}
	if len(refused)+len(mended) > 0 {
		most := max(1, mostNamed/(len(refused)+len(mended))) // of each: every one is named
		err := r.eachProtected(ctx, s, func(row inventory.Row) error {
			n := delivery.NeedsOf(row.FlowLog)
			if (refused[n].Reason != "" || mended[n].Reason != "") && len(affected[n]) < most {
				affected[n] = append(affected[n], row)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(mended) > 0 { // before that is on disk: what a crash leaves out, the next rehearsal does
		if err := r.Restores.RetryBlocked(ctx, s); err != nil {
			return err
		}
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		if err := save(tx, s, found, complete); err != nil {
			return err
		}
		now := r.Now()
		alerts := append(refusals(s, refused, affected, alert.High, now), refusals(s, mended, affected, alert.Informational, now)...)
		return addAlerts(tx, s, alerts, complete && found.result().Refused == 0, now)
	})
	if err == nil {
		r.Wake()
	}
	return err
}

// save writes the verdicts.
func save(tx Tx, s inventory.Scope, found verdicts, complete bool) error {
	before, err := tx.Rehearsals(s)
	if err != nil {
		return err
	}
	for _, old := range before {
		if _, still := found[old.Needs]; complete && !still {
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

// addAlerts puts the alerts of one rehearsal into the outbox. The first refusal opens
// an incident at a pager; that all restores would be allowed closes it.
func addAlerts(tx Tx, s inventory.Scope, alerts []alert.Alert, allAllowed bool, now time.Time) error {
	told, err := tx.Trouble(s, notify.Rehearsing)
	if err != nil {
		return err
	}
	if allAllowed && told && len(alerts) == 0 {
		alerts = append(alerts, notify.OutageEnd(s, notify.Rehearsing, "AWS would allow every restore that was rehearsed", now))
	}
	fails := slices.ContainsFunc(alerts, func(a alert.Alert) bool { return a.Level == alert.High })
	if fails || allAllowed && len(alerts) > 0 {
		if err := tx.SetTrouble(s, notify.Rehearsing, fails); err != nil {
			return err
		}
	}
	for n, a := range alerts {
		if a.Level == alert.High || allAllowed && n == len(alerts)-1 {
			a.DedupKey = notify.OutageKey(s, notify.Rehearsing)
		}
		if err := add(tx, a); err != nil {
			return err
		}
	}
	return nil
}
