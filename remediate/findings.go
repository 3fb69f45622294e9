package remediate

import (
	"context"
	"errors"
	"fmt"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

// RecordFindings records the findings of one message. It returns nil once everything
// that they ask for is on disk, so that the message may be acknowledged (I1). Its calls to AWS
// may go on after that: see Wait. keepAlive is called after each scope, after each record of a
// rehearsal, and after each alert that is sent without the outbox: sinks may be slow.
func (r *Remediator) RecordFindings(ctx context.Context, findings []detection.Finding, keepAlive func()) error {
	byScope := map[inventory.Scope][]detection.Finding{}
	var order []inventory.Scope
	var tampers, rehearsed []detection.Finding
	for _, f := range findings {
		f, s := identified(f), scopeOf(f)
		_, configured := r.Fleet.EC2(s)
		switch {
		case f.Kind == detection.Tampered:
			tampers = append(tampers, f)
		case !configured:
			r.ignoreForeign(s, f)
		case f.Kind == detection.Rehearsed:
			rehearsed = append(rehearsed, f)
		default:
			if byScope[s] == nil {
				order = append(order, s)
			}
			byScope[s] = append(byScope[s], f)
		}
	}
	var errs []error
	for _, s := range order {
		errs = append(errs, r.intake(s).commitAll(ctx, byScope[s], keepAlive))
		keepAlive()
	}
	if len(tampers) > 0 {
		errs = append(errs, r.Tampering.Alert(ctx, tampers, keepAlive))
	}
	for _, f := range rehearsed {
		if r.Rehearsals != nil {
			errs = append(errs, r.Rehearsals.Returned(ctx, scopeOf(f), f))
		}
		keepAlive()
	}
	return errors.Join(errs...)
}

func (r *Remediator) intake(s inventory.Scope) intake {
	background := r.Background
	if background == nil {
		background = r.tasks.Go
	}
	return intake{scopeParts: r.parts(s), background: background, meter: r.Meter, refreshes: r.Refreshes}
}

// ignoreForeign logs a record of a scope that is not configured. A deletion whose record states
// no Region may be in any Region of the account, and one without an account in any scope. So
// ignoreForeign asks for their refreshes (I8).
func (r *Remediator) ignoreForeign(s inventory.Scope, f detection.Finding) {
	if stated := s.Account != "" && s.Region != ""; f.Kind == detection.Deleted && !stated {
		r.Refreshes.AccountSoon(s.Account)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.foreign.report(s, r.Now()) {
		r.Log.Warn("a record of an account or Region that is not configured: nothing is done about those; add it to accounts or inventory.regions",
			"account", s.Account, "region", s.Region, "event", f.Record.EventName)
	}
}

func scopeOf(f detection.Finding) inventory.Scope {
	return inventory.Scope{Account: f.Record.Account, Region: f.Record.Region}
}

// identified is a finding whose record has an event ID. If CloudTrail's is missing, the
// ID is made from the record.
func identified(f detection.Finding) detection.Finding {
	if f.Record.EventID == "" {
		f.Record.EventID = alert.UnnamedEvent.ID(alert.ID(f.Record.EventTime.String(), f.Record.EventName, f.Record.Target, fmt.Sprint(f.Deleted, f.Failed)))
	}
	return f
}
