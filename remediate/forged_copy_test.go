package remediate_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// adoptForged adopts a copy of the state file in which somebody has run the statements. The table c has the numbers from
// 1 to 100, as n.
func (s *scene) adoptForged(statements ...string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.path)
	s.must(err)
	db.SetMaxOpenConns(1) // each connection has temporary tables of its own
	const numbers = `CREATE TEMP TABLE c AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT n FROM c`
	for _, statement := range append([]string{numbers}, statements...) {
		if _, err := db.ExecContext(s.t.Context(), statement); err != nil {
			s.t.Fatal(statement, err)
		}
	}
	s.must(db.Close())
	s.adopt(store.Adoption{Now: s.now, Made: s.now, Stale: 48 * time.Hour})
	s.refresh()
}

// TestI9ForgedEventsOfACopySilenceNothing: a forged copy has a hundred events that are due, among them one with the ID
// that the next deletion will have. Their bodies say that they are other events, or are no JSON, or their IDs are no
// text. The deletion, that the flow log is not back, and the end are alerted as usual. No event stays due for ever.
func TestI9ForgedEventsOfACopySilenceNothing(t *testing.T) {
	t.Parallel()
	const here, alerted = `"Account":"` + account + `","Region":"` + region + `"`, `,"Source":"event","Level":"low","ToldDeletion":"2026-03-01T12:00:00Z","ToldClosed":"2026-03-01T12:00:00Z"}`
	for name, forged := range map[string]struct{ id, body string }{
		"another ID":     {`'event-' || n`, `{"Scope":{` + here + `},"ID":"elsewhere"` + alerted},
		"another Region": {`'event-' || n`, `{"Scope":{"Account":"` + account + `","Region":"us-east-1"},"ID":"event-1"` + alerted},
		"the same":       {`'event-' || n`, `{"Scope":{` + here + `},"ID":"event-1"` + alerted},
		"no JSON":        {`'event-' || n`, `{`},
		"no text":        {`CAST('event-' || n AS BLOB)`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.adoptForged(`INSERT INTO events (account, region, id, due_at, detected_at, body) SELECT '` + account + `', '` + region + `', ` + forged.id + `, 1, 1, '` + forged.body + `' FROM c`)
			s.world.Deny("flowkeeper", "CreateFlowLogs")
			s.deliver(s.attack(id))
			for range 40 {
				s.now = s.now.Add(30 * time.Second)
				s.must(s.r.NotifyDue(t.Context(), scope))
			}
			s.must(s.store.View(t.Context(), func(tx *store.Tx) error {
				due, err := tx.DueEvents(scope, s.now)
				if len(due) > 0 {
					t.Errorf("%d are due for ever, the first one is %+v", len(due), due[0])
				}
				return err
			}))
			s.world.Allow("flowkeeper", "CreateFlowLogs")
			s.advance(time.Hour)
			s.refresh()
			s.advance(time.Hour)
			for _, kind := range []alert.Kind{alert.Deletion, alert.Blocked, alert.Restored, alert.Closed} {
				if n := len(s.alerts(kind)); n != 1 {
					t.Errorf("%d alerts of kind %s, want 1", n, kind)
				}
			}
		})
	}
}

// TestI9ForgedIncidentsOfACopyHoldNothingBack: a forged copy has a hundred incidents that are due before all others. Their
// bodies name other flow logs than their rows, so that no step would change the rows. What is deleted is restored all the same.
func TestI9ForgedIncidentsOfACopyHoldNothingBack(t *testing.T) {
	t.Parallel()
	const (
		// forged incidents are copies of the only one.
		copies  = `CREATE TEMP TABLE forged AS SELECT incidents.*, n FROM c, incidents`
		rows    = `CREATE TEMP TABLE old AS SELECT flow_logs.*, n FROM c, (SELECT * FROM flow_logs LIMIT 1) flow_logs`
		atFirst = `next_at = 1, first_seen_at = 0, state = 'open', event_id = 'forged', body = json_set(body, '$.FlowLogID', 'fl-gone' || n)`
		insert  = `INSERT INTO incidents SELECT * FROM forged`
	)
	for name, statements := range map[string][]string{
		"without rows of flow logs, open and unknown": {copies,
			`UPDATE forged SET id = 'fl-f' || n, ` + atFirst, `UPDATE forged SET body = json_set(body, '$.Known', json('false'), '$.State', 'open')`},
		"closed, with rows of flow logs that are gone": {
			rows, `UPDATE old SET num = 1000 + n, id = 'fl-f' || n, state = 'gone', protected = 0, target = NULL, body = packed($GONE)`, `ALTER TABLE old DROP COLUMN n`, `INSERT INTO flow_logs SELECT * FROM old`,
			copies, `UPDATE forged SET id = 'fl-f' || n, ` + atFirst, `UPDATE forged SET body = json_set(body, '$.State', 'closed', '$.Reason', 'released')`},
		"with IDs that are no text": {copies, `UPDATE forged SET id = CAST('fl-f' || n AS BLOB), ` + atFirst},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ids := protected(t, 2)
			s.deliver(s.attack(ids[0]))
			gone := s.row(ids[0])
			gone.State, gone.Protected, gone.GoneAt = inventory.Gone, false, s.now
			text, err := json.Marshal(gone)
			s.must(err)
			for n := range statements {
				statements[n] = strings.ReplaceAll(statements[n], "$GONE", "'"+string(text)+"'")
			}
			s.adoptForged(append(statements, `ALTER TABLE forged DROP COLUMN n`, insert)...)
			s.deliver(s.attack(ids[1]))
			for range 40 {
				s.now = s.now.Add(10 * time.Second)
				for range 5 {
					_, err := s.r.Reconcile(t.Context(), scope, func() {})
					s.must(err)
				}
			}
			for _, id := range ids {
				s.wantState(id, incident.Restored, "")
			}
		})
	}
}

// TestI8ForgedRowsOfACopyStopNoRefresh: a forged copy has a flow log whose ID is no text. A refresh ends.
func TestI8ForgedRowsOfACopyStopNoRefresh(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s.adoptForged(`CREATE TEMP TABLE forged AS SELECT * FROM flow_logs`, `UPDATE forged SET id = CAST(id AS BLOB), num = num + 1000`, `INSERT INTO flow_logs SELECT * FROM forged`)
	if _, err := s.r.Refresh(ctx, scope); err != nil {
		t.Fatal(errors.Join(errors.New("the refresh does not end"), err))
	}
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
}

// TestI9ForgedHistoryOfACopyStopsNoRecord: a forged copy has a line of history that is no JSON, of the flow log and the
// event that the next record names. The record is stored.
func TestI9ForgedHistoryOfACopyStopsNoRecord(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.record(id)) // forged: the flow log is alive
	s.advance(3 * time.Minute)
	s.wantState(id, incident.Closed, incident.StillThere)
	s.adoptForged(`INSERT INTO history (account, region, id, event_id, body) SELECT '` + account + `', '` + region + `', '` + id + `', 'event-' || n, '{' FROM c`)
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
}

// TestI9ForgedValuesOfACopyDelayNothing: the daemon is down, a flow log is deleted, and somebody forges the copy. The
// deletion alert is sent within minutes, and the flow log is restored.
func TestI9ForgedValuesOfACopyDelayNothing(t *testing.T) {
	t.Parallel()
	const (
		pending  = `INSERT INTO deliveries (alert, sink, next_at, urgency) SELECT num, 'log', 1, -1 FROM alerts WHERE id = 'x'`
		inTwo    = `INSERT INTO deliveries (alert, sink, next_at, urgency) SELECT num, 'log', $LATER, 9 FROM alerts WHERE id = 'x'`
		greatest = `9223372036854775807`
	)
	for name, statements := range map[string][]string{
		"a pending alert whose body has another ID":  {`INSERT INTO alerts (id, at, body) VALUES ('x', 1, '{"id":"y","kind":"deletion","level":"critical","time":"2026-01-01T00:00:00Z"}')`, pending},
		"a pending alert with a time after 9999":     {`INSERT INTO alerts (id, at, body) VALUES ('x', 1, '{"id":"x","kind":"deletion","level":"critical","time":"9999-12-31T23:59:59-23:59"}')`, pending},
		"a pending alert with its key, in two hours": {`INSERT INTO alerts (id, at, body, dedup_key, answers) VALUES ('x', 1, '{"id":"x"}', '$KEY', 2)`, inTwo},
		"a refresh in a time to come":                {`UPDATE scopes SET refreshed_at = ` + greatest + `, first_at = ` + greatest},
		"calls of the principal that are too many":   {`INSERT INTO deeds (principal, at, event_id, event_name, refused, flow_logs) SELECT '` + mallory + `', $NOW - n, 'f' || n, 'DeleteFlowLogs', 0, ` + greatest + ` FROM c`},
		"a history that has the record, of a scope that is stale": {`UPDATE scopes SET refreshed_at = 1`,
			`INSERT INTO history (account, region, id, event_id, body) VALUES ('` + account + `', '` + region + `', '$ID', '$EVENT', '{"Claim":"$CLAIM"}')`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other, otherID := protectedOne(t)
			other.deliver(other.attack(otherID))
			s, id := protectedOne(t)
			was := incident.New(scope, id, s.row(id), true, s.now)
			was.State, was.Reason, was.Source, was.EventID = incident.Closed, incident.StillThere, incident.ByEvent, "earlier"
			s.must(s.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutIncident(was) }))
			f := s.attack(id)
			actor := f.Actor()
			values := strings.NewReplacer("$KEY", other.alerts(alert.Deletion)[0].DedupKey, "$ID", id, "$EVENT", f.Record.EventID, "$CLAIM", incident.ClaimOf(&actor, f.Record.EventTime),
				"$NOW", strconv.FormatInt(s.now.UnixMilli(), 10), "$LATER", strconv.FormatInt(s.now.Add(2*time.Hour).UnixMilli(), 10))
			for n := range statements {
				statements[n] = values.Replace(statements[n])
			}
			s.adoptForged(statements...)
			s.deliver(f)
			s.wantSent(alert.Deletion, 10*time.Minute)
			s.advance(20 * time.Minute)
			s.wantRestored("vpc-1")
		})
	}
}

// wantSent sends what is in the outbox until there is an alert of a kind about the deletion of now, within a time.
func (s *scene) wantSent(kind alert.Kind, within time.Duration) {
	s.t.Helper()
	for end, sent := s.now.Add(within), 0; s.now.Before(end) && sent < 1000; {
		x, ok, err := s.store.Next(s.t.Context(), "log", sink.Choice{Now: s.now})
		s.must(err)
		if !ok {
			s.advance(time.Minute)
			continue
		}
		if x.Alert.Kind == kind && x.Alert.ID != "x" && x.Alert.ID != "y" {
			return
		}
		sent++
		s.must(s.store.Sent(s.t.Context(), "log", x.Alert.ID, s.now))
	}
	s.t.Errorf("no alert of kind %s is sent within %s", kind, within)
}

// TestI9ForgedIndexesOfACopyAreWrittenAnew: in a forged copy the index of what is due has rows that its table lacks. The
// restorer finds what is due.
func TestI9ForgedIndexesOfACopyAreWrittenAnew(t *testing.T) {
	t.Parallel()
	for _, index := range []string{"incidents_due", "events_due"} {
		t.Run(index, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.must(s.store.Close())
			forge := func(statements ...string) {
				db, err := sql.Open("sqlite", s.path)
				s.must(err)
				db.SetMaxOpenConns(1)
				for _, statement := range statements {
					if _, err := db.ExecContext(t.Context(), statement); err != nil {
						t.Fatal(statement, err)
					}
				}
				s.must(db.Close())
			}
			forge(`CREATE TABLE forged (account TEXT NOT NULL, region TEXT NOT NULL, next_at INTEGER)`,
				`CREATE INDEX forged_due ON forged (account, region, next_at) WHERE next_at IS NOT NULL`,
				`INSERT INTO forged VALUES ('`+account+`', '`+region+`', 1)`,
				`PRAGMA writable_schema = 1`,
				`CREATE TEMP TABLE pages AS SELECT name, rootpage FROM sqlite_schema WHERE name IN ('forged_due', '`+index+`')`,
				`UPDATE sqlite_schema SET rootpage = (SELECT p.rootpage FROM pages p WHERE p.name <> sqlite_schema.name) WHERE name IN ('forged_due', '`+index+`')`)
			forge(`DROP TABLE forged`, `PRAGMA wal_checkpoint(TRUNCATE)`)
			s.must(os.Rename(s.path, s.path+".copy")) // CopyTo would write the indexes anew
			_, err := store.Adopt(t.Context(), s.path+".copy", s.path, store.Adoption{Now: s.now, Made: s.now, Stale: 48 * time.Hour})
			s.must(err)
			s.start()
			s.refresh()
			s.attackAndReconcile(id)
			s.wantState(id, incident.Restored, "")
		})
	}
}

// TestI9ForgedIncidentsWithoutRowsAreNoFlapping: a forged copy has incidents of unknown flow logs that say that the lineage
// was restored often. The next deletion is restored at once.
func TestI9ForgedIncidentsWithoutRowsAreNoFlapping(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) (err error) {
		for n := range 10 {
			err = errors.Join(err, tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: fmt.Sprintf("fl-f000000000000000%d", n), RootID: id, ResourceID: "vpc-1", State: incident.Open,
				RestoredAt: s.now.Add(30 * time.Second), NextAttemptAt: s.now, EventID: "forged", Source: incident.ByEvent, DetectedAt: s.now, OpenedAt: s.now}))
		}
		return err
	}))
	s.adoptForged()
	s.advance(2 * time.Minute)
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
}
