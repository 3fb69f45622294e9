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
	Scope    inventory.Scope
	Complete bool // the scope has had its first complete refresh
	Stale    bool // the snapshot is from a copy so old that a loss by drift is only alerted
	// KnownDestinations are the destinations that the caller asked the store for, and that
	// flow logs deliver to, or did; with the time when the first one was seen. Zero: before
	// the first refresh.
	KnownDestinations map[string]time.Time

	Policy Policy
	Now    time.Time // of all decisions and changes

	Tables
	Effects Effects // of all changes so far
}

// Selection is what a Case is loaded for.
type Selection struct {
	IDs       []string // of flow logs
	Resources []string // beside those that the flow logs are on
}

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
			c.Put(i)
		}
	}
}
