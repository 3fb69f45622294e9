package incident

import (
	"slices"
	"strings"
	"time"

	"flowkeeper/inventory"
)

// Case is what decisions about some flow logs of one account and Region depend on: their
// rows and incidents, and what else is on their resources. It is loaded in a transaction,
// changed in memory, and saved in the same transaction; it does not outlive that, and
// is not safe for concurrent use. What a change means for events, for alerts and for the
// log is in its Effects.
type Case struct {
	Scope       inventory.Scope
	Complete    bool      // the scope has had its first complete refresh
	RefreshedAt time.Time // start of the last complete refresh; zero: there was none
	Stale       bool      // the snapshot is from a copy so old that a loss by drift is only alerted
	// KnownDestinations are the destinations that the caller asked the store for, and that
	// flow logs deliver to, or did; with the time when the first one was seen. Zero: before
	// the first refresh.
	KnownDestinations map[string]time.Time

	Policy Policy
	Now    time.Time // of all decisions and changes

	rows      map[string]inventory.Row
	incidents map[string]Incident
	resources map[string]map[string]bool // flow log IDs by the resource of their row or incident

	changedRows, changedIncidents changed
	history                       []HistoryLine
	effects                       Effects
}

// changed are the flow log IDs of what was changed, in the order of their first change.
type changed struct {
	ids []string
	has map[string]bool
}

func (c *changed) add(id string) {
	if c.has[id] {
		return
	}
	if c.has == nil {
		c.has = map[string]bool{}
	}
	c.has[id] = true
	c.ids = append(c.ids, id)
}

// Part is what a Case is loaded for.
type Part struct {
	IDs       []string // of flow logs
	Resources []string // beside those that the flow logs are on
}

// HistoryLine is a line to be added to the history of a flow log's incident.
type HistoryLine struct {
	FlowLogID string
	Entry     Entry
}

// Effects are what follows from the changes of a Case, beside its rows and incidents.
type Effects struct {
	Notes []Note    // for the events of its incidents, in their order
	Log   []LogLine // for the log, once the changes are on disk
}

// LogLine is a line for the log about an incident.
type LogLine struct {
	Incident Incident
	Text     string
	Retry    bool // a warning that an attempt failed, not a change of state
}

// NewCase is a case about one account and Region that has nothing in it yet.
func NewCase(s inventory.Scope) *Case {
	return &Case{Scope: s, rows: map[string]inventory.Row{}, incidents: map[string]Incident{}, resources: map[string]map[string]bool{}}
}

// Load adds rows and incidents as they are stored.
func (c *Case) Load(rows []inventory.Row, incidents []Incident) {
	for _, r := range rows {
		c.rows[r.ID] = r
		c.index(r.ResourceID, r.ID)
	}
	for _, i := range incidents {
		c.incidents[i.FlowLogID] = i
		c.index(i.ResourceID, i.FlowLogID)
	}
}

func (c *Case) index(resource, id string) {
	if resource == "" {
		return
	}
	if c.resources[resource] == nil {
		c.resources[resource] = map[string]bool{}
	}
	c.resources[resource][id] = true
}

// Row is the snapshot's row of a flow log.
func (c *Case) Row(id string) (inventory.Row, bool) {
	r, ok := c.rows[id]
	if ok && r.State == inventory.Live && c.RefreshedAt.After(r.LastSeenAt) {
		r.LastSeenAt = c.RefreshedAt
	}
	return r, ok
}

// Incident is the incident of a flow log.
func (c *Case) Incident(id string) (Incident, bool) {
	i, ok := c.incidents[id]
	return i, ok
}

// Live are the live rows on a resource, by ID.
func (c *Case) Live(resource string) (out []inventory.Row) {
	for id := range c.resources[resource] {
		if r, ok := c.rows[id]; ok && r.ResourceID == resource && r.State == inventory.Live {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b inventory.Row) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// pending are the open and blocked incidents on a resource, by flow log ID.
func (c *Case) pending(resource string) (out []Incident) {
	for id := range c.resources[resource] {
		if i, ok := c.incidents[id]; ok && i.ResourceID == resource && i.Pending() {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b Incident) int { return strings.Compare(a.FlowLogID, b.FlowLogID) })
	return out
}

// Lost are the open and blocked incidents on a resource whose flow log is to come back:
// not those of decoys, which nothing is restored from.
func (c *Case) Lost(resource string) (out []Incident) {
	for _, i := range c.pending(resource) {
		if r, ok := c.rows[i.FlowLogID]; !ok || r.Protected || i.Requested {
			out = append(out, i)
		}
	}
	return out
}

// NeverSaw reports whether the snapshot has none of some flow logs, nor had, not even from
// a file.
func (c *Case) NeverSaw(ids []string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool {
		_, there := c.Row(id)
		i, found := c.Incident(id)
		return there || found && i.Known
	})
}

// LeavesVPCDark reports whether a VPC among some resources has no protected flow log
// left but those that are gone, by ID or by the ID of their root.
func (c *Case) LeavesVPCDark(gone map[string]bool, resources []string) bool {
	asked := map[string]bool{}
	for _, vpc := range resources {
		if !strings.HasPrefix(vpc, "vpc-") || asked[vpc] {
			continue
		}
		asked[vpc] = true
		left := slices.ContainsFunc(c.Live(vpc), func(row inventory.Row) bool {
			i, found := c.Incident(row.ID) // said to be gone, and shown all the same
			return row.Protected && !gone[row.ID] && !gone[row.RootID] && !(found && i.State == Open)
		})
		if !left {
			return true
		}
	}
	return false
}

// putRow changes a row.
func (c *Case) putRow(r inventory.Row) {
	c.rows[r.ID] = r
	c.index(r.ResourceID, r.ID)
	c.changedRows.add(r.ID)
}

// Put changes incidents: what alerts have said of them.
func (c *Case) Put(incidents ...Incident) {
	for _, i := range incidents {
		c.put(i)
	}
}

// put changes an incident.
func (c *Case) put(i Incident) {
	c.incidents[i.FlowLogID] = i
	c.index(i.ResourceID, i.FlowLogID)
	c.changedIncidents.add(i.FlowLogID)
}

// conclude changes an incident, with a line in its history and in the log where its
// state or reason is another than it was.
func (c *Case) conclude(old, i Incident, text string) {
	c.put(i)
	if old.State == i.State && old.Reason == i.Reason {
		return
	}
	c.effects.Log = append(c.effects.Log, LogLine{Incident: i, Text: text})
	c.addHistory(i.FlowLogID, Entry{At: c.Now, State: i.State, Reason: i.Reason, Text: text})
}

func (c *Case) addHistory(id string, e Entry) {
	c.history = append(c.history, HistoryLine{FlowLogID: id, Entry: e})
}

// Changes are the rows and incidents that were changed, as they now are, and the lines
// that were added to histories, each in the order of their first change.
func (c *Case) Changes() (rows []inventory.Row, incidents []Incident, history []HistoryLine) {
	for _, id := range c.changedRows.ids {
		rows = append(rows, c.rows[id])
	}
	for _, id := range c.changedIncidents.ids {
		incidents = append(incidents, c.incidents[id])
	}
	return rows, incidents, c.history
}

// Effects are what follows from the changes.
func (c *Case) Effects() Effects { return c.effects }

// protect makes those live flow logs on a resource protected that were kept as decoys
// and are none any more.
func (c *Case) protect(resource string) {
	lost, live := c.Lost(resource), c.Live(resource)
	for _, r := range live {
		if !r.Protected && !r.Excluded && !IsDecoy(r.FlowLog, lost, live) {
			r.Protected = true
			c.putRow(r)
		}
	}
}

// wakeBlocked makes the blocked incidents on a resource due: something changed there.
func (c *Case) wakeBlocked(resource string) {
	for _, i := range c.pending(resource) {
		if i.State == Blocked {
			i.NextAttemptAt = c.Now
			c.put(i)
		}
	}
}
