package pipeline

import (
	"context"
	"maps"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// endAgain is the pause before another try to store an end.
const endAgain = time.Minute

// alertedPlace is what was alerted of a place that fails.
type alertedPlace struct {
	own        Graded
	level      alert.Level              // of the gravest alert; empty: none
	covered    bool                     // that alert was Places.together, which stands for several places
	scopes     map[inventory.Scope]bool // that fail; whether each is urgent
	quietUntil time.Time                // until then no alert says that more Regions fail: first each Region is refreshed once
	triedBy    time.Time                // by then all scopes that an earlier daemon may have alerted of have been tried; zero: it alerted of none
}

// Run adds the alerts until ctx ends. It returns nil.
func (o *Places) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := endAgain
		if o.addAlerts(ctx) {
			pause = time.Hour
		}
		retry.Wait(ctx, pause, o.wake)
	}
	return nil
}

// addAlerts adds the alerts and the ends that are due, and reports whether all ends are stored.
func (o *Places) addAlerts(ctx context.Context) bool {
	o.mu.Lock()
	changed, allTried := slices.Collect(maps.Keys(o.changed)), o.allTried
	clear(o.changed)
	o.mu.Unlock()
	for _, p := range changed {
		if ctx.Err() != nil {
			return false
		}
		o.update(ctx, p)
	}
	return o.addEnds(ctx, allTried)
}

// update adds the alert that a place owes after something has changed there, or has addEnds add the end.
func (o *Places) update(ctx context.Context, p Place) {
	o.mu.Lock()
	f, known := o.failing[p], o.known[p.Account]
	var failing []inventory.Scope
	var err error
	if f != nil {
		if failing, err = slices.Collect(maps.Keys(f.scopes)), f.err; len(failing) == 0 {
			delete(o.failing, p)
		}
	}
	o.mu.Unlock()
	switch {
	case len(failing) > 0:
		delete(o.ending, p)
		o.alert(ctx, p, failing, err)
	case f != nil || known:
		own := o.own(p)
		if a := o.alerted[p]; a != nil {
			own = a.own
		}
		o.ending[p] = own
		if o.kind.Earlier != "" {
			o.ending[Place{p.Account, scopes.Cause(o.kind.Earlier)}] = NewGraded(o.out, inventory.Scope{Account: p.Account}, o.kind.Earlier, o.kind.Recovery)
		}
		delete(o.alerted, p)
	default: // it has departed
		delete(o.alerted, p)
	}
}

// own is the outage of a place.
func (o *Places) own(p Place) Graded {
	return NewGraded(o.out, inventory.Scope{Account: p.Account}, partOf(o.kind.Part, p.Cause), o.kind.Recovery)
}

// addEnds adds the ends that are due, and reports whether all are stored.
func (o *Places) addEnds(ctx context.Context, allTried bool) bool {
	for p, own := range o.ending {
		text := o.kind.Recovery
		for q := range o.alerted {
			if q.Account == p.Account {
				text = "no Region of the account fails for this cause now. Some still fail for another cause, which has an alert of its own"
			}
		}
		own.High.endAs(ctx, text)
		own.Medium.endAs(ctx, text)
		if own.ended() {
			delete(o.ending, p)
		}
	}
	stored, covers := true, false
	for p, a := range o.alerted {
		stored = o.endHigh(ctx, p, a) && stored
		covers = covers || a.covered
	}
	done := stored && len(o.ending) == 0
	if covers || !o.covered && !allTried { // an earlier daemon may have alerted, and not all places of that alert have been tried
		return done
	}
	o.together.End(ctx)
	return done && o.together.ended()
}

// endHigh ends the high alert of a place where nothing urgent fails any more, so that the next urgent failure
// has an alert. A medium alert goes on. endHigh reports false if such an end is still to be stored.
func (o *Places) endHigh(ctx context.Context, p Place, a *alertedPlace) bool {
	if a.covered || a.own.High.endStored || slices.Contains(slices.Collect(maps.Values(a.scopes)), true) {
		return true
	}
	if time.Now().Before(a.triedBy) {
		return false
	}
	if a.level == alert.High {
		a.level = alert.Medium
		if !a.own.Medium.WasAlerted(ctx) {
			o.mu.Lock()
			f, err := o.failing[p], error(nil)
			if f != nil {
				err = f.err
			}
			o.mu.Unlock()
			if f == nil { // the place works meanwhile: update handles that next
				return false
			}
			o.alertOwn(ctx, p, a, slices.Collect(maps.Keys(a.scopes)), err)
		}
	}
	a.own.High.endAs(ctx, "the Regions with protected flow logs can be refreshed again. Regions without any still fail: see the medium alert about these")
	return a.own.High.endStored
}

// alert alerts of a place if that is news. failing are the scopes that fail there, and err is the last error.
func (o *Places) alert(ctx context.Context, p Place, failing []inventory.Scope, err error) {
	a := o.alerted[p]
	if a == nil {
		a = &alertedPlace{own: o.own(p), scopes: map[inventory.Scope]bool{}}
		o.alerted[p] = a
		if a.level = a.own.before(ctx); a.level != "" { // by an earlier daemon
			a.quietUntil, a.triedBy = o.fleet.AllRefreshed(), time.Now().Add(TriedAfter)
		}
	}
	maps.DeleteFunc(a.scopes, func(s inventory.Scope, _ bool) bool { return !slices.Contains(failing, s) })
	failing = slices.DeleteFunc(failing, func(s inventory.Scope) bool { _, is := a.scopes[s]; return is })
	urgent := false
	for _, s := range failing {
		a.scopes[s] = o.Urgent(ctx, s)
		urgent = urgent || a.scopes[s]
	}
	level := alert.Medium
	if urgent {
		level = alert.High
	}
	wider := a.level == level && !a.covered && time.Now().After(a.quietUntil)
	if len(failing) == 0 || a.level.AtLeast(level) && !wider {
		return
	}
	a.covered = !wider && o.isShared(ctx, urgent)
	a.level, a.quietUntil = level, o.fleet.AllRefreshed()
	if !a.covered {
		o.alertOwn(ctx, p, a, failing, err)
		return
	}
	o.covered = true
	text := o.kind.Texts.Many(o.failingIn(ctx, p, failing, urgent, err))
	switch {
	case !urgent:
		o.together.AlertOnce(ctx, false, text)
	case !o.together.High.WasAlerted(ctx): // a medium alert wakes nobody
		o.together.High.Alert(ctx, text)
	}
}

// alertOwn adds the alert of one place, at the place's level, about scopes that fail there.
func (o *Places) alertOwn(ctx context.Context, p Place, a *alertedPlace, failing []inventory.Scope, err error) {
	urgent, out := a.level == alert.High, a.own.Medium
	if urgent {
		out = a.own.High
	}
	f, region := o.failingIn(ctx, p, failing, urgent, err), ""
	if len(f.Regions) == 1 {
		region = f.Regions[0]
	}
	out.AlertIn(ctx, region, o.kind.Texts.One(ctx, f))
}

// failingIn is what an alert says of the scopes that fail in a place.
func (o *Places) failingIn(ctx context.Context, p Place, failing []inventory.Scope, urgent bool, err error) Failing {
	f := Failing{Account: p.Account, Name: o.fleet.AccountName(ctx, p.Account), Urgent: urgent, Err: err}
	for _, s := range failing {
		if s.Region != "" {
			f.Regions = append(f.Regions, s.Region)
		}
	}
	slices.Sort(f.Regions)
	return f
}

// Urgent reports whether a scope that fails may have protected flow logs.
func (o *Places) Urgent(ctx context.Context, s inventory.Scope) bool {
	if o.kind.Urgent {
		return true
	}
	protected, err := o.fleet.HasProtected(ctx, s.Account, s.Region)
	return err != nil || protected // nobody knows: better too urgent
}

// isShared reports whether a further place has no alert of its own, because Places.together stands for it.
func (o *Places) isShared(ctx context.Context, urgent bool) bool {
	alone, together := 0, o.together.Medium
	if urgent {
		together = o.together.High
	}
	for _, a := range o.alerted {
		if a.level != "" && !a.covered && (a.level == alert.High) == urgent {
			alone++
		}
	}
	started := time.Since(o.began) < TriedAfter // an earlier daemon's alert may stand for any of the places that fail first
	return alone >= MostSingle || (!urgent || started) && together.WasAlerted(ctx)
}
