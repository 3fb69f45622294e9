package store

import (
	"context"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// counts is the store as metrics and the doctor read it.
type counts struct{ *file }

// Counts of what the file holds, by state.
type Counts struct {
	FlowLogs, Incidents map[string]int
	Blocked             map[string]int // the blocked incidents, by reason
	// Restorable counts the protected flow logs by what the last rehearsal of
	// their destination and roles came to: "yes", "no", or "unknown" where there
	// was none yet. Those released are not among them.
	Restorable map[string]int
	Released   Released
	Held       int // live flow logs that are not protected because of where they deliver
	// Decoys are live flow logs that are not protected because they count as decoys, and
	// FirstDecoys the IDs of the first few.
	Decoys      int
	FirstDecoys []string
	// Protected are all protected flow logs, released ones included.
	Protected map[inventory.Scope]int
	// Pending and Parked count the alerts that a sink has not got yet, and those
	// given up, by sink; Refused those of the pending that it has not taken at
	// least once.
	Pending, Refused, Parked map[string]int
	// RefreshedAt is the start of each scope's last complete refresh.
	RefreshedAt map[inventory.Scope]time.Time
	Size        int64 // bytes of the file, without what is in its log
}

// ProtectedIn counts the protected flow logs of accounts, and the Regions that have any.
func (c Counts) ProtectedIn(accounts ...string) (flowLogs, regions int) {
	for s, n := range c.Protected {
		if n > 0 && slices.Contains(accounts, s.Account) {
			flowLogs += n
			regions++
		}
	}
	return flowLogs, regions
}

// Released is how many flow logs may go without being restored, and until when
// the last of them.
type Released struct {
	FlowLogs int
	Until    time.Time
}

// answer of the rehearsal r that stands for a flow log: rehearse.Rehearsal has it as Allowed.
const answer = `CASE json_extract(r.body, '$.Reason') WHEN '' THEN 'yes' ELSE iif(r.body IS NULL, 'unknown', 'no') END`

// perTarget counts the protected live flow logs of each target, by an index alone.
const perTarget = `SELECT account, region, needs, n FROM (SELECT target, count(*) AS n FROM flow_logs WHERE target IS NOT NULL GROUP BY target)
	CROSS JOIN targets ON num = target`

// The decoys are counted by an index alone, and only three rows are read. The plus keeps SQLite from
// using the index of all that is live.
const (
	liveDecoys  = `SELECT count(*) FROM flow_logs WHERE decoy IS NOT NULL AND +state = 'live'`
	firstDecoys = `SELECT id FROM flow_logs WHERE decoy IS NOT NULL AND +state = 'live' ORDER BY account, region LIMIT 3`
)

// Open and blocked incidents have an index of their own, so that the others are not read, however many there are.
const blockedBy = `SELECT reason, count(*) FROM incidents INDEXED BY incidents_pending WHERE state IN ('open', 'blocked') AND state = 'blocked' GROUP BY reason`

// ofDrift begins the IDs of the events of a scope's refreshes: see incident.DriftEventID.
const ofDrift = `'` + string(alert.DriftEvent) + `' || s.account || '-' || s.region || '-'`

// unreported counts the incidents for which incident.IsUnreported is true; ?1 is the time CountedFor ago. The rule is
// here once more, because to decode each incident takes too long for a scrape. Of closed ones only the index is read.
const unreported = `SELECT count(*) FROM (SELECT 1 FROM scopes s CROSS JOIN incidents i ON i.account = s.account AND i.region = s.region
		AND i.event_id >= ` + ofDrift + ` || ?1 AND i.event_id < ` + ofDrift + ` || ':'
	WHERE i.state <> '` + string(incident.Closed) + `' AND iif(json_valid(i.body), json_extract(i.body, '$.Source') = '` + incident.ByDrift + `' AND NOT json_extract(i.body, '$.Adopted'), 0)
	LIMIT ?2)`

// mostUnreported is how far Unreported counts: each of them costs a scrape some microseconds.
const mostUnreported = 10_000

// tokensUsed counts events since a time.
const tokensUsed = `SELECT count(*) FROM events WHERE detected_at >= ?1 AND iif(json_valid(body), json_extract(body, '$.TokenUsed'), 0)`

// Unreported counts the incidents that are incident.IsUnreported, mostUnreported at most.
func (s counts) Unreported(ctx context.Context) (int, error) {
	return viewed(ctx, s.file, func(t *Tx) (int, error) {
		return firstValue[int](t, unreported, s.now().Add(-incident.CountedFor).UnixMilli(), mostUnreported)
	})
}

// TokensUsed counts the deletions, or drifts, within incident.CountedFor of which AWS said that a ClientToken was used
// for another call before.
func (s counts) TokensUsed(ctx context.Context) (int, error) {
	return viewed(ctx, s.file, func(t *Tx) (int, error) {
		return firstValue[int](t, tokensUsed, s.now().Add(-incident.CountedFor).UnixMilli())
	})
}

// Counts reads them. The only rows that it reads are those of open and blocked incidents, and of three decoys.
func (s counts) Counts(ctx context.Context) (c Counts, err error) {
	err = s.View(ctx, func(t *Tx) error {
		for _, q := range []struct {
			into  *map[string]int
			query string
		}{
			{&c.FlowLogs, `SELECT state, count(*) FROM flow_logs GROUP BY state`},
			{&c.Incidents, `SELECT state, count(*) FROM incidents GROUP BY state`},
			{&c.Blocked, blockedBy},
			{&c.Restorable, `SELECT ` + answer + `, sum(n)
				FROM (` + perTarget + `) LEFT JOIN rehearsals r USING (account, region, needs) GROUP BY 1`},
			{&c.Pending, `SELECT sink, count(*) FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL GROUP BY sink`},
			{&c.Refused, `SELECT sink, count(*) FROM deliveries WHERE sent_at IS NULL AND parked_at IS NULL AND attempts > 0 GROUP BY sink`},
			{&c.Parked, `SELECT sink, count(*) FROM deliveries WHERE parked_at IS NOT NULL GROUP BY sink`},
		} {
			if *q.into, err = valuesByKey[string, int](t, q.query); err != nil {
				return err
			}
		}
		released, err := valuesByKey[string, int](t, `SELECT `+answer+`, count(*)
			FROM flow_logs f JOIN targets t ON t.num = f.target LEFT JOIN rehearsals r ON r.account = t.account AND r.region = t.region AND r.needs = t.needs
			WHERE f.released_until > ? GROUP BY 1`, s.now().UnixMilli())
		if err != nil {
			return err
		}
		for answer, n := range released {
			c.Restorable[answer] -= n
		}
		if c.Protected, err = rowsByKey(t, func(s *inventory.Scope, n *int) []any { return []any{&s.Account, &s.Region, n} },
			`SELECT account, region, sum(n) FROM (`+perTarget+`) GROUP BY account, region`); err != nil {
			return err
		}
		if c.Released, err = releases(t); err != nil {
			return err
		}
		if c.Held, err = firstValue[int](t, `SELECT count(*) FROM flow_logs WHERE held = 1 AND state = 'live'`); err != nil {
			return err
		}
		if c.Decoys, err = firstValue[int](t, liveDecoys); err != nil {
			return err
		}
		if c.FirstDecoys, err = allValues[string](t, firstDecoys); err != nil {
			return err
		}
		if c.RefreshedAt, err = t.flowLogs.refreshes(); err != nil {
			return err
		}
		c.Size, err = firstValue[int64](t, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`)
		return err
	})
	return c, err
}

// Released are the protected flow logs that a deletion would not bring back.
func (s counts) Released(ctx context.Context) (Released, error) {
	return viewed(ctx, s.file, releases)
}

func releases(t *Tx) (out Released, err error) {
	_, err = firstRow(t, []any{&out.FlowLogs, &out.Until}, `SELECT count(*), max(released_until) FROM flow_logs WHERE released_until > ?`, t.f.now().UnixMilli())
	return out, err
}

// AccountsWithProtected are the accounts with protected flow logs that are there, sorted.
func (s counts) AccountsWithProtected(ctx context.Context) (accounts []string, err error) {
	return viewed(ctx, s.file, func(t *Tx) ([]string, error) {
		return allValues[string](t, `SELECT DISTINCT account FROM targets t WHERE EXISTS (SELECT 1 FROM flow_logs f WHERE f.target = t.num) ORDER BY account`)
	})
}
