package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// outbox is the store as the senders of alerts use it: a sink.Outbox.
type outbox struct{ *file }

// farthestTry is beyond the longest pause between two tries of an alert: what
// seems due later was written before the clock went back.
const farthestTry = 2 * time.Hour

// Sent implements sink.Outbox.
func (s outbox) Sent(ctx context.Context, name, alertID string, at time.Time) error {
	delay := time.Duration(0)
	if s.outlets.owesOne(name) {
		delay = s.delay
	}
	err := s.updateWithin(ctx, delay, func(t *Tx) error {
		var num int64
		var r sink.Receipt
		_, err := firstRow(t, append(receiptColumns(&r), &num), markSent, at.UnixMilli(), name, alertID)
		if until := r.RingsUntil(); err == nil && !until.IsZero() { // what resolves it may wait in the outbox already
			err = t.exec(holdPending, until.UnixMilli(), name, num)
		}
		if err != nil || s.outlets.isCalm(name) {
			return err
		}
		return t.endSinkOutage(name)
	})
	if err == nil {
		s.outlets.sentOne(name)
	}
	return err
}

// markSent notes when (?1) a sink (?2) got an alert (?3), and returns the receipt and the number of the alert.
const markSent = `UPDATE deliveries SET sent_at = ?1, error = '' WHERE sink = ?2 AND alert = (SELECT num FROM alerts WHERE id = ?3)
	RETURNING sink, (SELECT at FROM alerts WHERE num = alert), sent_at, (SELECT answers <> ` + answersNone + ` FROM alerts WHERE num = alert), (SELECT rings_on FROM alerts WHERE num = alert), alert`

// endSinkOutage alerts the other sinks that one, which has just taken an alert, takes alerts again: see
// alert.TakesAgain.
func (t *Tx) endSinkOutage(sink string) error {
	last, err := t.fact(sinkOutage + sink)
	t.f.outlets.setCalm(sink, err == nil && last == "")
	if err != nil {
		return err
	}
	left, err := firstValue[bool](t, leftOver, sink)
	if err != nil {
		return err
	}
	end, ok := alert.TakesAgain(sink, last, left, t.f.now())
	if !ok {
		return nil
	}
	if err := t.setFact(sinkOutage+sink, ""); err != nil {
		return err
	}
	return t.addAlertForOthers(end, sink)
}

// leftOver is whether there is an alert that a sink has not taken in sink.HoldTriesRefused tries, after which
// it may be set aside. The number is part of the text, as in the index: SQLite uses a partial index only for a
// query with the condition of that.
var leftOver = fmt.Sprintf(`SELECT EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_refused WHERE sink = ?1 AND sent_at IS NULL AND attempts >= %d)`,
	sink.HoldTriesRefused)

// sinkOutage begins the fact on which day an alert last said that a sink takes none;
// empty: none did, or another has said since that it takes alerts again. State files have it under this name.
const sinkOutage = outageFacts + "sink "

// addAlertForOthers adds an alert about one sink for the others.
func (t *Tx) addAlertForOthers(a alert.Alert, sink string) error {
	return t.addAlert(a, slices.DeleteFunc(t.f.sinksOf(a), func(name string) bool { return name == sink }))
}

// Failed implements sink.Outbox.
func (s outbox) Failed(ctx context.Context, name, alertID string, f sink.Failure) error {
	return s.Update(ctx, func(t *Tx) error {
		s.outlets.forgetOnly(name)
		var parkedAt any
		if f.Parked {
			parkedAt = s.now().UnixMilli()
		}
		if f.NotifyOthers {
			if err := t.addNotTaken(name, alertID, f.Cause); err != nil {
				return err
			}
		}
		return t.exec(`UPDATE deliveries SET attempts = ?, next_at = ?, error = ?, parked_at = ? WHERE sink = ? AND alert = (SELECT num FROM alerts WHERE id = ?)`,
			f.Attempts, f.NextAt.UnixMilli(), f.Cause, parkedAt, name, alertID)
	})
}

// addNotTaken alerts the other sinks of an alert that one does not take.
func (t *Tx) addNotTaken(sink, alertID, cause string) error {
	ds, err := t.deliveries(`deliveries d JOIN alerts a ON a.num = d.alert WHERE d.sink = ? AND a.id = ?`, sink, alertID)
	if err != nil || len(ds) == 0 {
		return err
	}
	last, err := t.fact(sinkOutage + sink)
	if err != nil {
		return err
	}
	notice, day, ok := alert.NotTaken(sink, ds[0].Alert, cause, last, t.f.now())
	if !ok {
		return nil
	}
	t.f.outlets.setCalm(sink, false)
	if err := t.setFact(sinkOutage+sink, day); err != nil {
		return err
	}
	return t.addAlertForOthers(notice, sink)
}

// Retry makes an alert's unsent deliveries due at once, parked ones too. It
// reports how many.
func (s outbox) Retry(ctx context.Context, alertID string) (n int64, err error) {
	err = s.Update(ctx, func(t *Tx) error {
		at := s.now().UnixMilli()
		// What was sent meanwhile by the same key is to follow it again, or a pager
		// that this opens would stay open, or be closed while it should ring.
		err := t.exec(`UPDATE deliveries AS e SET sent_at = NULL, parked_at = NULL, attempts = 0, next_at = ?1 WHERE (sent_at IS NOT NULL OR parked_at IS NOT NULL) AND alert IN
			(SELECT b.num FROM alerts a JOIN alerts b ON b.dedup_key = a.dedup_key AND b.num > a.num WHERE a.id = ?2 AND a.dedup_key <> ''
			UNION SELECT b.num FROM alerts a JOIN alerts b ON b.campaign = a.campaign AND b.ends = 1 AND b.num > a.num WHERE a.id = ?2 AND a.campaign <> '')
			AND EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = (SELECT num FROM alerts WHERE id = ?2) AND d.sink = e.sink AND d.sent_at IS NULL)`, at, alertID)
		if err != nil {
			return err
		}
		n, err = t.changed(`UPDATE deliveries SET next_at = ?, parked_at = NULL, attempts = 0 WHERE sent_at IS NULL AND alert = (SELECT num FROM alerts WHERE id = ?)`, at, alertID)
		return err
	})
	return n, err
}

// deliveries reads deliveries d with their alerts a.
func (t alerts) deliveries(from string, args ...any) ([]sink.Delivery, error) {
	return allRows(t, func(d *sink.Delivery) []any {
		return []any{&d.Sink, &d.Urgency, &d.Attempts, &d.NextAt, &d.SentAt, &d.ParkedAt, &d.Error, asJSON{&d.Alert}}
	}, `SELECT d.sink, d.urgency, d.attempts, d.next_at, d.sent_at, d.parked_at, d.error, a.body FROM `+from, args...)
}
