package remediate

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
	"flowkeeper/remediate/trust"
)

// Store keeps incidents, rows and alerts. Update runs one transaction: all of fn's changes
// are on disk when it returns nil. After an error none are, unless the commit itself failed:
// then all of them may be. View runs fn on one consistent state, in which it must change nothing.
// fn may run again or share a transaction with others; it must not keep Tx. Many goroutines may call
// both at the same time.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx is one transaction.
type Tx interface {
	Cases
	DueItems
	Events

	campaign.Tx
	trust.Tx
	repeat.Tx
	repeat.Calls
}

// Cases load and save what decisions are about.
type Cases interface {
	// Case loads what decisions about some flow logs of a scope depend on. With an error the case may
	// be nil, or have only a part of that. SaveCase writes what was changed in it.
	Case(scope inventory.Scope, of incident.Selection, now time.Time) (*incident.Case, error)
	SaveCase(c *incident.Case) error

	// Unrecorded returns those of the flow logs ids whose history does not have the record with
	// this event ID and claim (see [incident.ClaimOf]). Each value is the resource of the flow
	// log; empty: it is not protected.
	Unrecorded(scope inventory.Scope, ids []string, eventID, claim string) (map[string]string, error)
	// Blocked are the flow logs whose incidents wait for a person.
	Blocked(scope inventory.Scope, limit int) (ids []string, err error)
	// Unrestored counts the incidents that are open or blocked.
	Unrestored(scope inventory.Scope) (int, error)
	// UnknownOpen returns flow logs that the snapshot did not know when a record named them: those
	// whose incident is open, and those that the snapshot has learned since. At most limit.
	UnknownOpen(scope inventory.Scope, limit int) (ids []string, err error)
	// Decoys returns at most limit live flow logs that count as decoys, in the order of their IDs: those
	// after the ID after.
	Decoys(scope inventory.Scope, after string, limit int) (ids []string, err error)
}

// DueItems are what is due, and when.
type DueItems interface {
	// Due returns the incidents that are due and have a turn, in the order of their turns.
	Due(scope inventory.Scope, now time.Time, turns incident.Turns) ([]incident.Incident, error)
	// Sharing returns at most limit incidents with this CallKey, which may share one call: all, if the
	// key is of a call that was sent, else those that are due.
	Sharing(scope inventory.Scope, key string, now time.Time, limit int) ([]incident.Incident, error)
	// DueEvents are events whose time has come.
	DueEvents(scope inventory.Scope, now time.Time) ([]incident.Event, error)
	// DueBursts returns the bursts that are due: those of the scope, those of no scope, and those
	// of any other scope that were due before orphaned.
	DueBursts(scope inventory.Scope, now, orphaned time.Time) ([]repeat.Burst, error)
	// NextDue is when the next incident, event or burst of the scope is due, and the next
	// burst of no scope.
	NextDue(scope inventory.Scope) (Upcoming, error)
}

// Events are calls that deleted flow logs, or refreshes that found some gone.
type Events interface {
	// Event returns an event of a scope, and false if there is none. PutEvent writes an event: it replaces
	// the one with the same scope and ID.
	Event(scope inventory.Scope, id string) (incident.Event, bool, error)
	PutEvent(e incident.Event) error
	// EventIncidents returns the incidents that an event opened, reopened or claimed, and, if
	// ever is set, all that it ever named.
	EventIncidents(scope inventory.Scope, eventID string, ever bool) ([]incident.Incident, error)
	// EventStates counts these incidents by state. Open ones that a rule makes wait
	// until after now count as "waiting".
	EventStates(scope inventory.Scope, eventID string, ever bool, now time.Time) (map[incident.State]int, error)
	// EventOpen reports whether an incident that the event ever named is open,
	// and does not wait beyond now.
	EventOpen(scope inventory.Scope, eventID string, now time.Time) (bool, error)
	// AddAlert puts an alert and its deliveries into the outbox. An alert whose ID is there
	// already changes nothing.
	AddAlert(a alert.Alert) error
	// EventsOf returns the events that the incidents of these flow logs belong to, and those that
	// named them, as far as their history has not been dropped.
	EventsOf(scope inventory.Scope, ids ...string) ([]string, error)
}
