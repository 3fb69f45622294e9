package store

import (
	"context"
	"time"

	"flowkeeper/alert"
)

// Untaken finds the oldest alert of level high or above from a time or before that
// none of these sinks has taken, though it was routed to one of them. ok is false
// where there is none.
func (s outbox) Untaken(ctx context.Context, sinks []string, from time.Time) (a alert.Alert, ok bool, err error) {
	err = s.View(ctx, func(t *Tx) error {
		// CASE: of thousands that wait for one sink, others have taken nearly all, and no body is read for them.
		for _, in := range []struct{ index, where string }{
			{"deliveries_pending", `d.sent_at IS NULL AND d.parked_at IS NULL`},
			{"deliveries_parked", `d.parked_at IS NOT NULL AND d.sent_at IS NULL`}, // given up is not taken
		} {
			d, found, err := t.firstOf(`deliveries d INDEXED BY `+in.index+` JOIN alerts a ON a.num = d.alert WHERE `+in.where+` AND d.sink IN (SELECT value FROM json_each(?1)) AND a.at <= ?2 AND CASE WHEN EXISTS
				(SELECT 1 FROM deliveries e WHERE e.alert = d.alert AND e.sink IN (SELECT value FROM json_each(?1)) AND e.sent_at IS NOT NULL)
				THEN 0 ELSE json_extract(a.body, '$.level') IN (?3, ?4) END
				ORDER BY a.at, a.num LIMIT 1`, body(sinks), from.UnixMilli(), alert.High, alert.Critical)
			if err != nil {
				return err
			}
			if found && (!ok || d.Alert.Time.Before(a.Time.Time)) {
				a, ok = d.Alert, true
			}
		}
		return nil
	})
	return a, ok, err
}
