package incident

import (
	"time"

	"flowkeeper/inventory"
)

// Case is what decisions about some flow logs of one account and Region depend on: their
// rows and incidents, and what else is on their resources, in its Tables. It is loaded in
// a transaction, changed in memory, and saved in the same transaction; it does not outlive
// that, and is not safe for concurrent use. A new one needs its Scope, Policy and Now.
type Case struct {
	Scope          inventory.Scope
	Complete       bool      // the scope has had its first complete refresh
	FirstRefreshAt time.Time // when that refresh ended; zero: there was none
	Holds          bool      // the scope had a complete refresh since the state file was made or adopted: see Rows.MayHold
	AccountSince   time.Time // when the first refresh ended in any other Region of the account for which Holds is true; zero: there is none
	Stale          bool      // the snapshot is from a copy so old that a loss by drift is only alerted
	// KnownDestinations are those of the destinations that the caller asked the store about to which
	// flow logs deliver or have delivered, with the time when the first of these flow logs was seen;
	// zero: by the first refresh.
	KnownDestinations map[string]time.Time

	Policy Policy
	Now    time.Time // of all decisions and changes
	// StartedAt is when this process began to work on the scope. One before it may have died between a create
	// and the commit of the answer. Zero: not known.
	StartedAt time.Time
	Random    [32]byte // of this case alone, and secret: what new ClientTokens are made from

	Tables
	Effects Effects // of all changes so far
}

// Row is the snapshot's row of a flow log, with the last complete refresh as the time when AWS showed it
// last (LastSeenAt), if that had to list it. Tables.Live returns rows as they are stored.
func (c *Case) Row(id string) (inventory.Row, bool) {
	r, ok := c.rows.byID[id]
	if hadToList(c, r) {
		r = r.ListedBy(c.RefreshedAt)
	}
	return r, ok
}

// putRowAndNotice changes a row, and its DecoyNotice with it: a row that begins to count as a decoy gets one, and loses
// it when it does not count as a decoy any more.
func (c *Case) putRowAndNotice(row inventory.Row) {
	was, known := c.Row(row.ID)
	switch {
	case row.LiveDecoy() && !(known && was.LiveDecoy()):
		row.DecoyNotice = decoyNotice(c.place(row.ResourceID), row)
	case row.State == inventory.Live && !row.LiveDecoy():
		row.DecoyNotice = nil
	case row.State == inventory.Gone:
		_, reported := c.Incident(row.ID) // the alert of its deletion names it
		if reported || !row.KeptAsDecoy() || c.place(row.ResourceID).madeByTelemetry(row) {
			row.DecoyNotice = nil
		}
	}
	c.putRowAlone(row)
}

// hadToList reports whether the last complete refresh must have listed a live row, because it would have found
// the row lost otherwise. A row that became live just before need not be listed (see inventory.NewDiff).
func hadToList(c *Case, r inventory.Row) bool {
	isAhead := r.WrittenAt.After(c.Now.Add(time.Minute)) // the clock went back since
	return isAhead || r.WrittenAt.Before(c.RefreshedAt.Add(-c.Policy.ConsistencyWindow))
}

// seenRow is the row of an incident's flow log, if AWS has shown the flow log, or a person asked
// to restore it from a file.
func seenRow(c *Case, i Incident) (inventory.Row, bool) {
	row, ok := c.Row(i.FlowLogID)
	return row, ok && (!row.Imported || i.Requested)
}

// Selection is what a Case is loaded for.
type Selection struct {
	IDs       []string // of flow logs
	Resources []string // in addition to those that the flow logs are on
}
