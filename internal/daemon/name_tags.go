package daemon

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// nameTags asks AWS for the tag Name of what flow logs are of, for alerts and lists: of what is
// new after a refresh, and once a day of all. A few goroutines do so beside the refreshes, which
// never wait for them and cost no further call if they find nothing new. Names are not worth an
// alert: a failure is logged, and tried again later.
type nameTags struct {
	d    *Daemon
	wake chan struct{} // holds one if a scope may be due

	mu      sync.Mutex // guards what follows
	scopes  map[inventory.Scope]*scopeNameTags
	failing bool // the last answer was a failure
}

// scopeNameTags is what is known of the names of one scope.
type scopeNameTags struct {
	due       bool      // a refresh has found something new, or all are due
	busy      bool      // a goroutine asks for them
	all       time.Time // when all are due again; zero: not known yet
	notBefore time.Time // after a failure
}

const (
	namesAge   = 24 * time.Hour // after which the names of all resources of a scope are asked for again
	namesPause = time.Hour      // after a failure
	namesAsked = 4              // scopes at the same time
)

func newNameTags(d *Daemon) *nameTags {
	return &nameTags{d: d, wake: make(chan struct{}, 1), scopes: map[inventory.Scope]*scopeNameTags{}}
}

// refreshed notes that a scope was refreshed, and whether that has found anything new. It never
// blocks.
func (n *nameTags) refreshed(s inventory.Scope, found bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	st := n.scopes[s]
	if st == nil {
		st = &scopeNameTags{}
		n.scopes[s] = st
	}
	now := time.Now()
	if st.due = st.due || found || !st.all.After(now); st.due && !st.notBefore.After(now) {
		n.wakeUp()
	}
}

func (n *nameTags) wakeUp() {
	select {
	case n.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// run asks for the names that are due until ctx ends.
func (n *nameTags) run(ctx context.Context) error {
	var g errgroup.Group
	for range namesAsked {
		g.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-n.wake:
				}
				for s, ok := n.take(); ok && ctx.Err() == nil; s, ok = n.take() {
					n.wakeUp() // others may be due, too
					var all time.Time
					err := recovered("names of "+s.String(), func() (err error) { all, err = n.ask(ctx, s); return err })
					n.asked(ctx, s, all, err)
				}
			}
		})
	}
	return g.Wait()
}

// take takes a scope that is due.
func (n *nameTags) take() (s inventory.Scope, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for s, st := range n.scopes {
		if st.due && !st.busy && !st.notBefore.After(now) {
			st.due, st.busy = false, true
			return s, true
		}
	}
	return s, false
}

// asked notes what came of asking: since when the names of all are known, or why they are not.
func (n *nameTags) asked(ctx context.Context, s inventory.Scope, all time.Time, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	st := n.scopes[s]
	st.busy = false
	if _, ours := n.d.fleet.Tags(s); !ours {
		delete(n.scopes, s)
		return
	}
	if err == nil {
		st.all, st.notBefore, n.failing = all.Add(namesAge), time.Time{}, false
		return
	}
	st.due, st.notBefore = true, time.Now().Add(namesPause)
	if ctx.Err() != nil || n.failing {
		return
	}
	n.failing = true // 3,400 scopes that are refused the same are one line
	n.d.Log.Info("the names of VPCs and other resources can't be asked for: alerts and lists show their IDs alone", "account", s.Account, "region", s.Region, "error", err)
}

// ask asks for the names of the resources of a scope, of new ones or of all, and stores them. It
// returns since when those of all are known.
func (n *nameTags) ask(ctx context.Context, s inventory.Scope) (all time.Time, err error) {
	api, ours := n.d.fleet.Tags(s)
	if !ours {
		return time.Time{}, nil
	}
	return askNameTags(ctx, n.d.store, api, s, time.Now())
}

// askNameTags is nameTags.ask at a time.
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
