package incident

import (
	"strconv"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// CountedFor is how long a loss that no event has reported is counted, and an event for which AWS said that a
// ClientToken was used before.
const CountedFor = 24 * time.Hour

// DriftEventID is the ID of the event of what a refresh of a scope, begun at a time, finds gone. It ends with that
// time in milliseconds, so that the IDs of a scope are in the order of their times.
func DriftEventID(s inventory.Scope, started time.Time) string {
	return driftEvents(s) + strconv.FormatInt(started.UnixMilli(), 10)
}

// driftEvents begins the IDs of the events of a scope's refreshes.
func driftEvents(s inventory.Scope) string {
	return alert.DriftEvent.ID(s.Account + "-" + s.Region + "-")
}

// IsUnreported reports whether a refresh found the loss within CountedFor before now, and no event has reported it.
// Many of these say that events do not arrive. Metrics and doctor count them.
//
// A closed incident is none: AWS removes the flow logs of a deleted resource without an event. One whose replacement
// was adopted is none: another daemon on the queue, which has received the event, may have made that.
//
// The store counts by the same rule in SQL, so that it need not decode each incident.
func IsUnreported(i Incident, now time.Time) bool {
	byRefresh := strings.HasPrefix(i.EventID, driftEvents(i.Scope)) && i.EventID >= DriftEventID(i.Scope, now.Add(-CountedFor))
	return byRefresh && i.Source == ByDrift && !i.Adopted && i.State != Closed // a record that comes after the restore changes the source alone
}
