package store

import (
	"context"
	"fmt"
)

// Counts of what the file holds, by state.
type Counts struct {
	FlowLogs, Incidents map[string]int
	// Restorable counts the protected flow logs by what the last rehearsal of
	// their destination and roles came to: "yes", "no", or "unknown" where there
	// was none yet.
	Restorable map[string]int
}

// Counts reads them, without reading the rows.
func (s *Store) Counts(ctx context.Context) (c Counts, err error) {
	err = s.read(ctx, func(t *tx) error {
		for _, q := range []struct {
			into  *map[string]int
			query string
		}{
			{&c.FlowLogs, `SELECT state, count(*) FROM flow_logs GROUP BY state`},
			{&c.Incidents, `SELECT state, count(*) FROM incidents GROUP BY state`},
			{&c.Restorable, `SELECT CASE json_extract(r.body, '$.Reason') WHEN '' THEN 'yes' ELSE iif(r.body IS NULL, 'unknown', 'no') END, sum(n)
				FROM (SELECT account, region, needs, count(*) AS n FROM flow_logs WHERE needs IS NOT NULL GROUP BY account, region, needs) f
				LEFT JOIN rehearsals r USING (account, region, needs) GROUP BY 1`},
		} {
			if *q.into, err = t.tally(q.query); err != nil {
				return err
			}
		}
		return nil
	})
	return c, err
}

// tally reads pairs of a word and a number.
func (t *tx) tally(query string) (map[string]int, error) {
	rows, err := t.q.QueryContext(t.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.s.path, err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var word string
		var n int
		if err := rows.Scan(&word, &n); err != nil {
			return nil, fmt.Errorf("read %s: %w", t.s.path, err)
		}
		out[word] = n
	}
	return out, rows.Err()
}
