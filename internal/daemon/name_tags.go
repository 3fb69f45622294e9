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

// nameTags asks AWS for the tag Name of the resources of flow logs, for alerts and lists: after a
// refresh for new resources, and once a day for all. Refreshes never wait for that, and one that finds
// nothing new costs no further call. A failure is no reason for an alert: it is logged, and tried again later.
type nameTags struct {
	d     *Daemon
	slots *gate // of the scopes whose names are asked for at the same time

	outage outage.Outage // of all scopes together: 3,400 scopes that AWS refuses are one line of log

	mu     sync.Mutex // guards what follows
	scopes map[inventory.Scope]*scopeNameTags
}

// scopeNameTags is what is known of the names of one scope.
type scopeNameTags struct {
	due       bool      // a refresh has found something new, or all are due
	busy      bool      // they are being asked for, or wait for a slot
	all       time.Time // when the names of all resources are due again; zero: not known yet
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

// refreshed notes that a scope was refreshed, and whether that found a new flow log (found). If names
// are due, AWS is asked for them once there is a slot. It never blocks.
func (n *nameTags) refreshed(s inventory.Scope, found bool) {
	if !n.take(s, found) {
		return
	}
	ctx, done, ok := n.d.scopeLoops.begin(s)
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

// take notes what refreshed is called with, and reports whether to ask for names now.
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

// asked notes the result of askNameTags. It reports whether to ask again, because a refresh has found
// something new meanwhile.
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

// askNameTags asks for the names of the new resources of a scope, or of all, and stores them. It returns
// when AWS was last asked for all.
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
		// Only the names of these resources are stored, whatever AWS answers.
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
