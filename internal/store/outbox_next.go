package store

import (
	"context"

	"flowkeeper/alert/sink"
)

// ready is the condition of a pending delivery to a sink (?1) that no earlier one holds
// back. An alert that answers others waits until the sink has those: a pager that resolves
// an incident before it opens it would leave it open. An alert also waits until the sink
// has all earlier ones that resolve: a pager that opens an incident again before it resolves
// it would close it. A pager has one incident for a campaign, and else one for a dedup key.
// (CROSS JOIN: SQLite must begin with the few alerts of one key.) outbox_order_test.go has the
// same rules without SQL, as a specification that the tests compare with.
const ready = `d.sink = ?1 AND d.sent_at IS NULL AND d.parked_at IS NULL
	AND NOT EXISTS (SELECT 1 FROM alerts b CROSS JOIN deliveries e ON e.alert = b.num AND e.sink = d.sink
		WHERE b.dedup_key = a.dedup_key AND b.num < a.num AND (a.answers <> ` + answersNone + ` OR b.answers = ` + resolves + `) AND e.sent_at IS NULL AND e.parked_at IS NULL)
	AND NOT (a.ends AND EXISTS (SELECT 1 FROM alerts b CROSS JOIN deliveries e ON e.alert = b.num AND e.sink = d.sink
		WHERE b.campaign = a.campaign AND b.campaign <> '' AND b.num < a.num AND e.sent_at IS NULL AND e.parked_at IS NULL))
	AND NOT (a.campaign <> '' AND EXISTS (SELECT 1 FROM alerts b CROSS JOIN deliveries e ON e.alert = b.num AND e.sink = d.sink
		WHERE b.campaign = a.campaign AND b.ends = 1 AND b.num < a.num AND e.sent_at IS NULL AND e.parked_at IS NULL))`

// due is the condition of those that are also due.
const due = ready + ` AND (d.next_at <= ?2 OR d.next_at > ?3)`

// The queries of Next. Their arguments are a sink (?1), the current time (?2), and the
// time beyond which a delivery was written before the clock went back (?3). Each reads an
// index of the pending deliveries in its order, and ends at the first that fits. Deliveries
// that are not due are skipped within the index (x).
const (
	mostUrgent = `deliveries x INDEXED BY deliveries_urgency CROSS JOIN deliveries d ON d.sink = x.sink AND d.alert = x.alert JOIN alerts a ON a.num = d.alert
		WHERE x.sink = ?1 AND x.sent_at IS NULL AND x.parked_at IS NULL AND (x.next_at <= ?2 OR x.next_at > ?3) AND ` + ready + ` ORDER BY x.urgency, x.alert LIMIT 1`
	// longestWaiting reads the first thousand only: a sink that has refused more of
	// them has another problem. The alert must be from ?4 or earlier.
	longestWaiting = `(SELECT * FROM deliveries INDEXED BY deliveries_pending WHERE sink = ?1 AND sent_at IS NULL AND parked_at IS NULL ORDER BY alert LIMIT 1000) d
		JOIN alerts a ON a.num = d.alert WHERE ` + due + ` AND a.at <= ?4 ORDER BY d.alert LIMIT 1`
	// pending counts up to two alerts that wait for a sink, and has the number of one.
	pending = `SELECT count(*), coalesce(max(alert), 0) FROM (SELECT alert FROM deliveries INDEXED BY deliveries_pending
		WHERE sink = ? AND sent_at IS NULL AND parked_at IS NULL LIMIT 2)`
	soonest = `SELECT d.next_at FROM deliveries d INDEXED BY deliveries_next JOIN alerts a ON a.num = d.alert
		WHERE ` + ready + ` ORDER BY d.next_at LIMIT 1`
)

// Next implements sink.Outbox.
func (s outbox) Next(ctx context.Context, sink string, choice sink.Choice) (d sink.Delivery, ok bool, err error) {
	now, added := choice.Now, s.outlets.addedTo(sink)
	err = s.View(ctx, func(t *Tx) error {
		var waiting, num int64
		if _, err := firstRow(t, []any{&waiting, &num}, pending, sink); err != nil || waiting == 0 {
			return err
		}
		if waiting == 1 {
			if d, ok = s.outlets.takeOnly(sink, num, now); ok {
				return nil
			}
		}
		args := []any{sink, now.UnixMilli(), now.Add(farthestTry).UnixMilli()}
		if !choice.WaitingSince.IsZero() {
			if d, ok, err = t.firstDelivery(longestWaiting, append(args, choice.WaitingSince.UnixMilli())...); err != nil || ok {
				return err
			}
		}
		if d, ok, err = t.firstDelivery(mostUrgent, args...); err != nil || ok {
			return err
		}
		_, err := firstRow(t, []any{&d.NextAt}, soonest, sink)
		return err
	})
	if err == nil && !ok {
		s.outlets.hasAll(sink, added)
	}
	return d, ok, err
}

func (t alerts) firstDelivery(from string, args ...any) (d sink.Delivery, ok bool, err error) {
	ds, err := t.deliveries(from, args...)
	if err != nil || len(ds) == 0 {
		return d, false, err
	}
	return ds[0], true, nil
}
