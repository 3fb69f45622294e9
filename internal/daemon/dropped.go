package daemon

import "time"

// droppedNotice says in the log that alerts were dropped before every sink had
// them: once, and again after a day at most. It is owned by the loop that calls it.
type droppedNotice struct {
	said   int64 // of them
	saidAt time.Time
}

// due reports how many there are to be said of now; 0: none.
func (n *droppedNotice) due(undelivered int64, now time.Time) int64 {
	fresh := undelivered - n.said
	if fresh <= 0 || !n.saidAt.IsZero() && now.Sub(n.saidAt) < 24*time.Hour {
		return 0
	}
	n.said, n.saidAt = undelivered, now
	return fresh
}

// noticeDropped logs it.
func (d *Daemon) noticeDropped(n *droppedNotice) {
	if fresh := n.due(d.store.Dropped().Undelivered, time.Now()); fresh > 0 {
		d.Log.Warn("alerts of attempts, tampering, or deletions of flow logs that nobody ever saw were dropped before every sink had them, to make room in the state file; those of known flow logs are never dropped. See who makes these calls, and which sink is down",
			"alerts", fresh)
	}
}
