package daemon

import "time"

// requests are the refreshes of one scope that records and failures ask for, in addition to those on the schedule. The
// zero value has none. It has no clock, and is not safe for concurrent use.
type requests struct {
	due      time.Time // the next one; zero: none
	followUp time.Time // the one that follows a record after the pause of addRecord; zero: none
	recordAt time.Time // of the last addRecord
	begunAt  time.Time // of the last one that was due
}

// add asks for a refresh: now, but not within requestPause of the last one.
func (q *requests) add(now time.Time) {
	if !q.due.IsZero() {
		return
	}
	q.due = now
	if earliest := q.begunAt.Add(requestPause); earliest.After(now) {
		q.due = earliest
	}
}

// addRecord asks because of a record: for a refresh like add, and for a second one after the pause, because AWS may
// still show the first one what was before.
func (q *requests) addRecord(now time.Time, pause time.Duration) {
	q.add(now)
	q.recordAt = now
	if q.followUp.IsZero() {
		q.followUp = now.Add(pause)
	}
}

// next returns when the next refresh is due, or zero.
func (q *requests) next() time.Time {
	if q.due.IsZero() || !q.followUp.IsZero() && q.followUp.Before(q.due) {
		return q.followUp
	}
	return q.due
}

// take reports whether a refresh is due, which begins now. Of records that came after the one whose second refresh
// begins, the last one has a second refresh of its own.
func (q *requests) take(now time.Time, pause time.Duration) bool {
	if next := q.next(); next.IsZero() || next.After(now) {
		return false
	}
	if !q.due.After(now) {
		q.due = time.Time{}
	}
	if !q.followUp.IsZero() && !q.followUp.After(now) {
		if second := q.recordAt.Add(pause); second.After(q.followUp) {
			q.followUp = second
		} else {
			q.followUp = time.Time{}
		}
	}
	q.begunAt = now
	return true
}
