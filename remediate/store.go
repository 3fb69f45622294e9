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
	Turns
	Events

	campaign.Tx
	trust.Tx
	repeat.Tx
	repeat.Calls
}

// Cases are what decisions are about.
type Cases interface {
	// Case loads what decisions about some flow logs of a scope depend on. With an error it may have
	// some of that, or be nil. SaveCase writes what was changed in it.
	Case(scope inventory.Scope, of incident.Selection, now time.Time) (*incident.Case, error)
	SaveCase(c *incident.Case) error

	// Unrecorded are those of some flow logs whose incident's history does not have a record (its
	// event, and what it claims), each with its resource where it is protected, or else with an
	// empty string.
	Unrecorded(scope inventory.Scope, ids []string, eventID, claim string) (map[string]string, error)
	// Blocked are the flow logs whose incidents wait for a person.
	Blocked(scope inventory.Scope, limit int) (ids []string, err error)
	// Unrestored counts the incidents that are open or blocked.
	Unrestored(scope inventory.Scope) (int, error)
	// UnknownOpen are the flow logs that the snapshot did not know of whose incident,
	// open or closed as unknown, is open, or that the snapshot has learned since.
	UnknownOpen(scope inventory.Scope, limit int) (ids []string, err error)
	// Decoys are the live flow logs that count as decoys, in the order of their IDs: those after an ID.
	Decoys(scope inventory.Scope, after string, limit int) (ids []string, err error)
}

// Turns are what is due, and when.
type Turns interface {
	// Due are incidents whose time has come, in the order in which they have their turn.
	Due(scope inventory.Scope, now time.Time, turns incident.Turns) ([]incident.Incident, error)
	// Sharing are the incidents that may share one call, by their CallKey: those whose time
	// has come, or all of a call that was sent; at most limit.
	Sharing(scope inventory.Scope, key string, now time.Time, limit int) ([]incident.Incident, error)
	// DueEvents are events whose time has come.
	DueEvents(scope inventory.Scope, now time.Time) ([]incident.Event, error)
	// DueBursts are those of the scope, and of none, whose time has come, and those of any
	// scope that were due before orphaned.
	DueBursts(scope inventory.Scope, now, orphaned time.Time) ([]repeat.Burst, error)
	// NextDue is when the next incident, event or burst of the scope is due, and the next
	// burst of no scope.
	NextDue(scope inventory.Scope) (Upcoming, error)
}

// Events are calls that deleted flow logs, or refreshes that found some gone.
type Events interface {
	// Event returns an event of a scope, and false if there is none. PutEvent writes one, in place of
	// that with the same scope and ID.
	Event(scope inventory.Scope, id string) (incident.Event, bool, error)
	PutEvent(e incident.Event) error
	// EventIncidents are the incidents that an event opened, reopened or claimed;
	// ever: those that it ever named.
	EventIncidents(scope inventory.Scope, eventID string, ever bool) ([]incident.Incident, error)
	// EventStates counts them by state; open ones that wait beyond now for a
	// rule's time count as "waiting".
	EventStates(scope inventory.Scope, eventID string, ever bool, now time.Time) (map[incident.State]int, error)
	// EventOpen reports whether an incident that the event ever named is open,
	// and does not wait beyond now.
	EventOpen(scope inventory.Scope, eventID string, now time.Time) (bool, error)
	// AddAlert puts an alert and its deliveries into the outbox; one whose ID is there already
	// changes nothing.
	AddAlert(a alert.Alert) error
	// EventsOf are the events that named any of some incidents, as far as their history
	// goes, and those that they belong to.
	EventsOf(scope inventory.Scope, ids ...string) ([]string, error)
}
