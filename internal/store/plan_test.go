package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert/sink"
)

// TestTheOutboxIsReadByItsIndexes: the next alert for a sink is found by indexes that have the pending deliveries in
// order. With a million delivered and a hundred thousand pending alerts, no query may scan a whole table or sort.
func TestTheOutboxIsReadByItsIndexes(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	const columns = `SELECT d.sink, a.body FROM `
	for name, c := range map[string]struct{ query, begins string }{
		"the most urgent":     {columns + mostUrgent, "SEARCH x USING COVERING INDEX deliveries_urgency (sink=?)"},
		"the longest waiting": {columns + longestWaiting, "SEARCH deliveries USING INDEX deliveries_pending (sink=?)"},
		"when one is due":     {soonest, "SEARCH d USING INDEX deliveries_next (sink=?)"},
		"one refused often":   {leftOver, "SEARCH deliveries USING INDEX deliveries_refused (sink=?)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []any{"pager", now.UnixMilli(), now.Add(time.Hour).UnixMilli(), now.UnixMilli()}
			plan := explain(t, s, c.query, args[:argsOf(c.query)]...)
			if !slices.Contains(plan, c.begins) {
				t.Errorf("the plan lacks %q: %q", c.begins, plan)
			}
			for _, step := range plan {
				if strings.Contains(step, "TEMP B-TREE") || strings.HasPrefix(step, "SCAN") && step != "SCAN d" && step != "SCAN CONSTANT ROW" {
					t.Errorf("the plan sorts or scans: %q in %q", step, plan)
				}
			}
		})
	}
}

// TestLeftOverAreThoseSetAside: package sink sets an alert aside after sink.HoldTriesRefused tries. SQL repeats this
// number in a query and in an index, and all three must agree.
func TestLeftOverAreThoseSetAside(t *testing.T) {
	t.Parallel()
	index, err := viewed(t.Context(), fresh(t).file, func(tx *Tx) (string, error) {
		return firstValue[string](tx, `SELECT sql FROM sqlite_schema WHERE name = 'deliveries_refused'`)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("sent_at IS NULL AND attempts >= %d", sink.HoldTriesRefused)
	for name, text := range map[string]string{"query": strings.TrimSuffix(leftOver, ")"), "index": index} {
		if !strings.HasSuffix(text, want) {
			t.Errorf("the %s does not end with %q: %s", name, want, text)
		}
	}
}

// TestUntakenReadsWhatWaits: Untaken reads only the alerts of pending and parked deliveries, even if there are a
// million alerts.
func TestUntakenReadsWhatWaits(t *testing.T) {
	t.Parallel()
	plan := explain(t, fresh(t), untaken, `["pager"]`, 1, `["high","critical"]`)
	if plan[0] != "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)" || !slices.Contains(plan, "SEARCH deliveries USING INDEX deliveries_pending (sink=?)") {
		t.Errorf("the plan reads other deliveries: %q", plan)
	}
}

// TestTheOutboxIsWrittenByItsKeys: if an alert is added or was sent, the statements read and change only the deliveries
// of the same dedup key or campaign, even if a hundred thousand are pending.
func TestTheOutboxIsWrittenByItsKeys(t *testing.T) {
	t.Parallel()
	s, _ := withOutbox(t)
	for name, query := range map[string]string{"key": raiseKey, "campaign": raiseCampaign, "sent": holdPending, "added": receipts} {
		args := []any{"1", "pager", "1", "2", "3"}
		for _, step := range explain(t, s, query, args[:argsOf(query)]...) {
			table, _, found := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(step, "SEARCH "), "SCAN "), " ")
			switch whole := "SEARCH deliveries USING INDEX deliveries_pending (sink=?)"; {
			case found && strings.HasPrefix(step, "SCAN") && len(table) == 1:
				t.Errorf("%s: %s", name, step)
			case step == whole, strings.Contains(step, "deliveries_urgency"), strings.Contains(step, "deliveries_next"):
				t.Errorf("%s: %s", name, step)
			}
		}
	}
}

// TestACaseIsLoadedByItsIndexes: loading a case reads only the rows and incidents of its flow logs, resources and
// lineages, however many others there are. If a case is about one flow log, SQLite compares with its ID directly,
// without a temporary table for a list.
func TestACaseIsLoadedByItsIndexes(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	steps := func(list ...string) (got []string) {
		ofIDs, ids := among(byIDs, `?3`, list)
		ofOthers, resources := among(around, `?3`, list)
		ofOthers, roots := among(ofOthers, `?4`, list)
		for _, plan := range [][]string{explain(t, s, ofIDs, "a", "r", ids), explain(t, s, ofOthers, "a", "r", resources, roots, 0)} {
			for _, step := range plan {
				if strings.HasPrefix(step, "SEARCH") || strings.HasPrefix(step, "SCAN") && (len(list) == 1 || !strings.Contains(step, "json_each")) {
					got = append(got, step)
				}
			}
		}
		return got
	}
	want := []string{
		"SEARCH flow_logs USING INDEX sqlite_autoindex_flow_logs_1 (account=? AND region=? AND id=?)",
		"SEARCH incidents USING INDEX sqlite_autoindex_incidents_1 (account=? AND region=? AND id=?)",
		"SEARCH flow_logs USING INDEX flow_logs_resource (account=? AND region=? AND resource_id=?)",
		"SEARCH incidents USING INDEX incidents_resource (account=? AND region=? AND resource_id=?)",
		"SEARCH i USING INDEX incidents_resource (account=? AND region=? AND resource_id=?)",
		"SEARCH f USING INDEX sqlite_autoindex_flow_logs_1 (account=? AND region=? AND id=?)",
		"SEARCH incidents USING INDEX incidents_root (account=? AND region=? AND root_id=? AND restored_at>?)",
	}
	for _, list := range [][]string{{"x"}, {"x", "y"}} {
		if got := steps(list...); !slices.Equal(got, want) {
			t.Errorf("%q\n%q\nwant %q", list, got, want)
		}
	}
}

// argsOf counts the numbered parameters of a query.
func argsOf(query string) (n int) {
	for strings.Contains(query, fmt.Sprint("?", n+1)) {
		n++
	}
	return n
}

// explain returns the steps by which SQLite runs a query (EXPLAIN QUERY PLAN).
func explain(t *testing.T, s *Store, query string, args ...any) []string {
	t.Helper()
	plan, err := viewed(t.Context(), s.file, func(tx *Tx) ([]string, error) {
		return allRows(tx, func(step *string) []any { return []any{new(int), new(int), new(int), step} }, `EXPLAIN QUERY PLAN `+query, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestWhatIsDroppedIsFoundByItsIndex: the queries for droppable rows read an index that has only these, not the many
// older rows that are kept. They run while other changes wait to be committed, so they must be fast.
func TestWhatIsDroppedIsFoundByItsIndex(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	queries := []string{oldest}
	for _, d := range dropping {
		queries = append(queries, d.query)
	}
	for _, query := range queries {
		for _, step := range explain(t, s, query, 1000) {
			sorts := strings.Contains(step, "TEMP B-TREE") && query != oldest
			if strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "_cost") && !strings.HasPrefix(step, "SCAN (") || sorts {
				t.Errorf("%s\n%s", query, step)
			}
		}
	}
}

// TestNothingIsReadButWhatIsDue: a step reads only the incidents that are due, even if there are ten thousand incidents
// of unknown flow logs.
func TestNothingIsReadButWhatIsDue(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for _, step := range explain(t, s, dueIncidents, scope.Account, scope.Region, 1, 2, 3, 4, 5, 6) {
		if strings.HasPrefix(step, "SEARCH incidents") && !strings.HasPrefix(step, "SEARCH incidents USING INDEX incidents_due (account=? AND region=? AND next_at") ||
			strings.HasPrefix(step, "SCAN incidents") {
			t.Errorf("the query of due incidents does not use the index incidents_due: %s", step)
		}
	}
}

// TestARecordIsLookedUpByIndexes: indexes find the flow logs that a record names in the snapshot, and whether the
// record is in their history, however long the history is.
func TestARecordIsLookedUpByIndexes(t *testing.T) {
	t.Parallel()
	var got []string
	for _, step := range explain(t, fresh(t), unrecorded, scope.Account, scope.Region, `["x"]`, "event", "claim") {
		if strings.HasPrefix(step, "SEARCH") {
			got = append(got, step)
		}
	}
	want := []string{
		"SEARCH h USING INDEX history_event (account=? AND region=? AND event_id=? AND id=?)",
		"SEARCH f USING INDEX sqlite_autoindex_flow_logs_1 (account=? AND region=? AND id=?) LEFT-JOIN",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestAListingIsComparedByAnIndex: to compare a listing with the snapshot, the queries read no rows of other scopes. To
// find what the listing lacks, they read only the index.
func TestAListingIsComparedByAnIndex(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for query, want := range map[string][]string{
		numbersOf: {"SEARCH flow_logs USING COVERING INDEX sqlite_autoindex_flow_logs_1 (account=? AND region=? AND id>?)"},
		compared:  {"SCAN j VIRTUAL TABLE INDEX 1:", "SEARCH f USING INDEX sqlite_autoindex_flow_logs_1 (account=? AND region=? AND id=?) LEFT-JOIN"},
	} {
		args := []any{scope.Account, scope.Region, "[]", ""}
		if plan := explain(t, s, query, args[:strings.Count(query, "?")]...); !slices.Equal(plan, want) {
			t.Errorf("%s\n%q", query, plan)
		}
	}
}

// TestProtectedRowsAreFoundByTheirTarget: the queries of a start, of a record and of a scrape of metrics read only the
// rows that they need, however many protected flow logs there are.
func TestProtectedRowsAreFoundByTheirTarget(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for name, c := range map[string]struct{ query, reads string }{
		"unprotected":              {liveThat(unprotected), "SEARCH flow_logs USING INDEX flow_logs_unprotected (account=? AND region=? AND id>?)"},
		"usages of a resource":     {usagesOf, "SEARCH f USING COVERING INDEX flow_logs_target (target=?)"},
		"usages by their keys":     {usagesBetween, "SEARCH depends USING PRIMARY KEY (thing>? AND thing<?)"},
		"per target":               {perTarget, "SEARCH flow_logs USING COVERING INDEX flow_logs_target (target>?)"},
		"live decoys":              {liveDecoys, "SCAN flow_logs USING COVERING INDEX flow_logs_decoy"},
		"first decoys":             {firstDecoys, "SCAN flow_logs USING INDEX flow_logs_decoy"},
		"news about new flow logs": {rowsWithNews, "SEARCH flow_logs USING COVERING INDEX flow_logs_untold (account=? AND region=?)"},
		"news of decoys":           {rowsWithNews, "SEARCH flow_logs USING COVERING INDEX flow_logs_decoy (account=? AND region=? AND decoy>?)"},
		"live to a destination":    {liveTo, "SEARCH f USING COVERING INDEX flow_logs_target (target=?)"},
		"decoys of a resource":     {decoysOf, "SEARCH flow_logs USING INDEX flow_logs_decoy (account=? AND region=? AND decoy>?)"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []any{"a", "r", "x", 1, 1}
			if plan := explain(t, s, c.query, args[:min(strings.Count(c.query, "?"), len(args))]...); !slices.Contains(plan, c.reads) {
				t.Errorf("%s\n%q", c.query, plan)
			}
		})
	}
}

// TestIncidentsAreCountedByTheirIndexes: the counts of blocked incidents by reason, and of losses that refreshes found
// within the last day, read only these by indexes, however many other incidents the file keeps.
func TestIncidentsAreCountedByTheirIndexes(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for query, want := range map[string][]string{
		blockedBy:  {"SCAN incidents USING INDEX incidents_pending", "USE TEMP B-TREE FOR GROUP BY"},
		unreported: {"CO-ROUTINE (subquery-1)", "SCAN s", "SEARCH i USING INDEX incidents_event (account=? AND region=? AND event_id>? AND event_id<?)", "SCAN (subquery-1)"},
		tokensUsed: {"SEARCH events USING INDEX events_detected (detected_at>?)"},
	} {
		if plan := explain(t, s, query, []any{1, 2}[:argsOf(query)]...); !slices.Equal(plan, want) {
			t.Errorf("%s\n%q", query, plan)
		}
	}
}

// TestPruneIsLinear: Prune finds the rows to delete by an index, in order, and by another index the rows that are
// deleted with them. Without an index on deliveries by alert, the deletion of each of a million alerts would read all
// deliveries.
func TestPruneIsLinear(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	indexed := func(query string, args ...any) {
		t.Helper()
		for _, step := range explain(t, s, query, args...) {
			if strings.Contains(step, "TEMP B-TREE") || strings.HasPrefix(step, "SCAN") && !strings.HasPrefix(step, "SCAN json_each") && !strings.Contains(step, "USING") {
				t.Errorf("%q in the plan of %s", step, query)
			}
		}
	}
	for _, p := range prunings {
		args := []any{now.UnixMilli(), 0, 0, rowsAtOnce}
		indexed(p.nth(), mostKept)
		indexed(p.find(), args...)
		for _, remove := range p.remove() {
			indexed(remove, "[1]")
		}
	}
	for _, w := range sweeps {
		indexed(`SELECT 1 FROM ` + w.table + ` x WHERE (` + w.key + `) > (` + strings.Repeat(`'', `, strings.Count(w.key, ",")) + `'') AND ` + w.unneeded)
	}
}
