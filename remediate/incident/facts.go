package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"flowkeeper/inventory"
)

// Facts is what AWS showed of an incident's resource, and what the snapshot has
// about it.
type Facts struct {
	ResourceID    string     // that AWS was asked about
	At            time.Time  // when it was asked
	Alive         bool       // AWS shows the lost flow log
	Others        []Other    // other flow logs on the resource, the oldest first
	Restores      []Incident // of the lineage within the last hour
	InSnapshot    bool       // the snapshot has a row of the lost flow log
	Imported      bool       // it has one that counts for nothing yet: see ImportedOnly
	CreatedAt     time.Time  // when the lost one was created
	Protected     bool       // its row is protected
	MayBeDecoy    bool       // it may be a decoy of a flow log whose loss nothing has reported yet
	Held          bool       // its row is held
	Released      bool       // it was released when it was lost
	Complete      bool       // the scope has had its first refresh
	AlreadyExists bool       // AWS was asked because a create had answered FlowLogAlreadyExists
}

// unprotected reports whether nothing is restored from the lost one's row.
func (f Facts) unprotected() bool { return !f.Protected || f.MayBeDecoy }

// covers reports whether AWS was asked about the incident's resource, and not before the
// incident was opened: any other observation says nothing about it. Where no resource is
// known there is nothing to ask about, and the answer to a create will show it.
func (f Facts) covers(i Incident) bool {
	return i.ResourceID == "" || f.ResourceID == i.ResourceID && !f.At.Before(i.OpenedAt)
}

// shown are the other flow logs on the resource, by ID.
func (f Facts) shown() map[string]inventory.FlowLog {
	out := map[string]inventory.FlowLog{}
	for _, other := range f.Others {
		out[other.ID] = other.FlowLog
	}
	return out
}

// Other is a flow log that an observation shows beside the lost one.
type Other struct {
	inventory.FlowLog
	CreatedBy string // principal that made it; empty: not known
	Adoptable bool   // it is neither lost itself nor gone, or a call in doubt has made it
	Telemetry bool   // the role of CloudWatch's telemetry rules made it: it is no decoy
	MayExcuse bool   // it excuses no other loss, and delivers to where it may: see mayExcuse
}

// facts are an observation of an incident's resource with what the snapshot has about it.
func (c *Case) facts(i Incident, o Observation) Facts {
	f := Facts{At: o.At, AlreadyExists: o.AlreadyExists, Complete: c.Complete, Restores: c.restores(i.RootID, c.Now)}
	if o.Resources[i.ResourceID] {
		f.ResourceID = i.ResourceID
	}
	for id, shown := range o.FlowLogs {
		if id == i.FlowLogID {
			f.Alive = true
		} else if shown.ResourceID == i.ResourceID {
			f.Others = append(f.Others, c.place(i.ResourceID).other(i, shown, o))
		}
	}
	slices.SortFunc(f.Others, func(a, b Other) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID)) // every daemon adopts the same one
	})
	row, ok := seenRow(c, i)
	if ok {
		f.Held = row.Held
		f.InSnapshot, f.CreatedAt, f.Released = true, row.CreatedAt, row.Released(i.lostAt())
		f.Protected = row.Protected && !c.place(row.ResourceID).isConfirmedDecoy(row, o)
		f.MayBeDecoy = f.Protected && c.place(row.ResourceID).mayBeDecoy(row, i.OpenedAt, o)
	}
	f.Imported = row.Imported && !ok
	return f
}

// other is a flow log that an observation shows beside the lost one.
func (p place) other(i Incident, f inventory.FlowLog, o Observation) Other {
	row, known := p.c.Row(f.ID)
	own, found := p.c.Incident(f.ID)
	gone := known && row.State == inventory.Gone
	lost := found && own.Pending()
	if o.AlreadyExists && o.At.Sub(row.GoneAt) >= p.c.Policy.ConsistencyWindow {
		gone = false // no observation is that stale: the row is marked gone by mistake
	}
	telemetry := p.c.Policy.trustsTelemetry(p.c.Scope.Account, row.CreatedBy)
	return Other{FlowLog: f, CreatedBy: row.CreatedBy, Adoptable: mayHaveMade(i, f) || !gone && !lost, Telemetry: telemetry,
		MayExcuse: mayExcuse(i, row, telemetry, p.c.KnownDestinations)}
}

// mayExcuse reports whether a flow log may be what replaces the incident's: no other
// loss was excused by it, and its destination was known before the wait around the
// deletion began. So a principal that a rule names can't send traffic to a new destination. AWS's
// telemetry rules may deliver to a new log group, if that is the account's own.
// destinations are Case.KnownDestinations.
func mayExcuse(i Incident, by inventory.Row, telemetry bool, destinations map[string]time.Time) bool {
	excusesAnother := by.Excuses != "" && by.Excuses != i.FlowLogID
	if !i.WaitsForReplacement() || excusesAnother {
		return false
	}
	if telemetry && isOwnLogGroup(i.Scope, by.Destination(i.Scope)) {
		return true
	}
	since, known := destinations[by.Destination(i.Scope)]
	waitBegan := Earlier(i.DeletedAt, by.CreatedAt).Add(-i.Waited)
	return known && (since.IsZero() || since.Before(waitBegan))
}

// toNewDestination reports whether nothing delivered to a flow log's destination at the first refresh. The state file
// has a bounded number of destinations. A flow log to any other destination counts as late if it was first seen
// after that refresh.
func (c *Case) toNewDestination(row inventory.Row) bool {
	if since, known := c.KnownDestinations[row.Destination(c.Scope)]; known {
		return !since.IsZero()
	}
	seen := row.FirstSeenAt
	if !row.LineageSince.IsZero() {
		seen = row.LineageSince
	}
	return !c.FirstRefreshAt.IsZero() && seen.After(c.FirstRefreshAt)
}

// nowKnown is the incident of a flow log after the snapshot has got its row: a record named it before that.
func nowKnown(c *Case, i Incident, row inventory.Row) Incident {
	if !i.Known {
		i.LateDestination = c.toNewDestination(row)
	}
	return i.freezeSettings(row)
}

// WaitsForReplacement reports whether a rule gives the principal who deleted the flow log
// time to replace it.
func (i Incident) WaitsForReplacement() bool { return i.Action == Wait && i.Waited != 0 }
