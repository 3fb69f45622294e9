package alert

import (
	"slices"
	"strings"
)

// OwnEvent is a kind of event whose ID Flowkeeper makes itself, because CloudTrail has
// none. Its value begins the ID. CloudTrail does not know such an ID: no alert advises to
// look it up there.
type OwnEvent string

const (
	UnnamedEvent OwnEvent = "without-id-" // a record that has no event ID
	ForgedEvent  OwnEvent = "record-"     // a record whose event ID is one of Flowkeeper's own
	DriftEvent   OwnEvent = "drift-"      // a refresh that found losses
	LostEvent    OwnEvent = "lost-"       // a replacement that was lost in turn
)

// ID is the ID of the event of this kind that part tells from the others.
func (e OwnEvent) ID(part string) string { return string(e) + part }

// isOwnEvent reports whether Flowkeeper has made an event ID.
func isOwnEvent(id string) bool {
	return slices.ContainsFunc([]OwnEvent{UnnamedEvent, ForgedEvent, DriftEvent, LostEvent}, func(e OwnEvent) bool { return strings.HasPrefix(id, string(e)) })
}
