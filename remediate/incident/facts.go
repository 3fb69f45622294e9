package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"flowkeeper/inventory"
)

// absent is the observation that would show nothing on an incident's resource. Another
// message may have opened it a moment after this one's now.
func absent(i Incident, now time.Time) Observation {
	return Observation{At: Later(now, i.OpenedAt), Resources: map[string]bool{i.ResourceID: true}}
}

// facts are an observation of an incident's resource with what the snapshot has about it.
func (c *Case) facts(i Incident, o Observation) Facts {
	f := Facts{At: o.At, AlreadyExists: o.AlreadyExists, Complete: c.Complete, Restores: c.restores(i.RootID)}
	if o.Resources[i.ResourceID] {
		f.ResourceID = i.ResourceID
	}
	for id, shown := range o.FlowLogs {
		if id == i.FlowLogID {
			f.Alive = true
		} else if shown.ResourceID == i.ResourceID {
			f.Others = append(f.Others, c.other(i, shown, o))
		}
	}
	slices.SortFunc(f.Others, func(a, b Other) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID)) // every daemon adopts the same one
	})
	if row, ok := c.seen(i); ok {
		f.InSnapshot, f.CreatedAt, f.Protected, f.Released = true, row.CreatedAt, row.Protected, row.Released(i.LostAt())
	}
	return f
}

// seen is the row of an incident's flow log, where AWS has shown that, or a person asked
// for its restore from a file.
func (c *Case) seen(i Incident) (inventory.Row, bool) {
	row, ok := c.Row(i.FlowLogID)
	return row, ok && (!row.Imported || i.Requested)
}

// restores are the incidents of one root that were restored within the last hour.
func (c *Case) restores(root string) (out []Incident) {
	since := c.Now.Add(-time.Hour)
	for _, i := range c.incidents {
		if i.RootID == root && i.RestoredAt.After(since) && !i.RestoredAt.After(c.Now) { // the clock may have gone back
			out = append(out, i)
		}
	}
	return out
}

// other is a flow log that an observation shows beside the lost one.
func (c *Case) other(i Incident, f inventory.FlowLog, o Observation) Other {
	row, known := c.Row(f.ID)
	own, found := c.Incident(f.ID)
	gone := known && row.State == inventory.Gone
	if o.AlreadyExists && o.At.Sub(row.GoneAt) >= c.Policy.Settle {
		gone = false // no observation is as stale as that: it was taken for gone by mistake
	}
	return Other{FlowLog: f, CreatedBy: row.CreatedBy, Adoptable: !gone && !(found && own.Pending()), MayExcuse: c.mayExcuse(i, row)}
}

// mayExcuse reports whether a flow log may be what replaces the incident's: no other
// loss was excused by it, and its destination was known before the wait around the
// deletion began. So whom a rule names can't send traffic to a new place by it.
func (c *Case) mayExcuse(i Incident, by inventory.Row) bool {
	if !i.WaitsForReplacement() || by.Excuses != "" && by.Excuses != i.FlowLogID {
		return false
	}
	since, known := c.KnownDestinations[by.Destination(c.Scope)]
	return known && (since.IsZero() || since.Before(Earlier(i.DeletedAt, by.CreatedAt).Add(-i.Waited)))
}

// WaitsForReplacement reports whether a rule gives the principal who deleted the flow log
// time to replace it.
func (i Incident) WaitsForReplacement() bool { return i.Action == Wait && i.Waited != 0 }
