package daemon

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// placeKey is where something fails: an account, or those Regions of it that fail for one cause.
type placeKey struct {
	account string
	cause   scopes.Cause // empty: the account fails as a whole
}

// placeOutages alerts of one kind of failure: once for each place, and beyond mostFailing places
// once for all others together. Those with protected flow logs are counted by themselves, and their
// alerts are high: an attacker who makes others fail first hides none of them.
//
// fail, works, remove and forget note what happens, and are safe for concurrent use. They wait for
// nothing: neither the state file nor sinks that hang hold up the refreshes that call them. One
// goroutine runs run, which adds the alerts.
type placeOutages struct {
	d     *Daemon
	kind  placeKind
	began time.Time
	wake  chan struct{} // holds one if changed has got something

	mu      sync.Mutex // guards what follows
	failing map[placeKey]*failingPlace
	of      map[inventory.Scope]placeKey // of each scope that fails
	known   map[string]bool              // accounts that work, and whose alerts by a daemon before are ended
	settled bool                         // the same for the alert that stands for several places
	changed map[placeKey]bool            // what run has not seen yet

	// What follows is used by the goroutine of run only.
	alerted  map[placeKey]*alertedPlace
	ending   map[placeKey]graded // whose ends could not be stored yet
	together graded
	covered  bool // together has stood for a place since the start
}

// placeKind is what differs between kinds of failures.
type placeKind struct {
	part notify.Part
	// recovery and recovered are the texts of the ends: of one place, and of those together.
	recovery, recovered string
	// whole: an account works or fails as a whole; else its Regions do.
	whole bool
	// urgent: what fails is urgent wherever it fails; else only where protected flow logs are.
	urgent bool
	// earlier is the part under which earlier versions alerted of an account; empty: none.
	earlier notify.Part
	// one and many are the texts of the alerts: about one place, of which Regions are given that no alert
	// was about yet, and about those beyond mostFailing, with one of them. name is the account's, with its number.
	one  func(ctx context.Context, p placeKey, name string, regions []string, urgent bool, err error) string
	many func(p placeKey, name string, regions []string, err error) string
}

// failingPlace is a place that fails, with the last error.
type failingPlace struct {
	scopes map[inventory.Scope]bool
	err    error
}

// alertedPlace is what was alerted of a place that fails.
type alertedPlace struct {
	own     graded
	level   alert.Level              // of the gravest alert; empty: none
	covered bool                     // that alert was together
	scopes  map[inventory.Scope]bool // that fail; whether each is urgent
	quiet   time.Time                // until then, further Regions are no news: all are refreshed once
	tried   time.Time                // by then all that a daemon before may have alerted of have been tried
}

const (
	// mostFailing places have an alert each. One that says so stands for the others: what they have in
	// common is Flowkeeper's own credentials, a service control policy, or a StackSet that is not deployed.
	mostFailing = 10
	// uncoverAfter is how long after a start all places have been tried: what a daemon before has alerted
	// of, and does not fail by then, works.
	uncoverAfter = 10 * time.Minute
	// endAgain is the pause before another try to store an end.
	endAgain = time.Minute
)

func newPlaceOutages(d *Daemon, k placeKind) *placeOutages {
	return &placeOutages{
		d: d, kind: k, began: time.Now(), wake: make(chan struct{}, 1),
		failing: map[placeKey]*failingPlace{}, of: map[inventory.Scope]placeKey{}, known: map[string]bool{}, changed: map[placeKey]bool{},
		alerted: map[placeKey]*alertedPlace{}, ending: map[placeKey]graded{}, together: newGraded(d, inventory.Scope{}, k.part, k.recovered),
	}
}

// fail notes that a scope fails; one that stands for its account has no Region. It returns as how
// many-th of the places that fail its place began to; zero: it did before. Until it works, its cause
// changes only to one that is later in scopes.Causes: who switches between two makes no alert at each
// refresh.
func (o *placeOutages) fail(s inventory.Scope, cause scopes.Cause, err error) (nth int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := placeKey{s.Account, cause}
	switch was, is := o.of[s]; {
	case is && slices.Index(scopes.Causes, cause) < slices.Index(scopes.Causes, was.cause):
		p = was
	case is && was != p:
		o.drop(s)
	}
	f := o.failing[p]
	if f == nil {
		f = &failingPlace{scopes: map[inventory.Scope]bool{}}
		o.failing[p] = f
	}
	if f.err = err; len(f.scopes) == 0 {
		nth = len(o.failing)
	}
	if !f.scopes[s] {
		f.scopes[s], o.of[s] = true, p
		o.change(p)
	}
	return nth
}

// logsFailing reports whether there is a line of log about the nth place that fails: about the first
// mostFailing. It logs one line that stands for all further ones.
func (d *Daemon) logsFailing(nth int) bool {
	if nth == mostFailing+1 {
		d.Log.Warn("refresh failed: more places fail, and are not logged one by one: `flowkeeper accounts list --failing` lists the accounts", "logged", mostFailing)
	}
	return 0 < nth && nth <= mostFailing
}

// works notes that a scope works.
func (o *placeOutages) works(s inventory.Scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(s)
	old := time.Since(o.began) > uncoverAfter
	if !o.known[s.Account] && (old || o.kind.whole) {
		o.known[s.Account] = true
		for _, p := range o.places(s.Account) {
			o.change(p)
		}
	}
	if old && !o.settled {
		o.settled = true
		o.wakeUp()
	}
}

// remove notes that a scope is not tried any more, while its account is.
func (o *placeOutages) remove(s inventory.Scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(s)
}

// forget forgets accounts that have departed. Their alerts stay until they are back and work.
func (o *placeOutages) forget(accounts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.of, func(s inventory.Scope, _ placeKey) bool { return slices.Contains(accounts, s.Account) })
	for _, a := range accounts {
		delete(o.known, a)
		for _, p := range o.places(a) {
			delete(o.failing, p)
			o.change(p)
		}
	}
}

// drop notes that a scope does not fail. The caller holds mu.
func (o *placeOutages) drop(s inventory.Scope) {
	if p, is := o.of[s]; is {
		delete(o.of, s)
		delete(o.failing[p].scopes, s)
		o.change(p)
	}
}

// change has run look at a place. The caller holds mu.
func (o *placeOutages) change(p placeKey) {
	o.changed[p] = true
	o.wakeUp()
}

func (o *placeOutages) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// places are those that an account may be.
func (o *placeOutages) places(account string) (all []placeKey) {
	if o.kind.whole {
		return []placeKey{{account: account}}
	}
	for _, c := range scopes.Causes {
		all = append(all, placeKey{account, c})
	}
	return all
}

// run adds the alerts until ctx ends.
func (o *placeOutages) run(ctx context.Context) error {
	for ctx.Err() == nil {
		o.mu.Lock()
		changed, settled := slices.Collect(maps.Keys(o.changed)), o.settled
		clear(o.changed)
		o.mu.Unlock()
		for _, p := range changed {
			if ctx.Err() != nil {
				return nil
			}
			o.look(ctx, p)
		}
		if o.finish(ctx, settled) {
			retry.Wait(ctx, time.Hour, o.wake)
		} else {
			retry.Wait(ctx, endAgain, o.wake)
		}
	}
	return nil
}

// look adds what alerts a place owes.
func (o *placeOutages) look(ctx context.Context, p placeKey) {
	o.mu.Lock()
	f, known := o.failing[p], o.known[p.account]
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
		if o.kind.earlier != "" {
			o.ending[placeKey{p.account, scopes.Cause(o.kind.earlier)}] = newGraded(o.d, inventory.Scope{Account: p.account}, o.kind.earlier, o.kind.recovery)
		}
		delete(o.alerted, p)
	default: // it has departed
		delete(o.alerted, p)
	}
}

// own is the outage of a place.
func (o *placeOutages) own(p placeKey) graded {
	return newGraded(o.d, inventory.Scope{Account: p.account}, partOf(o.kind.part, p.cause), o.kind.recovery)
}

// finish adds the ends that are due, and reports whether all are stored.
func (o *placeOutages) finish(ctx context.Context, settled bool) bool {
	for p, own := range o.ending {
		text := o.kind.recovery
		for q := range o.alerted {
			if q.account == p.account {
				text = "no Region of the account fails for this cause now. Some still fail for another cause, which has an alert of its own"
			}
		}
		own.high.endAs(ctx, text)
		own.medium.endAs(ctx, text)
		if own.ended() {
			delete(o.ending, p)
		}
	}
	calm, covers := true, false
	for p, a := range o.alerted {
		calm = o.calm(ctx, p, a) && calm
		covers = covers || a.covered
	}
	done := calm && len(o.ending) == 0
	if covers || !o.covered && !settled { // not all that the alert of a daemon before stands for have been tried
		return done
	}
	o.together.end(ctx)
	return done && o.together.ended()
}

// calm ends the high alert of a place where nothing urgent fails any more: the next urgent failure is
// news. A medium alert goes on. It reports whether no such end is due.
func (o *placeOutages) calm(ctx context.Context, p placeKey, a *alertedPlace) bool {
	if a.covered || a.own.high.endStored || slices.Contains(slices.Collect(maps.Values(a.scopes)), true) {
		return true
	}
	if time.Now().Before(a.tried) {
		return false
	}
	if a.level == alert.High {
		a.level = alert.Medium
		if !a.own.medium.wasAlerted(ctx) {
			o.mu.Lock()
			f, err := o.failing[p], error(nil)
			if f != nil {
				err = f.err
			}
			o.mu.Unlock()
			if f == nil { // it works since: look sees it next
				return false
			}
			o.alertOwn(ctx, p, a, slices.Collect(maps.Keys(a.scopes)), err)
		}
	}
	a.own.high.endAs(ctx, "the Regions with protected flow logs can be refreshed again. Regions without any still fail: see the medium alert about these")
	return a.own.high.endStored
}

// alert alerts of a place if that is news. It gives the scopes that fail, and the last error.
func (o *placeOutages) alert(ctx context.Context, p placeKey, failing []inventory.Scope, err error) {
	a := o.alerted[p]
	if a == nil {
		a = &alertedPlace{own: o.own(p), scopes: map[inventory.Scope]bool{}}
		o.alerted[p] = a
		if a.level = a.own.before(ctx); a.level != "" { // by the daemon before
			a.quiet, a.tried = o.allRefreshed(), time.Now().Add(uncoverAfter)
		}
	}
	maps.DeleteFunc(a.scopes, func(s inventory.Scope, _ bool) bool { return !slices.Contains(failing, s) })
	failing = slices.DeleteFunc(failing, func(s inventory.Scope) bool { _, is := a.scopes[s]; return is })
	urgent := false
	for _, s := range failing {
		a.scopes[s] = o.urgent(ctx, s)
		urgent = urgent || a.scopes[s]
	}
	level := alert.Medium
	if urgent {
		level = alert.High
	}
	wider := a.level == level && !a.covered && time.Now().After(a.quiet)
	if len(failing) == 0 || a.level.AtLeast(level) && !wider {
		return
	}
	a.covered = !wider && o.many(ctx, urgent)
	a.level, a.quiet = level, o.allRefreshed()
	if !a.covered {
		o.alertOwn(ctx, p, a, failing, err)
		return
	}
	o.covered = true
	text := o.kind.many(p, nameOfAccount(ctx, o.d, p.account), regionsOf(failing), err)
	switch {
	case !urgent:
		o.together.alertOnce(ctx, false, text)
	case !o.together.high.wasAlerted(ctx): // a medium one woke nobody
		o.together.high.alert(ctx, text)
	}
}

// alertOwn adds the alert of a place, of its level, about scopes that fail there.
func (o *placeOutages) alertOwn(ctx context.Context, p placeKey, a *alertedPlace, failing []inventory.Scope, err error) {
	urgent, out := a.level == alert.High, a.own.medium
	if urgent {
		out = a.own.high
	}
	regions, region := regionsOf(failing), ""
	if len(regions) == 1 {
		region = regions[0]
	}
	out.alertIn(ctx, region, o.kind.one(ctx, p, nameOfAccount(ctx, o.d, p.account), regions, urgent, err))
}

// regionsOf are the Regions of scopes, in order.
func regionsOf(failing []inventory.Scope) (regions []string) {
	for _, s := range failing {
		if s.Region != "" {
			regions = append(regions, s.Region)
		}
	}
	slices.Sort(regions)
	return regions
}

// allRefreshed returns by when every Region of an account is refreshed once more.
func (o *placeOutages) allRefreshed() time.Time {
	next := o.d.refreshing.Next(time.Now())
	return o.d.refreshing.Next(next).Add(freshGrace)
}

// urgent reports whether a scope that fails may have protected flow logs.
func (o *placeOutages) urgent(ctx context.Context, s inventory.Scope) bool {
	if o.kind.urgent {
		return true
	}
	var guarded int
	err := o.d.store.View(ctx, func(tx *store.Tx) (err error) { guarded, err = tx.Guarded(s.Account, s.Region, 1); return err })
	return err != nil || guarded > 0
}

// many reports whether one alert is to stand for a further place.
func (o *placeOutages) many(ctx context.Context, urgent bool) bool {
	alone, together := 0, o.together.medium
	if urgent {
		together = o.together.high
	}
	for _, a := range o.alerted {
		if a.level != "" && !a.covered && (a.level == alert.High) == urgent {
			alone++
		}
	}
	// After a start the places that the alert of the daemon before stands for come in any order.
	return alone >= mostFailing || (!urgent || time.Since(o.began) < uncoverAfter) && together.wasAlerted(ctx)
}

// placeOutagesOf are all of the daemon's.
func placeOutagesOf(d *Daemon) []*placeOutages {
	return []*placeOutages{d.refreshes.accounts.placeOutages, d.refreshes.regions, d.discovery.outages}
}
