package trust

import (
	"fmt"
	"slices"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Tx is what is stored of destinations, in a transaction of the caller.
type Tx interface {
	// NewDestination notes a destination that was first seen at a time, or (zero)
	// by the first refresh, and reports whether it is new in the scope.
	NewDestination(scope inventory.Scope, destination string, at time.Time) (bool, error)
	// DestinationsSince returns those of the destinations that were noted, with the time of [Tx.NewDestination].
	DestinationsSince(scope inventory.Scope, destinations []string) (map[string]time.Time, error)
	// Approved reports whether a recipient was approved.
	Approved(r inventory.Recipient) (bool, error)
	// DeliversTo reports whether a protected live flow log of any scope delivers to a recipient.
	DeliversTo(r inventory.Recipient) (bool, error)
	// EverDelivered are the scopes in which a protected flow log has ever delivered to a recipient.
	EverDelivered(r inventory.Recipient) ([]inventory.Scope, error)
	// LostFlowLogs are the protected flow logs that a scope has lost.
	LostFlowLogs(scope inventory.Scope) ([]inventory.Row, error)
	// Approve notes that a recipient was approved.
	Approve(r inventory.Recipient) error
	// Held are the flow logs of all scopes that are held, or were until they were lost.
	Held() ([]inventory.Row, error)
}

// Facts are what is known of the destinations of flow logs of a scope, in one transaction.
type Facts struct {
	Tx      Tx
	Scope   inventory.Scope
	MayHold bool // flow logs may be held; if not, all recipients count as trusted

	trusted map[inventory.Recipient]bool // those that were looked up, and are trusted
}

// LoadKnown loads into a case since when the destinations of some flow logs are known. It does so only if a decision
// depends on that: one of their incidents is new, or waits for a replacement.
func LoadKnown(tx Tx, c *incident.Case, ids []string) (err error) {
	needed, destinations := false, make([]string, 0, len(ids))
	for _, id := range ids {
		i, ok := c.Incident(id)
		needed = needed || !ok || !i.Known || i.WaitsForReplacement()
		if row, ok := c.Row(id); ok {
			destinations = append(destinations, row.Destination(c.Scope))
		}
	}
	if needed {
		c.KnownDestinations, err = tx.DestinationsSince(c.Scope, destinations)
	}
	return err
}

// Of returns what is known of the destination of a flow log, and notes the destination if it is new.
// since is when the flow log was first seen; zero: by the first refresh.
func (t *Facts) Of(f inventory.FlowLog, since time.Time) (to incident.DestinationFacts, err error) {
	destination := f.Destination(t.Scope)
	if !since.IsZero() {
		since = incident.Later(since, f.CreatedAt) // by AWS's clock: this machine's may be behind
	}
	if to.New, err = t.Tx.NewDestination(t.Scope, destination, since); err != nil {
		return to, err
	}
	recipient := inventory.RecipientOf(destination)
	if !t.MayHold || recipient == "" || t.trusted[recipient] {
		to.Trusted = true
		return to, nil
	}
	if to.Trusted, err = Trusted(t.Tx, recipient); to.Trusted {
		if t.trusted == nil {
			t.trusted = map[inventory.Recipient]bool{}
		}
		t.trusted[recipient] = true
	}
	return to, err
}

// Trusted reports whether a recipient was approved, or a protected flow log of any scope
// delivers to it, or did until it was lost. A lost one counts, because its replacement will
// deliver to the same recipient.
func Trusted(tx Tx, r inventory.Recipient) (bool, error) {
	if approved, err := tx.Approved(r); err != nil || approved {
		return approved, err
	}
	if delivers, err := tx.DeliversTo(r); err != nil || delivers {
		return delivers, err
	}
	scopes, err := tx.EverDelivered(r)
	if err != nil {
		return false, err
	}
	for _, s := range scopes {
		lost, err := tx.LostFlowLogs(s)
		if err != nil || slices.ContainsFunc(lost, func(row inventory.Row) bool { return deliveredTo(row, r) }) {
			return err == nil, err
		}
	}
	return false, nil
}

// deliveredTo reports whether a lost flow log delivered to a recipient. One that was only imported
// does not count: AWS has never shown it.
func deliveredTo(lost inventory.Row, r inventory.Recipient) bool {
	return !lost.Imported && inventory.RecipientOf(lost.Destination(lost.Scope)) == r
}

// Approve notes that the recipients of some destinations are approved. It returns the IDs of
// the flow logs that deliver to them and are held, or were until they were lost. A
// destination that no such flow log delivers to is an error, unless it was trusted before.
func Approve(tx Tx, destinations []string) (map[inventory.Scope][]string, error) {
	held, err := tx.Held()
	if err != nil {
		return nil, err
	}
	recipients, trusted := make([]inventory.Recipient, 0, len(destinations)), map[inventory.Recipient]bool{}
	for _, destination := range destinations {
		to := inventory.RecipientOf(destination)
		recipients = append(recipients, to)
		if trusted[to], err = Trusted(tx, to); err != nil {
			return nil, err
		}
	}
	ids, err := heldFor(recipients, held, trusted)
	if err != nil {
		return nil, err
	}
	for _, to := range recipients {
		if err := tx.Approve(to); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// heldFor are the IDs of the held flow logs that deliver to any of some recipients, by scope. A recipient to which none
// delivers is an error, unless it was trusted before: most likely somebody has mistyped it.
func heldFor(recipients []inventory.Recipient, held []inventory.Row, trusted map[inventory.Recipient]bool) (map[inventory.Scope][]string, error) {
	ids := map[inventory.Scope][]string{}
	for _, to := range recipients {
		none := true
		for _, row := range held {
			if inventory.RecipientOf(row.Destination(row.Scope)) == to {
				ids[row.Scope], none = append(ids[row.Scope], row.ID), false
			}
		}
		if none && !trusted[to] {
			return nil, fmt.Errorf("no flow log that is held delivers to %s: see `flowkeeper inventory list --held`", to)
		}
	}
	return ids, nil
}
