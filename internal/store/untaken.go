package store

import (
	"context"
	"time"

	"flowkeeper/alert"
)

// untaken finds the oldest alert of some levels (?3), of a time (?2) or earlier, that is
// pending, or was given up, at one of some sinks (?1), and that none of them has taken. CASE
// saves reading bodies: of thousands of alerts that wait for one sink, nearly all are taken by
// another. The plus of +at makes SQLite begin with the deliveries, not with an index of at.
const untaken = `SELECT body FROM alerts a WHERE +at <= ?2 AND num IN
		(SELECT alert FROM deliveries INDEXED BY deliveries_pending WHERE sent_at IS NULL AND parked_at IS NULL AND sink IN (SELECT value FROM json_each(?1))
		UNION ALL SELECT alert FROM deliveries INDEXED BY deliveries_parked WHERE parked_at IS NOT NULL AND sent_at IS NULL AND sink IN (SELECT value FROM json_each(?1)))
	AND CASE WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.num AND d.sink IN (SELECT value FROM json_each(?1)) AND d.sent_at IS NOT NULL)
		THEN 0 ELSE json_extract(body, '$.level') IN (SELECT value FROM json_each(?3)) END
	ORDER BY +at, num LIMIT 1`

// Untaken finds the oldest alert of some levels, of the time from or earlier, that was routed
// to at least one of these sinks, and that none of them has taken. ok is false if there is none.
func (s outbox) Untaken(ctx context.Context, sinks []string, levels []alert.Level, from time.Time) (a alert.Alert, ok bool, err error) {
	err = s.View(ctx, func(t *Tx) (err error) {
		a, ok, err = firstBody[alert.Alert](t, untaken, body(sinks), from.UnixMilli(), body(levels))
		return err
	})
	return a, ok, err
}
