package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// NewsStore runs transactions about the news of the snapshot: see Store.
type NewsStore interface {
	Update(ctx context.Context, fn func(NewsTx) error) error
	View(ctx context.Context, fn func(NewsTx) error) error
}

// NewsTx is one such transaction.
type NewsTx interface {
	// RowsWithNews returns at most limit rows about which an alert is due at the time now.
	RowsWithNews(scope inventory.Scope, now time.Time, limit int) ([]inventory.Row, error)
	// PutFlowLog writes a row whole.
	PutFlowLog(row inventory.Row) error
	// AnyFailing reports whether there was an alert that the delivery of a protected live flow
	// log fails, and none since that it works.
	AnyFailing(scope inventory.Scope) (bool, error)
	// OutageAlerted reports whether an alert has said that a part of the pipeline fails, and
	// none since that it works.
	OutageAlerted(scope inventory.Scope, p alert.Part) (bool, error)
	// AddAlerts puts alerts into the outbox, and stores the note of what they say of an outage
	// (nil: there is none). Alerts whose ID is in the outbox already change nothing there.
	AddAlerts(alerts []alert.Alert, note *notify.OutageNote) error
}

// mostNews is how many flow logs one alert of notifyNews names.
const mostNews = 1000

// notifyNews adds the alerts of what the snapshot has learned: a destination never seen before, a
// delivery that fails or works again, and a flow log that is not protected because it counts as
// a decoy. The same commit notes that these have an alert.
func (n notifier) notifyNews(ctx context.Context) error {
	s := n.store.scope
	for {
		count := 0
		err := n.news.Update(ctx, func(tx NewsTx) error {
			now := n.store.now()
			rows, err := tx.RowsWithNews(s, now, mostNews)
			if count = len(rows); err != nil || count == 0 {
				return err
			}
			return notifyRows(tx, s, rows, now)
		})
		if err != nil {
			return fmt.Errorf("alert of what changed in %s: %w", s, err)
		}
		if count > 0 {
			n.store.senders.Wake()
		}
		if count < mostNews {
			return n.endDeliveryOutage(ctx)
		}
	}
}

// notifyRows adds the alerts of rows about which there is something to say.
func notifyRows(tx NewsTx, s inventory.Scope, rows []inventory.Row, now time.Time) error {
	news := notify.NewsOf(rows, now)
	for _, row := range news.Rows {
		if err := tx.PutFlowLog(row); err != nil {
			return err
		}
	}
	failing, err := tx.AnyFailing(s)
	if err != nil {
		return err
	}
	return addNews(tx, s, news.Alerts(s, !failing, now))
}

// addNews writes the words of alerts, puts them into the outbox, and notes what they say of deliveries.
func addNews(tx NewsTx, s inventory.Scope, alerts []alert.Alert) error {
	for n := range alerts {
		alerts[n].Write()
	}
	return tx.AddAlerts(alerts, notify.OutageAfter(s, alert.PartDelivery, alerts))
}

// endDeliveryOutage adds the alert that no delivery fails any more: the flow logs whose
// delivery failed work again, or are gone.
func (n notifier) endDeliveryOutage(ctx context.Context) error {
	s, alerted := n.store.scope, false
	isAlerted := func(tx NewsTx) (err error) { alerted, err = tx.OutageAlerted(s, alert.PartDelivery); return err }
	if err := n.news.View(ctx, isAlerted); err != nil || !alerted {
		return err
	}
	err := n.news.Update(ctx, func(tx NewsTx) error {
		if err := isAlerted(tx); err != nil || !alerted { // another goroutine may have added the end
			return err
		}
		if failing, err := tx.AnyFailing(s); err != nil || failing {
			return err
		}
		end := notify.OutageEnd(s, alert.PartDelivery, "AWS delivers what every protected flow log records", n.store.now())
		return addNews(tx, s, []alert.Alert{end})
	})
	n.store.senders.Wake()
	return err
}
