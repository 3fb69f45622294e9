package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"flowkeeper/alert"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// departures alerts of each account that is not protected any more, once. If many depart together,
// one alert names them all. The stored list says which accounts have departed, so that a crash
// loses no alert. Its methods are called by one goroutine.
type departures struct {
	d       *Daemon
	outages map[string]pipeline.Graded // by account, or by when accounts departed together
}

// mostSingle is how many accounts that depart together have an alert each. More share one.
const mostSingle = 5

// alertAll alerts of every account that has departed according to members, the stored list, and
// ends the alerts of those that are protected again.
func (v departures) alertAll(ctx context.Context, members []organization.Member) {
	groups := map[int64][]organization.Member{} // by when they departed
	for _, m := range members {
		if isConfigured(v.d.Config, m.ID) || !m.Departed() {
			v.single(m.ID).End(ctx)
			continue
		}
		at := m.LeftAt.UnixMilli()
		groups[at] = append(groups[at], m)
	}
	known := v.together(ctx)
	together := slices.Clone(known)
	for at, group := range groups {
		if len(group) > mostSingle || slices.Contains(together, at) {
			if !slices.Contains(together, at) {
				together = append(together, at)
			}
			v.alertTogether(ctx, at, group, len(members))
			continue
		}
		for _, m := range group {
			v.alertSingle(ctx, m)
		}
	}
	var still []int64
	for _, at := range together {
		if len(groups[at]) > 0 {
			still = append(still, at)
		} else {
			v.group(at).End(ctx)
			delete(v.outages, "at "+strconv.FormatInt(at, 10))
		}
	}
	if !slices.Equal(still, known) {
		v.remember(ctx, still)
	}
}

// single is the outage that one account is not protected.
func (v departures) single(account string) pipeline.Graded {
	return v.outage(account, inventory.Scope{Account: account}, alert.PartDeparted, "the account is protected again")
}

// group is the outage of accounts that departed together.
func (v departures) group(at int64) pipeline.Graded {
	key := strconv.FormatInt(at, 10)
	return v.outage("at "+key, inventory.Scope{}, alert.PartDeparted+alert.Part(" "+key), "the accounts that departed together are protected again, all of them")
}

func (v departures) outage(key string, s inventory.Scope, p alert.Part, recovery string) pipeline.Graded {
	g, ok := v.outages[key]
	if !ok {
		g = pipeline.NewGraded(outbox{v.d}, s, p, recovery)
		v.outages[key] = g
	}
	return g
}

func (v departures) alertSingle(ctx context.Context, m organization.Member) {
	o := v.single(m.ID)
	if o.Alerted() {
		return
	}
	n, regions, err := v.d.protectedIn(ctx, m.ID)
	urgent := n > 0 || err != nil // an error: perhaps some are protected
	o.AlertOnce(ctx, urgent, fmt.Sprintf("the account %s %s. %s", alert.WithAccount(m.ID, m.Name), whyDeparted(m), unwatched(n, regions, err)))
}

func (v departures) alertTogether(ctx context.Context, at int64, group []organization.Member, all int) {
	var ids []string
	for _, m := range group {
		ids = append(ids, m.ID)
	}
	n, regions, err := v.d.protectedIn(ctx, ids...)
	unwatched, most := unwatched(n, regions, err), 2*len(group) > all
	if most && n == 0 && err == nil {
		unwatched += ", but most accounts are gone: somebody may want Flowkeeper to look away"
	}
	urgent := n > 0 || err != nil || most
	v.group(at).AlertOnce(ctx, urgent, fmt.Sprintf("%d of %d accounts departed from the organisation at the same time, or are not selected any more: %s. %s",
		len(group), all, accountNames(group), unwatched))
}

// unwatched says what a departure means for protected flow logs.
func unwatched(flowLogs, regions int, err error) string {
	if err == nil && flowLogs == 0 {
		return "No protected flow logs are there"
	}
	return protectedWords(flowLogs, regions, err) + ": neither watched nor restored any more; what Flowkeeper knows of them stays, and counts again when the account is back"
}

func whyDeparted(m organization.Member) string {
	switch m.Why {
	case organization.Inactive:
		return fmt.Sprintf("is %s in the organisation", m.State)
	case organization.Deselected:
		return "is not selected by organization.include and organization.exclude any more: it was moved to another OU, or the configuration was changed"
	default:
		return "is not in the organisation any more"
	}
}

// together returns when the accounts departed that share one alert, a time for each such alert.
func (v departures) together(ctx context.Context) (at []int64) {
	text, err := v.d.store.Fact(ctx, store.DepartedTogetherFact)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &at)
	}
	if err != nil {
		v.d.Log.Warn("which accounts departed together is not known any more: there may be an alert about each", "error", err)
	}
	return at
}

// remember stores what together returns.
func (v departures) remember(ctx context.Context, at []int64) {
	text, err := json.Marshal(at)
	if err == nil {
		err = v.d.store.SetFact(ctx, store.DepartedTogetherFact, string(text))
	}
	if err != nil {
		v.d.Log.Warn("which accounts departed together can't be stored: there may be an alert about each", "error", err)
	}
}
