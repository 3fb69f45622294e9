package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"modernc.org/sqlite"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// TestEveryTableHasABound: something bounds each table, so that nobody can fill the disk. A new table must be named
// here with its bound, and in docs/failure-modes.md.
func TestEveryTableHasABound(t *testing.T) {
	t.Parallel()
	bounds := map[string]string{
		"scopes":       "the configuration",
		"ways":         "a row for each scope",
		"facts":        "a row for each scope, sink and part of the pipeline",
		"flow_logs":    "live ones: what AWS lists; gone ones: the retention, and mostKept",
		"incidents":    "terminal ones: the retention, and mostKept; of unknown flow logs: maxUnknown for each scope, and the budget",
		"history":      "maxHistory lines for each incident",
		"events":       "the retention, and mostKept; of unknown flow logs: the budget",
		"alerts":       "the retention, and mostKept, once no delivery is pending; those that anybody can cause: the budget",
		"deliveries":   "a row for each alert and sink; a sink gives up after three days",
		"destinations": "mostDestinations for each scope",
		"approved":     "the recipients that operators have approved",
		"accounts":     "the accounts that the organisation ever had",
		"name_tags":    "a row for each resource in the snapshot",
		"targets":      "a row for each delivery target in the snapshot",
		"depends":      "the targets, and what each depends on",
		"rehearsals":   "a row for each delivery target",
		"deeds":        "a day, mostActorCalls for each principal and hour, and the budget",
		"campaigns":    "the events: each campaign has one at least",
		"bursts":       "mostBursts for each class, and a few more",
	}
	names, err := viewed(t.Context(), fresh(t).file, func(tx *Tx) ([]string, error) {
		return allValues[string](tx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
	})
	if err != nil || len(names) < len(bounds) {
		t.Errorf("%q, %v", names, err)
	}
	for _, name := range names {
		if bounds[name] == "" {
			t.Errorf("nothing bounds the table %s", name)
		}
	}
}

// addOld fills the tables with n rows each that Prune may delete: their times are one second apart, the latest a second
// before noon.
func addOld(t *testing.T, s *Store, n int) {
	t.Helper()
	for k := 0; k < n; k += 500 {
		s.put(t, func(tx *Tx) error {
			for m := k; m < min(n, k+500); m++ {
				at, id := noon.Add(-time.Duration(m+1)*time.Second), fmt.Sprint("fl-", m)
				f := flowLog(id)
				f.LogDestination = fmt.Sprint("arn:aws:s3:::bucket/", m)
				row := inventory.Row{FlowLog: f, RootID: id, State: inventory.Live, Protected: true, FirstSeenAt: at, LastSeenAt: at, WrittenAt: at}
				if err := tx.PutFlowLog(row); err != nil { // a live row, which also fills the table depends
					return err
				}
				row.State, row.GoneAt = inventory.Gone, at
				err := errors.Join(tx.PutFlowLog(row),
					tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: id, EventID: id, State: incident.Verified, Known: true, DetectedAt: at}),
					tx.AddHistory(scope, id, incident.Entry{At: at}, true), tx.AddHistory(scope, id, incident.Entry{At: at}, true),
					tx.PutEvent(incident.Event{Scope: scope, ID: id, DetectedAt: at}),
					tx.AddAlert(alert.Alert{ID: id, DedupKey: id, Time: alert.Time{Time: at}, Kind: alert.Deletion}),
					tx.AddActorCall(repeat.ActorCall{Principal: "mallory", At: noon.Add(-48 * time.Hour), EventID: id, EventName: "DeleteFlowLogs"}))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	exec(t, s.w, `UPDATE deliveries SET sent_at = 1; UPDATE incidents SET settled_at = detected_at WHERE settled_at IS NOT NULL`)
}

var tables = []string{"flow_logs", "incidents", "history", "events", "alerts", "deliveries", "deeds", "depends"}

// TestPruneCoversEveryTable: Prune deletes the old rows of every table, in transactions of at most rowsAtOnce rows.
// Between two of them a deletion can be committed.
func TestPruneCoversEveryTable(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	addOld(t, s, 1200)
	most := watchCommits(t, s)
	if err := s.Prune(t.Context(), noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if n := s.count(t, `SELECT count(*) FROM `+table); n != 0 {
			t.Errorf("%d rows of %s are left", n, table)
		}
	}
	if n := most(); n > rowsAtOnce+1 || n < fewestAtOnce {
		t.Errorf("the largest transaction deleted %d rows, want from %d to %d", n, fewestAtOnce, rowsAtOnce+1)
	}
}

// TestPruneGoesEasyOnASlowMachine: after a slow transaction the next one has fewer rows, so that others do not wait
// long for it; after a quick one it has more.
func TestPruneGoesEasyOnASlowMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows, want int64
		took       time.Duration
	}{
		"slow":                      {1000, 500, 100 * time.Millisecond},
		"very slow":                 {60, 50, time.Second},
		"fast":                      {500, 1000, time.Millisecond},
		"fast, and already at most": {1000, 1000, time.Millisecond},
		"neither slow nor quick":    {500, 500, 30 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := nextBatch(c.rows, c.took); got != c.want {
				t.Errorf("after %d rows in %s: %d rows, want %d", c.rows, c.took, got, c.want)
			}
		})
	}
}

// watchCommits returns a function that says how many rows the largest transaction since then has changed.
func watchCommits(t *testing.T, s *Store) func() int64 {
	t.Helper()
	var rows, most int64
	s.hook(t, func(writer sqlite.HookRegisterer) {
		writer.RegisterPreUpdateHook(func(sqlite.SQLitePreUpdateData) { rows++ })
		writer.RegisterCommitHook(func() int32 { most, rows = max(most, rows), 0; return 0 })
	})
	return func() int64 { return most }
}

// hook calls register with the connection that writes.
func (s *Store) hook(t *testing.T, register func(sqlite.HookRegisterer)) {
	t.Helper()
	writer, err := s.w.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	err = writer.Raw(func(c any) error { register(c.(*conn).sqliteConn.(sqlite.HookRegisterer)); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// TestPruneKeepsWhatWaits: Prune keeps an alert that a sink has not taken, an open or blocked incident with its row, a
// live row, and all rows that are younger than the retention.
func TestPruneKeepsWhatWaits(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	addOld(t, s, 30)
	exec(t, s.w, `UPDATE deliveries SET sent_at = NULL WHERE sink = 'hook' AND alert = (SELECT num FROM alerts WHERE id = 'fl-20')`)
	s.learnAt(t, noon.Add(-time.Hour), flowLog("fl-live"))
	s.put(t, func(tx *Tx) error {
		var errs []error
		for id, state := range map[string]incident.State{"fl-21": incident.Open, "fl-22": incident.Blocked} {
			errs = append(errs, tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: id, EventID: id, State: state, Known: true, DetectedAt: noon.Add(-time.Hour)}))
		}
		return errors.Join(errs...)
	})
	if err := s.Prune(t.Context(), noon.Add(-10*time.Second)); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int64{"alerts": 10 + 1, "deliveries": 2 * 11, "incidents": 10 + 2, "history": 2 * 12, "flow_logs": 10 + 2 + 1, "events": 10 + 2} {
		if n := s.count(t, `SELECT count(*) FROM `+table); n != want {
			t.Errorf("%d rows of %s are left, want %d", n, table, want)
		}
	}
}

// TestPruneBoundsWhatIsYoung: if a table has too many rows, Prune deletes the oldest before the retention ends.
func TestPruneBoundsWhatIsYoung(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	addOld(t, s, 100)
	if err := s.prune(t.Context(), noon.Add(-time.Hour).UnixMilli(), 40); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"flow_logs", "incidents", "events", "alerts"} {
		if n := s.count(t, `SELECT count(*) FROM `+table); n != 40 {
			t.Errorf("%d rows of %s are left, want 40", n, table)
		}
	}
	if n := s.count(t, `SELECT count(*) FROM incidents WHERE id = 'fl-0'`); n != 1 {
		t.Error("the youngest incident was deleted")
	}
}

// TestAReleaseLeavesTheWriterFree: a release of many flow logs changes them page by page, each page in a transaction of
// its own, so that other changes can be committed in between. It looks at each row once.
func TestAReleaseLeavesTheWriterFree(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	const n = 4*page + 10
	var all []inventory.FlowLog
	for k := range n {
		all = append(all, flowLog(fmt.Sprintf("fl-%05d", k)))
	}
	for part := range slices.Chunk(all, 1000) {
		s.learnAt(t, noon, part...)
	}
	command := openAs(t, s.path, Options{Now: func() time.Time { return noon }})
	asked, seen := map[string]int{}, map[int64]bool{}
	changed, err := command.ChangeRows(t.Context(), func(r *inventory.Row) bool {
		asked[r.ID]++
		seen[s.count(t, `SELECT count(*) FROM flow_logs WHERE released_until IS NOT NULL`)] = true // what others see committed by now
		r.ReleasedUntil = noon.Add(time.Hour)
		return true
	})
	if err != nil || changed != n || len(asked) != n || len(seen) != 5 {
		t.Errorf("%d of %d rows changed, %d were looked at, in %d transactions (want 5): %v", changed, n, len(asked), len(seen), err)
	}
}

// TestNewDestinationsAreBounded: a scope remembers at most mostDestinations. If there are more, a further one counts as
// new each time.
func TestNewDestinationsAreBounded(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	exec(t, s.w, `WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ?)
		INSERT INTO destinations (account, region, destination) SELECT ?, ?, 'arn:aws:s3:::b/' || n FROM k`, mostDestinations, scope.Account, scope.Region)
	s.put(t, func(tx *Tx) error {
		for destination, want := range map[string]bool{"arn:aws:s3:::b/7": false, "arn:aws:s3:::b/new": true} {
			for range 2 {
				if isNew, err := tx.NewDestination(scope, destination, noon); err != nil || isNew != want {
					t.Errorf("%s: new %v, want %v, %v", destination, isNew, want, err)
				}
			}
		}
		return nil
	})
	if n := s.count(t, `SELECT count(*) FROM destinations`); n != mostDestinations {
		t.Errorf("%d destinations are stored, want %d", n, mostDestinations)
	}
}

// TestPruneKeepsAnEventThatIsNotOver: the flow log of an event is not back, and a second record of the deletion has
// moved the incident to an event of its own. Prune must keep the first event, too: the alert that resolves its pager
// incident, and that of the campaign, is still to come.
func TestPruneKeepsAnEventThatIsNotOver(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	at := noon.Add(-60 * 24 * time.Hour)
	s.put(t, func(tx *Tx) error {
		return errors.Join(
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-1", EventID: "second", State: incident.Blocked, Known: true, DetectedAt: at}),
			tx.AddHistory(scope, "fl-1", incident.Entry{At: at, EventID: "first"}, true), tx.AddHistory(scope, "fl-1", incident.Entry{At: at, EventID: "second"}, true),
			tx.PutEvent(incident.Event{Scope: scope, ID: "first", CampaignID: "campaign", DetectedAt: at, DeletionAlertedAt: at}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "second", CampaignID: "campaign", DetectedAt: at, DeletionAlertedAt: at}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "of nothing", DetectedAt: at}))
	})
	prune := func(want int64) {
		t.Helper()
		if err := s.Prune(t.Context(), noon.Add(-30*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n := s.count(t, `SELECT count(*) FROM events`); n != want {
			t.Errorf("%d events are left, want %d", n, want)
		}
	}
	prune(2)
	exec(t, s.w, `UPDATE incidents SET state = 'verified', settled_at = ?`, at.UnixMilli())
	prune(0)
}

// TestI12HistoryIsBounded: forged records that name one flow log can't fill the disk with lines of history. An unknown
// flow log keeps fewer lines than a known one.
func TestI12HistoryIsBounded(t *testing.T) {
	t.Parallel()
	for known, most := range map[bool]int{true: maxHistory, false: maxUnknownHistory} {
		s := fresh(t)
		s.put(t, func(tx *Tx) error {
			c := &incident.Case{Scope: scope}
			c.Put(incident.Incident{Scope: scope, FlowLogID: "fl-1", State: incident.Open, Known: known})
			for n := range 3 * maxHistory {
				c.Effects.History = append(c.Effects.History, incident.HistoryLine{FlowLogID: "fl-1", Entry: incident.Entry{EventID: fmt.Sprint(n)}})
			}
			return tx.SaveCase(c)
		})
		_, h, _, err := s.FindIncident(t.Context(), "fl-1")
		if err != nil || len(h) != most {
			t.Errorf("known %v: %d lines, want %d, %v", known, len(h), most, err)
		}
	}
}

// TestI12UnknownIncidentsAreBounded: a scope keeps a bounded number of incidents of unknown flow logs, also of open
// ones. If there are more, terminal ones are dropped first, with their history. Incidents of known flow logs stay.
func TestI12UnknownIncidentsAreBounded(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	put := func(id string, i incident.Incident) {
		t.Helper()
		s.put(t, func(tx *Tx) error {
			i.Scope, i.FlowLogID, i.EventID = scope, id, "event"
			return errors.Join(tx.PutIncident(i), tx.AddHistory(scope, id, incident.Entry{EventID: "event"}, true))
		})
	}
	put("fl-known", incident.Incident{State: incident.Open, Known: true, DetectedAt: noon.Add(-time.Hour)})
	put("fl-settled", incident.Incident{State: incident.Closed, DetectedAt: noon})
	for m := range 13 {
		s.put(t, func(tx *Tx) error {
			for n := range 1000 {
				id := fmt.Sprintf("fl-%08d", 1000*m+n)
				i := incident.Incident{Scope: scope, FlowLogID: id, State: incident.Open, DetectedAt: noon.Add(-time.Minute)}
				if err := errors.Join(tx.PutIncident(i), tx.AddHistory(scope, id, incident.Entry{EventID: "event"}, true)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	incidents, histories := s.count(t, `SELECT count(*) FROM incidents`), s.count(t, `SELECT count(*) FROM history`)
	if incidents > maxUnknown+1001 || histories != incidents {
		t.Errorf("%d incidents with %d lines of history", incidents, histories)
	}
	if _, _, ok, err := s.FindIncident(t.Context(), "fl-known"); !ok || err != nil {
		t.Errorf("the incident of a known flow log was dropped: %v", err)
	}
	if _, _, ok, err := s.FindIncident(t.Context(), "fl-settled"); ok || err != nil {
		t.Errorf("the terminal incident was not dropped first: %v", err)
	}
}
