package store

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// addDelivery puts an alert into the queue of one sink. What is to go before it,
// because it is about the same thing, becomes as urgent as it.
func (t *tx) addDelivery(num int64, sink string, a alert.Alert) error {
	urgency := a.Urgency()
	if err := t.exec(`INSERT INTO deliveries (alert, sink, next_at, urgency) VALUES (?, ?, ?, ?)`, num, sink, a.Time.UnixMilli(), urgency); err != nil {
		return err
	}
	t.delivers = append(t.delivers, sink)
	if a.DedupKey != "" {
		if err := t.exec(raiseKey, urgency, sink, a.DedupKey); err != nil {
			return err
		}
	}
	if a.EndsCampaign() {
		if err := t.exec(raiseCampaign, urgency, sink, a.CampaignID); err != nil {
			return err
		}
	}
	if answers(a) == 2 {
		return t.holdAnswer(num, sink)
	}
	return nil
}

// raise makes pending deliveries of a sink (?2) as urgent as ?1, where they are less
// so. (The plus: SQLite is to begin with the few alerts of one key.)
const (
	raise = `UPDATE deliveries SET urgency = ?1 WHERE sink = ?2 AND sent_at IS NULL AND parked_at IS NULL AND +urgency > ?1 AND alert IN `

	raiseKey      = raise + `(SELECT num FROM alerts WHERE dedup_key = ?3)`
	raiseCampaign = raise + `(SELECT num FROM alerts WHERE campaign = ?3 AND campaign <> '')`
)

// ready are the pending deliveries of a sink but those that answer an alert
// which it has not got yet, and those that come after such an answer: a pager
// that is resolved before it is opened stays open, and one that is opened again
// before it is resolved is closed while it should ring. A pager opens and
// resolves by the campaign where there is one, others by the dedup key. (CROSS
// JOIN: SQLite is to begin with the few alerts of one key.)
const ready = `d.sink = ?1 AND d.sent_at IS NULL AND d.parked_at IS NULL
	AND NOT EXISTS (SELECT 1 FROM alerts b CROSS JOIN deliveries e ON e.alert = b.num AND e.sink = d.sink
		WHERE b.dedup_key = a.dedup_key AND b.num < a.num AND (a.answers OR b.answers = 2) AND e.sent_at IS NULL AND e.parked_at IS NULL)
	AND NOT (a.ends AND EXISTS (SELECT 1 FROM alerts b CROSS JOIN deliveries e ON e.alert = b.num AND e.sink = d.sink
		WHERE b.campaign = a.campaign AND b.campaign <> '' AND b.num < a.num AND e.sent_at IS NULL AND e.parked_at IS NULL))
	AND NOT (a.campaign <> '' AND EXISTS (SELECT 1 FROM alerts b CROSS JOIN deliveries e ON e.alert = b.num AND e.sink = d.sink
		WHERE b.campaign = a.campaign AND b.ends = 1 AND b.num < a.num AND e.sent_at IS NULL AND e.parked_at IS NULL))`

// due are those whose time has come.
const due = ready + ` AND (d.next_at <= ?2 OR d.next_at > ?3)`

// What Next asks, of a sink (?1), now (?2), and the time beyond which a delivery
// was written before the clock went back (?3). Each reads an index of the pending
// deliveries in its order, and ends at the first that fits; what is not due is passed
// over within the index (x).
const (
	mostUrgent = `deliveries x INDEXED BY deliveries_urgency CROSS JOIN deliveries d ON d.sink = x.sink AND d.alert = x.alert JOIN alerts a ON a.num = d.alert
		WHERE x.sink = ?1 AND x.sent_at IS NULL AND x.parked_at IS NULL AND (x.next_at <= ?2 OR x.next_at > ?3) AND ` + ready + ` ORDER BY x.urgency, x.alert LIMIT 1`
	// longestWaiting looks at the first thousand only: a sink that has refused
	// more than those has other troubles. ?4: since when one must have waited.
	longestWaiting = `(SELECT * FROM deliveries INDEXED BY deliveries_pending WHERE sink = ?1 AND sent_at IS NULL AND parked_at IS NULL ORDER BY alert LIMIT 1000) d
		JOIN alerts a ON a.num = d.alert WHERE ` + due + ` AND a.at <= ?4 ORDER BY d.alert LIMIT 1`
	soonest = `SELECT d.next_at FROM deliveries d INDEXED BY deliveries_next JOIN alerts a ON a.num = d.alert
		WHERE ` + ready + ` ORDER BY d.next_at LIMIT 1`
)

const (
	// longWait is after what time an alert's age counts, and ageTurn which of so
	// many goes by age alone then: a stream of urgent ones without end holds
	// nothing up for ever, and before an urgent one comes one old one at most.
	longWait = 5 * time.Minute
	ageTurn  = 8
)

// Next implements sink.Outbox.
func (s *Store) Next(ctx context.Context, sink string, now time.Time) (d sink.Delivery, ok bool, err error) {
	byAge, added := s.turn(sink)
	err = s.read(ctx, func(t *tx) error {
		args := []any{sink, now.UnixMilli(), now.Add(farthestTry).UnixMilli()}
		if byAge {
			if d, ok, err = t.first(longestWaiting, append(args, now.Add(-longWait).UnixMilli())...); err != nil || ok {
				return err
			}
		}
		if d, ok, err = t.first(mostUrgent, args...); err != nil || ok {
			return err
		}
		return t.rows(func(scan func(...any) error) error {
			var next int64
			err := scan(&next)
			d.NextAt = time.UnixMilli(next)
			return err
		}, soonest, sink)
	})
	if err == nil && !ok {
		s.hasAll(sink, added)
	}
	return d, ok, err
}

func (t *tx) first(from string, args ...any) (d sink.Delivery, ok bool, err error) {
	ds, err := t.scanDeliveries(from, args...)
	if err != nil || len(ds) == 0 {
		return d, false, err
	}
	return ds[0], true, nil
}

// ringing are the deliveries that opened an incident which must ring on: of alerts
// that came late to the sink (?1), and of those that ring on wherever they come.
const ringing = `FROM alerts o CROSS JOIN deliveries e ON e.alert = o.num WHERE e.sink = ?1 AND e.sent_at IS NOT NULL AND NOT o.answers
	AND (o.rings_on OR e.sent_at > o.at + ?2)`

const (
	// holdPending puts off, to ?1, what answers the alert ?3 at the sink ?2, where that
	// rings on or was added before ?4. ?5 is the log.
	holdPending = `UPDATE deliveries SET next_at = max(next_at, ?1) WHERE sink = ?2 AND sent_at IS NULL AND parked_at IS NULL AND alert IN
		(SELECT b.num FROM alerts a JOIN alerts b ON b.dedup_key = a.dedup_key AND b.num > a.num AND b.answers = 2
			WHERE a.id = ?3 AND NOT a.answers AND (a.at < ?4 OR a.rings_on AND ?2 <> ?5)
		UNION SELECT b.num FROM alerts a JOIN alerts b ON b.campaign = a.campaign AND b.campaign <> '' AND b.num > a.num AND b.ends = 1
			WHERE a.id = ?3 AND NOT a.answers AND (a.at < ?4 OR a.rings_on AND ?2 <> ?5))`
	// holdNew puts off the answer ?4 until ?3 after the last of what it answers was
	// sent to the sink ?1, where that came ?2 late, or rings on.
	holdNew = `UPDATE deliveries SET next_at = max(next_at, coalesce((SELECT max(e.sent_at) + ?3 ` + ringing + `
			AND o.num IN (SELECT b.num FROM alerts a JOIN alerts b ON b.dedup_key = a.dedup_key AND b.num < a.num WHERE a.num = ?4
				UNION SELECT b.num FROM alerts a JOIN alerts b ON b.campaign = a.campaign AND b.campaign <> '' AND b.num < a.num WHERE a.num = ?4 AND a.ends)), 0))
		WHERE sink = ?1 AND alert = ?4`
)

// holdAnswers puts off what resolves an alert that a sink has just got, where that
// is to ring on: its answer may wait in the outbox already. The log rings nobody.
func (t *tx) holdAnswers(name, alertID string, sent time.Time) error {
	return t.exec(holdPending, sent.Add(alert.MinRing).UnixMilli(), name, alertID, sent.Add(-alert.Late).UnixMilli(), sink.LogName)
}

// holdAnswer does so for an answer that comes after what it answers was sent.
func (t *tx) holdAnswer(num int64, name string) error {
	if name == sink.LogName {
		return nil
	}
	return t.exec(holdNew, name, alert.Late.Milliseconds(), alert.MinRing.Milliseconds(), num)
}
