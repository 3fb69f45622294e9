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
func (t alerts) AddAlert(a alert.Alert) error {
	a, err := campaigns(t).inCampaign(a)
	if err != nil {
		return err
	}
	return t.addAlert(a, t.f.sinksOf(a))
}

// AddAlerts puts alerts into the outbox, and notes in the same transaction what they say of an outage; nil:
// nothing.
func (t alerts) AddAlerts(added []alert.Alert, note *notify.OutageNote) error {
	if note != nil {
		if err := facts(t).SetOutageAlerted(note.Scope, note.Part, note.Alerted); err != nil {
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
	return value[bool](t, `SELECT EXISTS (SELECT 1 FROM alerts WHERE id = ?)`, id)
}

func (t alerts) addAlert(a alert.Alert, sinks []string) error {
	text, cost := body(naming(t).named(a).Stored()), int64(0)
	if a.Minor {
		cost = t.charge(rowBytes(len(text)) + 256 + 192*int64(len(sinks)))
	}
	num, err := value[int64](t, `INSERT INTO alerts (id, at, dedup_key, answers, campaign, ends, rings_on, cost, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING num`,
		a.ID, a.Time.UnixMilli(), a.DedupKey, answers(a), a.CampaignID, a.EndsCampaign(), a.RingsOn(), cost, text)
	if err != nil || num == 0 || len(sinks) == 0 {
		return err
	}
	return t.addDeliveries(num, a, text, sinks)
}

// answers is 0 for an alert that answers none, 2 for one that resolves what a
// pager opened, and 1 for another.
func answers(a alert.Alert) int {
	switch {
	case a.Resolves():
		return 2
	case a.Answers():
		return 1
	}
	return 0
}

// addDeliveries puts an alert into the queues of sinks. What is to go before it, because it is
// about the same thing, becomes as urgent as it.
func (t alerts) addDeliveries(num int64, a alert.Alert, text string, sinks []string) error {
	urgency, at := a.Urgency(), time.UnixMilli(a.Time.UnixMilli())
	others, err := pairs[string, bool](t, insertDeliveries, num, at.UnixMilli(), urgency, body(sinks))
	if err != nil {
		return err
	}
	for _, name := range sinks {
		d := added{Delivery: sink.Delivery{Sink: name, Urgency: urgency, NextAt: at}, num: num, body: text, alone: !others[name]}
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
		if answers(a) == 2 && name != sink.LogName { // the log is no pager
			if _, err := first(t, []any{&d.NextAt}, holdNew, name, alert.Late.Milliseconds(), alert.MinRing.Milliseconds(), num); err != nil {
				return err
			}
		}
		t.delivers = append(t.delivers, d)
	}
	return nil
}

// insertDeliveries adds one for each sink, and says whether anything else waits for that.
const insertDeliveries = `INSERT INTO deliveries (alert, sink, next_at, urgency) SELECT ?1, value, ?2, ?3 FROM json_each(?4) WHERE true
	RETURNING sink, EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_pending WHERE d.sink = deliveries.sink AND d.alert <> ?1 AND d.sent_at IS NULL AND d.parked_at IS NULL)`

// raise makes pending deliveries of a sink (?2) as urgent as ?1, where they are less
// so. (The plus: SQLite is to begin with the few alerts of one key.)
const (
	raise = `UPDATE deliveries SET urgency = ?1 WHERE sink = ?2 AND sent_at IS NULL AND parked_at IS NULL AND +urgency > ?1 AND alert IN `

	raiseKey      = raise + `(SELECT num FROM alerts WHERE dedup_key = ?3)`
	raiseCampaign = raise + `(SELECT num FROM alerts WHERE campaign = ?3 AND campaign <> '')`
)

// ringing are the deliveries that opened an incident which must ring on: of alerts
// that came late to the sink (?1), and of those that ring on wherever they come.
const ringing = `FROM alerts o CROSS JOIN deliveries e ON e.alert = o.num WHERE e.sink = ?1 AND e.sent_at IS NOT NULL AND NOT o.answers
	AND (o.rings_on OR e.sent_at > o.at + ?2)`

const (
	// holdPending puts off, to ?1, what answers the alert ?3 at the sink ?2.
	holdPending = `UPDATE deliveries SET next_at = max(next_at, ?1) WHERE sink = ?2 AND sent_at IS NULL AND parked_at IS NULL AND alert IN
		(SELECT b.num FROM alerts a JOIN alerts b ON b.dedup_key = a.dedup_key AND b.num > a.num AND b.answers = 2 WHERE a.num = ?3
		UNION SELECT b.num FROM alerts a JOIN alerts b ON b.campaign = a.campaign AND b.campaign <> '' AND b.num > a.num AND b.ends = 1 WHERE a.num = ?3)`
	// holdNew puts off the answer ?4 until ?3 after the last of what it answers was
	// sent to the sink ?1, where that came ?2 late, or rings on.
	holdNew = `UPDATE deliveries SET next_at = max(next_at, coalesce((SELECT max(e.sent_at) + ?3 ` + ringing + `
			AND o.num IN (SELECT b.num FROM alerts a JOIN alerts b ON b.dedup_key = a.dedup_key AND b.num < a.num WHERE a.num = ?4
				UNION SELECT b.num FROM alerts a JOIN alerts b ON b.campaign = a.campaign AND b.campaign <> '' AND b.num < a.num WHERE a.num = ?4 AND a.ends)), 0))
		WHERE sink = ?1 AND alert = ?4 RETURNING next_at`
)
