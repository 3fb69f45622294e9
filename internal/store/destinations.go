package store

import (
	"database/sql"
	"time"

	"flowkeeper/inventory"
)

// mostDestinations of a scope are remembered: whoever may make flow logs can make
// them deliver to prefixes without end. One beyond that counts as new each time.
const mostDestinations = 10_000

func (t destinations) NewDestination(s inventory.Scope, destination string, at time.Time) (bool, error) {
	var known, many bool
	if err := t.one(&known, `SELECT EXISTS (SELECT 1 FROM destinations WHERE account = ? AND region = ? AND destination = ?)`, s.Account, s.Region, destination); err != nil || known {
		return false, err
	}
	if err := t.one(&many, `SELECT count(*) >= ? FROM destinations WHERE account = ? AND region = ?`, mostDestinations, s.Account, s.Region); err != nil || many {
		return many, err
	}
	n, err := t.changed(`INSERT INTO destinations (account, region, destination, first_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		s.Account, s.Region, destination, millis(at))
	return n > 0, err
}

// DestinationsSince are those of some destinations that flow logs of a scope deliver to,
// or did, with the time when the first one was seen; zero: before the first refresh.
func (t destinations) DestinationsSince(s inventory.Scope, destinations []string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	err := t.rows(func(scan func(...any) error) error {
		var destination string
		var at sql.NullInt64
		err := scan(&destination, &at)
		out[destination] = time.Time{}
		if at.Valid {
			out[destination] = time.UnixMilli(at.Int64)
		}
		return err
	}, `SELECT destination, first_at FROM destinations WHERE account = ? AND region = ? AND destination IN (SELECT value FROM json_each(?))`,
		s.Account, s.Region, body(destinations))
	return out, err
}
