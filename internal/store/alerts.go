package store

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/remediate/notify"
)

// alerts has alerts and their deliveries, the outbox: tables alerts and deliveries.
type alerts struct{ *tx }

// AddAlert puts an alert into the outbox, with a delivery for each sink it
// goes to. One whose ID is there already changes nothing.
func (t *Tx) AddAlert(a alert.Alert) error {
	a, err := t.inCampaign(a)
	if err != nil {
		return err
	}
	return t.addAlert(a, t.f.sinksOf(a))
}

// AddAlerts puts alerts into the outbox, and notes in the same transaction what they say of an outage; nil:
// nothing.
func (t *Tx) AddAlerts(added []alert.Alert, note *notify.OutageNote) error {
	if note != nil {
		if err := t.SetOutageAlerted(note.Scope, note.Part, note.Alerted); err != nil {
			return err
		}
	}
	for _, a := range added {
		if err := t.AddAlert(a); err != nil {
			return err
		}
	}
	return nil
}

func (t alerts) HasAlert(id string) (bool, error) {
	return firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM alerts WHERE id = ?)`, id)
}

func (t *Tx) addAlert(a alert.Alert, sinks []string) error {
	text, cost := body(t.naming.named(a).Stored()), int64(0)
	if a.Minor {
		cost = t.charge(rowBytes(len(text)) + 256 + 192*int64(len(sinks)))
	}
	num, err := firstValue[int64](t, `INSERT INTO alerts (id, at, dedup_key, answers, campaign, ends, rings_on, cost, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING num`,
		a.ID, a.Time.UnixMilli(), a.DedupKey, answers(a), a.CampaignID, a.EndsCampaign(), a.RingsOn(), cost, text)
	if err != nil || num == 0 || len(sinks) == 0 {
		return err
	}
	return t.addDeliveries(num, a, text, sinks)
}

// Values of the column answers, as text, so that queries can have them.
const (
	answersNone = `0`
	answersOnly = `1` // alert.Alert.Answers, but not Resolves
	resolves    = `2` // alert.Alert.Resolves
)

// answers is the value of that column for an alert.
func answers(a alert.Alert) string {
	switch {
	case a.Resolves():
		return resolves
	case a.Answers():
		return answersOnly
	}
	return answersNone
}

// addDeliveries puts an alert into the queues of sinks. What is to go before it, because it is
// about the same thing, becomes as urgent as it.
func (t alerts) addDeliveries(num int64, a alert.Alert, text string, sinks []string) error {
	due, err := t.dueAt(a, sinks)
	if err != nil {
		return err
	}
	urgency := a.Urgency()
	others, err := valuesByKey[string, bool](t, insertDeliveries, num, urgency, body(due))
	if err != nil {
		return err
	}
	for _, name := range sinks {
		d := added{Delivery: sink.Delivery{Sink: name, Urgency: urgency, NextAt: time.UnixMilli(due[name])}, num: num, body: text, alone: !others[name]}
		if !d.alone && a.DedupKey != "" {
			if err := t.exec(raiseKey, urgency, name, a.DedupKey); err != nil {
				return err
			}
		}
		if !d.alone && a.EndsCampaign() {
			if err := t.exec(raiseCampaign, urgency, name, a.CampaignID); err != nil {
				return err
			}
		}
		t.delivers = append(t.delivers, d)
	}
	return nil
}

// dueAt is when an alert is due at each of its sinks, in milliseconds: see sink.Due.
func (t alerts) dueAt(a alert.Alert, sinks []string) (map[string]int64, error) {
	var resolved []sink.Receipt
	if after, ok := sink.Resolved(a); ok {
		campaign := ""
		if a.EndsCampaign() {
			campaign = a.CampaignID
		}
		var err error
		if resolved, err = allRows(t, receiptColumns, receipts, a.DedupKey, campaign, after.UnixMilli()); err != nil {
			return nil, err
		}
	}
	due := map[string]int64{}
	for name, at := range sink.Due(a, sinks, resolved) {
		due[name] = at.UnixMilli()
	}
	return due, nil
}

// insertDeliveries adds one for each sink, and says whether anything else waits for that.
const insertDeliveries = `INSERT INTO deliveries (alert, sink, next_at, urgency) SELECT ?1, key, value, ?2 FROM json_each(?3) WHERE true
	RETURNING sink, EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_pending WHERE d.sink = deliveries.sink AND d.alert <> ?1 AND d.sent_at IS NULL AND d.parked_at IS NULL)`

// receipts are those with SentAt after ?3, of the alerts of a key (?1) and of a campaign (?2; empty: of none).
const receipts = `SELECT e.sink, o.at, e.sent_at, o.answers <> ` + answersNone + `, o.rings_on FROM alerts o CROSS JOIN deliveries e ON e.alert = o.num
	WHERE e.sent_at > ?3 AND o.num IN (SELECT b.num FROM alerts b WHERE b.dedup_key = ?1
		UNION SELECT b.num FROM alerts b WHERE b.campaign = ?2 AND b.campaign <> '')`

// receiptColumns are what receipts selects, and markSent first.
func receiptColumns(r *sink.Receipt) []any {
	return []any{&r.Sink, &r.AddedAt, &r.SentAt, &r.Answers, &r.RingsOn}
}

// raise makes pending deliveries of a sink (?2) as urgent as ?1, where they are less
// so. (The plus: SQLite is to begin with the few alerts of one key.)
const (
	raise = `UPDATE deliveries SET urgency = ?1 WHERE sink = ?2 AND sent_at IS NULL AND parked_at IS NULL AND +urgency > ?1 AND alert IN `

	raiseKey      = raise + `(SELECT num FROM alerts WHERE dedup_key = ?3)`
	raiseCampaign = raise + `(SELECT num FROM alerts WHERE campaign = ?3 AND campaign <> '')`
)

// holdPending puts off, to ?1, what answers the alert ?3 at the sink ?2.
const holdPending = `UPDATE deliveries SET next_at = max(next_at, ?1) WHERE sink = ?2 AND sent_at IS NULL AND parked_at IS NULL AND alert IN
	(SELECT b.num FROM alerts a JOIN alerts b ON b.dedup_key = a.dedup_key AND b.num > a.num AND b.answers = ` + resolves + ` WHERE a.num = ?3
	UNION SELECT b.num FROM alerts a JOIN alerts b ON b.campaign = a.campaign AND b.campaign <> '' AND b.num > a.num AND b.ends = 1 WHERE a.num = ?3)`
