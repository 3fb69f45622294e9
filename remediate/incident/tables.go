package incident

import (
	"maps"
	"slices"
	"strings"
	"time"

	"flowkeeper/inventory"
)

// Tables hold rows of the snapshot and incidents of one account and Region: as a
// transaction loaded them, and as they were changed since. They say what is on a resource
// and what replaced what, and decide nothing. The zero value is empty. They are not safe
// for concurrent use.
type Tables struct {
	RefreshedAt time.Time // start of the last complete refresh; zero: there was none

	rows      table[inventory.Row]
	incidents table[Incident]
	resources map[string]map[string]bool // flow log IDs by the resource of their row or incident
}

// table holds values by flow log ID.
type table[V any] struct {
	byID    map[string]V
	changed map[string]bool
	order   []string // what was changed, in the order of the first change
}

func (t *table[V]) load(id string, v V) {
	if t.byID == nil {
		t.byID, t.changed = map[string]V{}, map[string]bool{}
	}
	t.byID[id] = v
}

func (t *table[V]) put(id string, v V) {
	t.load(id, v)
	if !t.changed[id] {
		t.changed[id] = true
		t.order = append(t.order, id)
	}
}

func (t *table[V]) changes() (out []V) {
	for _, id := range t.order {
		out = append(out, t.byID[id])
	}
	return out
}

// Load adds rows and incidents as they are stored.
func (t *Tables) Load(rows []inventory.Row, incidents []Incident) {
	for _, r := range rows {
		t.rows.load(r.ID, r)
		t.index(r.ResourceID, r.ID)
	}
	for _, i := range incidents {
		t.incidents.load(i.FlowLogID, i)
		t.index(i.ResourceID, i.FlowLogID)
	}
}

func (t *Tables) index(resource, id string) {
	if resource == "" {
		return
	}
	if t.resources == nil {
		t.resources = map[string]map[string]bool{}
	}
	if t.resources[resource] == nil {
		t.resources[resource] = map[string]bool{}
	}
	t.resources[resource][id] = true
}

// Put changes incidents.
func (t *Tables) Put(incidents ...Incident) {
	for _, i := range incidents {
		t.incidents.put(i.FlowLogID, i)
		t.index(i.ResourceID, i.FlowLogID)
	}
}

// putRowAlone changes a row, and leaves its DecoyNotice as it is: see Case.putRowAndNotice.
func (t *Tables) putRowAlone(r inventory.Row) {
	t.rows.put(r.ID, r)
	t.index(r.ResourceID, r.ID)
}

// Changes are the rows and incidents that were changed, as they now are, each in the order
// of their first change.
func (t *Tables) Changes() ([]inventory.Row, []Incident) {
	return t.rows.changes(), t.incidents.changes()
}

// Incident is the incident of a flow log.
func (t *Tables) Incident(id string) (Incident, bool) {
	i, ok := t.incidents.byID[id]
	return i, ok
}

// idsOn are the IDs of flow logs that are, or once were, on a resource, in order.
func (t *Tables) idsOn(resource string) []string {
	return slices.Sorted(maps.Keys(t.resources[resource]))
}

// Live are the live rows on a resource, by ID, as they are stored: LastSeenAt may be earlier than the last complete
// refresh that listed the row. Case.Row has that time.
func (t *Tables) Live(resource string) (out []inventory.Row) {
	for _, id := range t.idsOn(resource) {
		if r, ok := t.rows.byID[id]; ok && r.ResourceID == resource && r.State == inventory.Live {
			out = append(out, r)
		}
	}
	return out
}

// incidentsOn are the incidents on a resource for which is reports true, by flow log ID.
func (t *Tables) incidentsOn(resource string, is func(Incident) bool) (out []Incident) {
	for _, id := range t.idsOn(resource) {
		if i, ok := t.incidents.byID[id]; ok && i.ResourceID == resource && is(i) {
			out = append(out, i)
		}
	}
	return out
}

// pending are the open and blocked incidents on a resource, by flow log ID.
func (t *Tables) pending(resource string) []Incident {
	return t.incidentsOn(resource, Incident.Pending)
}

// Lost are the open and blocked incidents on a resource whose flow log is to come back:
// not those of decoys, which nothing is restored from.
func (t *Tables) Lost(resource string) []Incident {
	return t.incidentsOn(resource, func(i Incident) bool {
		r, known := t.rows.byID[i.FlowLogID]
		isDecoy := known && !r.Protected && !i.Requested
		return i.Pending() && !isDecoy
	})
}

// NeverSaw reports whether the snapshot has none of some flow logs, nor had, not even from
// a file.
func (t *Tables) NeverSaw(ids []string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool {
		_, there := t.rows.byID[id]
		i, found := t.Incident(id)
		return there || found && i.Known
	})
}

// LeavesVPCDark reports whether a VPC among some resources has no protected flow log left.
// gone has the flow logs that do not count, by ID or by the ID of their root.
func (t *Tables) LeavesVPCDark(gone map[string]bool, resources []string) bool {
	for _, vpc := range slices.Compact(slices.Sorted(slices.Values(resources))) {
		left := slices.ContainsFunc(t.Live(vpc), func(row inventory.Row) bool {
			i, found := t.Incident(row.ID)
			isLost := found && i.State == Open // though its row is live
			isGone := gone[row.ID] || gone[row.RootID]
			return row.Protected && !isLost && !isGone
		})
		if strings.HasPrefix(vpc, "vpc-") && !left {
			return true
		}
	}
	return false
}
