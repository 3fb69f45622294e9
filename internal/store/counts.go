package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"flowkeeper/inventory"
)

// Counts of what the file holds, by state.
type Counts struct {
	FlowLogs, Incidents map[string]int
	// Restorable counts the protected flow logs by what the last rehearsal of
	// their destination and roles came to: "yes", "no", or "unknown" where there
	// was none yet. Those released are not among them.
	Restorable map[string]int
	Released   Released
	// Protected are these and those, by Scope.String().
	Protected map[string]int
	// Pending and Parked count the alerts that a sink has not got yet, and those
	// given up, by sink; Refused those of the pending that it has not taken at
	// least once.
	Pending, Refused, Parked map[string]int
	// RefreshedAt is the start of each scope's last complete refresh.
	RefreshedAt map[inventory.Scope]time.Time
	Size        int64 // bytes of the file, without what is in its log
}

// Released is how many flow logs may go without being restored, and until when
// the last of them.
type Released struct {
	FlowLogs int
	Until    time.Time
}

// answer of the rehearsal r that stands for a flow log.
const answer = `CASE json_extract(r.body, '$.Reason') WHEN '' THEN 'yes' ELSE iif(r.body IS NULL, 'unknown', 'no') END`

// Counts reads them, without reading the rows.
func (s counts) Counts(ctx context.Context) (c Counts, err error) {
	err = s.View(ctx, func(t *Tx) error {
		for _, q := range []struct {
			into  *map[string]int
			query string
		}{
			{&c.FlowLogs, `SELECT state, count(*) FROM flow_logs GROUP BY state`},
			{&c.Incidents, `SELECT state, count(*) FROM incidents GROUP BY state`},
			{&c.Restorable, `SELECT ` + answer + `, sum(n)
				FROM (SELECT account, region, needs, count(*) AS n FROM flow_logs WHERE needs IS NOT NULL GROUP BY account, region, needs) f
				LEFT JOIN rehearsals r USING (account, region, needs) GROUP BY 1`},
			{&c.Protected, `SELECT account || '/' || region, count(*) FROM flow_logs WHERE needs IS NOT NULL GROUP BY account, region`},
			{&c.Pending, `SELECT sink, count(*) FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL GROUP BY sink`},
			{&c.Refused, `SELECT sink, count(*) FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL AND attempts > 0 GROUP BY sink`},
			{&c.Parked, `SELECT sink, count(*) FROM deliveries WHERE parked_at IS NOT NULL GROUP BY sink`},
		} {
			if *q.into, err = t.tally(q.query); err != nil {
				return err
			}
		}
		released, err := t.tally(`SELECT `+answer+`, count(*)
			FROM flow_logs f LEFT JOIN rehearsals r USING (account, region, needs) WHERE f.released_until > ? GROUP BY 1`, s.now().UnixMilli())
		if err != nil {
			return err
		}
		for answer, n := range released {
			c.Restorable[answer] -= n
		}
		if c.Released, err = t.released(); err != nil {
			return err
		}
		if c.RefreshedAt, err = t.refreshes(); err != nil {
			return err
		}
		return t.one(&c.Size, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`)
	})
	return c, err
}

// Released are the protected flow logs that a deletion would not bring back.
func (s counts) Released(ctx context.Context) (out Released, err error) {
	err = s.View(ctx, func(t *Tx) (err error) { out, err = t.released(); return err })
	return out, err
}

func (t *tx) released() (out Released, err error) {
	var until int64
	err = t.rows(func(scan func(...any) error) error { return scan(&out.FlowLogs, &until) },
		`SELECT count(*), coalesce(max(released_until), 0) FROM flow_logs WHERE released_until > ?`, t.f.now().UnixMilli())
	if out.FlowLogs > 0 {
		out.Until = time.UnixMilli(until)
	}
	return out, err
}

// Guarded are the accounts with protected flow logs that are there, sorted.
func (s counts) Guarded(ctx context.Context) (accounts []string, err error) {
	err = s.View(ctx, func(t *Tx) error {
		n, err := t.tally(`SELECT account, count(*) FROM flow_logs WHERE needs IS NOT NULL GROUP BY account`)
		accounts = slices.Sorted(maps.Keys(n))
		return err
	})
	return accounts, err
}

// refreshes are the starts of the last complete refreshes.
func (t *tx) refreshes() (map[inventory.Scope]time.Time, error) {
	out := map[inventory.Scope]time.Time{}
	err := t.rows(func(scan func(...any) error) error {
		var s inventory.Scope
		var at int64
		err := scan(&s.Account, &s.Region, &at)
		out[s] = time.UnixMilli(at)
		return err
	}, `SELECT account, region, refreshed_at FROM scopes WHERE refreshed_at IS NOT NULL`)
	return out, err
}

// tally reads pairs of a word and a number.
func (t *tx) tally(query string, args ...any) (map[string]int, error) {
	out := map[string]int{}
	err := t.rows(func(scan func(...any) error) error {
		var word string
		var n int
		err := scan(&word, &n)
		out[word] = n
		return err
	}, query, args...)
	return out, err
}
