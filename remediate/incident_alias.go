package remediate

import "flowkeeper/remediate/incident"

// The names of package incident that this package and its callers use.

// Incident is incident.Incident.
type Incident = incident.Incident

// Event is incident.Event.
type Event = incident.Event

// Entry is incident.Entry.
type Entry = incident.Entry

// Stuck is incident.Stuck.
type Stuck = incident.Stuck

// State is incident.State.
type State = incident.State

// Action is incident.Action.
type Action = incident.Action

// Policy is incident.Policy.
type Policy = incident.Policy

// Rule is incident.Rule.
type Rule = incident.Rule

// States of an incident.
const (
	Open     = incident.Open
	Restored = incident.Restored
	Verified = incident.Verified
	Blocked  = incident.Blocked
	Closed   = incident.Closed
)

// Reasons of an incident's state.
const (
	NotDelivering = incident.NotDelivering

	Permission  = incident.Permission
	Destination = incident.Destination
	Role        = incident.Role
	Limit       = incident.Limit
	Decoy       = incident.Decoy
	Invalid     = incident.Invalid
	Credentials = incident.Credentials
	Account     = incident.Account
	Refused     = incident.Refused

	ResourceGone = incident.ResourceGone
	Replaced     = incident.Replaced
	Released     = incident.Released
	Superseded   = incident.Superseded
	StillThere   = incident.StillThere
	Exempt       = incident.Exempt
	AlertOnly    = incident.AlertOnly
	Unknown      = incident.Unknown
)

// Sources of an incident.
const (
	ByEvent = incident.ByEvent
	ByDrift = incident.ByDrift
)

// What a deletion asks for.
const (
	Ignore  = incident.Ignore
	Alert   = incident.Alert
	Wait    = incident.Wait
	Restore = incident.Restore
)
