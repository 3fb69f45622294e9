package store

import (
	"time"

	"flowkeeper/inventory"
)

// destinations has where flow logs have ever delivered to: table destinations.
type destinations struct{ *tx }

// mostDestinations is how many destinations of a scope are stored: a principal that may create flow
// logs can name new prefixes without end. A destination beyond that counts as new each time.
const mostDestinations = 10_000

func (t destinations) NewDestination(s inventory.Scope, destination string, at time.Time) (bool, error) {
	known, err := firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM destinations WHERE account = ? AND region = ? AND destination = ?)`, s.Account, s.Region, destination)
	if err != nil || known {
		return false, err
	}
	return true, t.exec(`INSERT INTO destinations (account, region, destination, first_at) SELECT ?1, ?2, ?3, ?4
		WHERE (SELECT count(*) FROM destinations WHERE account = ?1 AND region = ?2) < ?5`, s.Account, s.Region, destination, millis(at), mostDestinations)
}

// DestinationsSince returns those of the destinations that flow logs of a scope deliver to, or
// did, with the time when the first such flow log was seen; zero: by the first refresh.
func (t destinations) DestinationsSince(s inventory.Scope, destinations []string) (map[string]time.Time, error) {
	query, list := among(`SELECT destination, first_at FROM destinations WHERE account = ?1 AND region = ?2 AND destination IN (SELECT value FROM json_each(?3))`, `?3`, destinations)
	return valuesByKey[string, time.Time](t, query, s.Account, s.Region, list)
}
