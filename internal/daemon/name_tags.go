package daemon

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// nameTags asks AWS for the tag Name of what flow logs are of, for alerts and lists: of what is
// new after a refresh, and once a day of all. Refreshes never wait for that, and one that finds nothing
// new costs no further call. Names are not worth an alert: a failure is logged, and tried again later.
type nameTags struct {
	d     *Daemon
	slots *gate // of the scopes whose names are asked for at the same time

	outage outage.Outage // of the answers: 3,400 scopes that are refused the same are one line

	mu     sync.Mutex // guards what follows
	scopes map[inventory.Scope]*scopeNameTags
}

// scopeNameTags is what is known of the names of one scope.
type scopeNameTags struct {
	due       bool      // a refresh has found something new, or all are due
	busy      bool      // they are being asked for, or wait for a slot
	all       time.Time // when all are due again; zero: not known yet
	notBefore time.Time // after a failure
}

const (
	namesAge   = 24 * time.Hour // after which the names of all resources of a scope are asked for again
	namesPause = time.Hour      // after a failure
	namesAsked = 4              // scopes at the same time
)

func newNameTags(d *Daemon) *nameTags {
	return &nameTags{d: d, slots: newGate(namesAsked), scopes: map[inventory.Scope]*scopeNameTags{}}
}

// refreshed notes that a scope was refreshed, and whether that has found anything new: its names are
// asked for once there is a slot. It never blocks.
func (n *nameTags) refreshed(s inventory.Scope, found bool) {
	if !n.take(s, found) {
		return
	}
	ctx, done, ok := n.d.loopsOf.begin(s)
	if !ok {
		n.forget(s)
		return
	}
	n.slots.enter(ctx, func(leave func()) {
		defer done()
		defer leave()
		for again := true; again; {
			var all time.Time
			err := recovered("names of "+s.String(), func() (err error) {
				if api, ours := n.d.fleet.Tags(s); ours {
					all, err = askNameTags(ctx, n.d.store, api, s, time.Now())
				}
				return err
			})
			again = n.asked(ctx, s, all, err)
		}
	})
}

// take is refreshed, and reports whether the names are to be asked for now.
func (n *nameTags) take(s inventory.Scope, found bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	st := n.scopes[s]
	if st == nil {
		st = &scopeNameTags{}
		n.scopes[s] = st
	}
	now := time.Now()
	st.due = st.due || found || !st.all.After(now)
	if !st.due || st.busy || st.notBefore.After(now) {
		return false
	}
	st.due, st.busy = false, true
	return true
}

// forget forgets a scope that has left the fleet.
func (n *nameTags) forget(s inventory.Scope) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.scopes, s)
}

// asked notes what came of asking: since when the names of all are known, or why they are not. It
// reports whether they are to be asked for again, because a refresh has found something meanwhile.
func (n *nameTags) asked(ctx context.Context, s inventory.Scope, all time.Time, err error) (again bool) {
	if ctx.Err() != nil {
		n.forget(s)
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	st := n.scopes[s]
	if err == nil {
		n.outage.Note(nil)
		st.all, st.notBefore = all.Add(namesAge), time.Time{}
		st.due, st.busy = false, st.due
		return st.busy
	}
	st.due, st.busy, st.notBefore = true, false, time.Now().Add(namesPause)
	if n.outage.Note(err) == outage.Began {
		n.d.Log.Info("the names of VPCs and other resources can't be asked for: alerts and lists show their IDs alone", "account", s.Account, "region", s.Region, "error", err)
	}
	return false
}

// askNameTags asks for the names of the resources of a scope, of new ones or of all, and stores them. It
// returns since when those of all are known.
func askNameTags(ctx context.Context, st *store.Store, api inventory.TagDescriber, s inventory.Scope, now time.Time) (all time.Time, err error) {
	all, row, err := st.NamesKnown(ctx, s)
	if err != nil {
		return all, err
	}
	last, err := st.LastRow(ctx)
	if err != nil {
		return all, err
	}
	whole := all.After(now) || now.Sub(all) >= namesAge
	if whole {
		all, row = now, 0
	}
	asked := false
	for after := ""; ; {
		ids, err := st.LiveResources(ctx, s, row, after, inventory.MostNameTags)
		if err != nil {
			return all, err
		}
		if len(ids) == 0 {
			break
		}
		after, asked = ids[len(ids)-1], true
		names, err := inventory.NameTags(ctx, api, ids)
		if err != nil {
			return all, err
		}
		for id := range names {
			names[id] = alert.Clean(names[id], alert.MaxName)
		}
		// AWS may name what nobody asked for: that is not stored.
		maps.DeleteFunc(names, func(id, _ string) bool { _, found := slices.BinarySearch(ids, id); return !found })
		if err := st.SetResourceNames(ctx, s, ids, names); err != nil {
			return all, err
		}
	}
	if !whole && !asked {
		return all, nil
	}
	return all, st.SetNamesKnown(ctx, s, all, last)
}
