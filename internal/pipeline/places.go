package pipeline

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// Place is where something fails: an account, or those Regions of it that fail for one cause.
type Place struct {
	Account string
	Cause   scopes.Cause // empty: the account fails as a whole
}

// Kind is what differs between kinds of failures.
type Kind struct {
	Part alert.Part
	// Recovery and Recovered are the texts of ends: of the alert about one place, and of that about several.
	Recovery, Recovered string
	// Whole: an account works or fails as a whole; else each of its Regions does.
	Whole bool
	// Urgent: each failure is urgent; else only one that affects protected flow logs is.
	Urgent bool
	// Earlier is the part under which earlier versions alerted of an account; empty: none.
	Earlier alert.Part
	Texts   Texts
}

// Texts makes the texts of the alerts that places fail. Places calls it on the goroutine of Run.
type Texts interface {
	// One is the text of the alert about one place.
	One(context.Context, Failing) string
	// Many is the text of the alert about the places beyond MostSingle, of which it names one.
	Many(Failing) string
}

// Failing is what an alert says of a place that fails.
type Failing struct {
	Account, Name string   // the number, and the name with the number
	Regions       []string // those that no alert was about yet, in order
	Urgent        bool
	Err           error // the last one
}

// Fleet is what Places asks about accounts and their Regions.
type Fleet interface {
	// HasProtected reports whether protected flow logs are in an account, or in one Region of it.
	HasProtected(ctx context.Context, account, region string) (bool, error)
	// AccountName is an account with its name, where that is known.
	AccountName(ctx context.Context, account string) string
	// AllRefreshed returns by when each Region of an account is refreshed once more.
	AllRefreshed() time.Time
}

// Places alerts of one kind of failure: once for each place, and beyond MostSingle places
// once for all others together. Places with protected flow logs have high alerts, and are counted
// apart from the others, so that an attacker who makes others fail first hides none of them.
//
// Fail, Works, Remove and Forget note what happens, and are safe for concurrent use. They wait for
// nothing: neither the state file nor sinks that hang hold up the refreshes that call them. One
// goroutine runs Run, which adds the alerts.
type Places struct {
	out   Outbox
	fleet Fleet
	kind  Kind
	began time.Time
	wake  chan struct{} // holds one if changed has got something

	mu       sync.Mutex // guards what follows
	failing  map[Place]*failingPlace
	of       map[inventory.Scope]Place // of each scope that fails
	known    map[string]bool           // accounts that work: Run ends the alerts that an earlier daemon made of them
	allTried bool                      // all places have been tried, so that an earlier daemon's alert that stands for several may end
	changed  map[Place]bool            // what Run has not seen yet

	// What follows is used by the goroutine of Run only.
	alerted  map[Place]*alertedPlace
	ending   map[Place]Graded // whose ends could not be stored yet
	together Graded
	covered  bool // together has stood for a place since the start
}

// failingPlace is a place that fails, with the last error.
type failingPlace struct {
	scopes map[inventory.Scope]bool
	err    error
}

const (
	// MostSingle is how many places have an alert each. One more alert stands for all others, and says so. So
	// many places fail because of Flowkeeper's own credentials, a service control policy, or a StackSet that
	// is not deployed.
	MostSingle = 10
	// TriedAfter is how long after a start all places have been tried: a place of which an earlier daemon
	// has alerted, and which has not failed by then, works.
	TriedAfter = 10 * time.Minute
)

// NewPlaces returns places of which none fails yet.
func NewPlaces(out Outbox, f Fleet, k Kind) *Places {
	return &Places{
		out: out, fleet: f, kind: k, began: time.Now(), wake: make(chan struct{}, 1),
		failing: map[Place]*failingPlace{}, of: map[inventory.Scope]Place{}, known: map[string]bool{}, changed: map[Place]bool{},
		alerted: map[Place]*alertedPlace{}, ending: map[Place]Graded{}, together: NewGraded(out, inventory.Scope{}, k.Part, k.Recovered),
	}
}

// Fail notes that a scope fails. A scope without a Region stands for its account. began: nothing failed in
// its place before. Until the scope works, its cause changes only to one that is later in scopes.Causes, so that
// one who switches between two causes does not make an alert at each refresh.
func (o *Places) Fail(s inventory.Scope, cause scopes.Cause, err error) (began bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := Place{s.Account, cause}
	switch was, is := o.of[s]; {
	case is && slices.Index(scopes.Causes, cause) < slices.Index(scopes.Causes, was.Cause):
		p = was
	case is && was != p:
		o.drop(s)
	}
	f := o.failing[p]
	if f == nil {
		f = &failingPlace{scopes: map[inventory.Scope]bool{}}
		o.failing[p] = f
	}
	f.err, began = err, len(f.scopes) == 0
	if !f.scopes[s] {
		f.scopes[s], o.of[s] = true, p
		o.change(p)
	}
	return began
}

// Works notes that a scope works.
func (o *Places) Works(s inventory.Scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(s)
	hasTried := time.Since(o.began) > TriedAfter
	if !o.known[s.Account] && (hasTried || o.kind.Whole) {
		o.known[s.Account] = true
		for _, p := range o.places(s.Account) {
			o.change(p)
		}
	}
	if hasTried && !o.allTried {
		o.allTried = true
		retry.Wake(o.wake)
	}
}

// Remove notes that a scope is no longer tried, while others of its account are.
func (o *Places) Remove(s inventory.Scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(s)
}

// Forget forgets accounts that have departed. Their alerts are not ended until they are back and work.
func (o *Places) Forget(accounts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.of, func(s inventory.Scope, _ Place) bool { return slices.Contains(accounts, s.Account) })
	for _, a := range accounts {
		delete(o.known, a)
		for _, p := range o.places(a) {
			delete(o.failing, p)
			o.change(p)
		}
	}
}

// drop notes that a scope does not fail. The caller holds mu.
func (o *Places) drop(s inventory.Scope) {
	if p, is := o.of[s]; is {
		delete(o.of, s)
		delete(o.failing[p].scopes, s)
		o.change(p)
	}
}

// change makes Run update the alerts of a place. The caller holds mu.
func (o *Places) change(p Place) {
	o.changed[p] = true
	retry.Wake(o.wake)
}

// places are all places in which something of an account may fail.
func (o *Places) places(account string) (all []Place) {
	if o.kind.Whole {
		return []Place{{Account: account}}
	}
	for _, c := range scopes.Causes {
		all = append(all, Place{account, c})
	}
	return all
}
