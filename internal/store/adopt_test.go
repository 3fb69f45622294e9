package store

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/inventory"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/repeat"
)

// announcement is the alert about an adoption.
type announcement alert.Alert

func (n announcement) Adopted(Adopted) alert.Alert { return alert.Alert(n) }

// adopted copies s, adopts the copy, and opens the state file that it became.
func (s *Store) adopted(t *testing.T, a Adoption) (*Store, Adopted) {
	t.Helper()
	copied, path := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "state.db")
	a.Routes = alerttest.To{"pager"}
	a.Announcer = announcement{ID: "adopted", Time: alert.Time{Time: a.Now}}
	if err := s.CopyTo(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	found, err := Adopt(t.Context(), copied, path, a)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, path), found
}

// stale reports whether cases of a scope are stale: see [incident.StaleFromCopy].
func (s *Store) stale(t *testing.T, sc inventory.Scope) bool {
	t.Helper()
	c, err := viewed(t.Context(), s.file, func(tx *Tx) (*incident.Case, error) { return tx.Case(sc, incident.Selection{}, noon) })
	if err != nil {
		t.Fatal(err)
	}
	return c.Stale
}

// TestAnOldCopyWrittenAgainIsOld: an attacker who writes last month's copy into the bucket
// again gives the object today's date. So its age also follows from the last refresh of each scope
// in it: only the scopes with an old refresh are stale.
func TestAnOldCopyWrittenAgainIsOld(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	other := inventory.Scope{Account: scope.Account, Region: "us-east-1"}
	old, now := noon.Add(-30*24*time.Hour), noon
	if err := errors.Join(s.Refreshed(t.Context(), scope, old, old), s.Refreshed(t.Context(), other, now.Add(-time.Hour), now)); err != nil {
		t.Fatal(err)
	}
	exec(t, s.w, `UPDATE scopes SET stale = 1 WHERE region = 'us-east-1'`)
	for _, c := range []struct {
		made        time.Time
		here, there bool
	}{{now.Add(-time.Minute), true, false}, {now.Add(-49 * time.Hour), true, true}} {
		b, found := s.adopted(t, Adoption{Now: now, Made: c.made, Stale: 48 * time.Hour})
		if b.stale(t, scope) != c.here || b.stale(t, other) != c.there || !found.Stale || !found.RefreshedAt.Equal(now.Add(-time.Hour)) {
			t.Errorf("made %s: %v, %v, %+v", c.made, b.stale(t, scope), b.stale(t, other), found)
		}
	}
}

// TestEveryTableOfACopyIsConsidered: when the schema gets a table, somebody must decide what of it counts in a copy. The
// test has for each table which step of an adoption says so; empty: all of it counts.
func TestEveryTableOfACopyIsConsidered(t *testing.T) {
	t.Parallel()
	steps := map[string]string{
		"flow_logs": "takeRows", "incidents": "takeRows", "events": "dropUnreadable", "targets": "takeRows", "history": "dropUnreadable", "ways": "takePipelines",
		"accounts": "takeAccounts", "facts": "forgetFacts", "bursts": "endBursts", "campaigns": "resetColumns", "scopes": "takeScopes", "deliveries": "dropDeliveries",
		"alerts": "writeAlerts", "approved": "emptyTables", "rehearsals": "emptyTables", "name_tags": "emptyTables",
		"deeds": "emptyTables", "depends": "emptyTables", "destinations": "",
	}
	tables, err := viewed(t.Context(), fresh(t).file, func(tx *Tx) ([]string, error) {
		return allValues[string](tx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	})
	if want := slices.Sorted(maps.Keys(steps)); err != nil || !slices.Equal(tables, want) {
		t.Errorf("the tables are %q, %v; considered are %q", tables, err, want)
	}
}

// TestWhatAnAdoptedCopyDoesNotDecide: an adoption drops what an attacker could use: the results of rehearsals, the
// principal whose dry runs count, and facts. Of pending alerts only the newest mostAdopted stay: more would delay the
// alert of the adoption.
func TestWhatAnAdoptedCopyDoesNotDecide(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"))
	s.put(t, func(tx *Tx) error {
		for n := range mostAdopted + 500 {
			if err := tx.AddAlert(alert.Alert{ID: fmt.Sprint("forged-", n), Time: alert.Time{Time: noon}}); err != nil {
				return err
			}
		}
		return nil
	})
	s.put(t, func(tx *Tx) error {
		return errors.Join(
			tx.SaveRehearsals(scope, rehearse.Changes{Rehearsals: []rehearse.Rehearsal{{Scope: scope, Target: delivery.TargetOf(flowLog("fl-1"))}}}),
			tx.SavePipelineHealth(scope, rehearse.PipelineHealth{Instance: "mine", By: "111122223333:user/mallory", BackAt: noon, OthersAt: noon.Add(24 * 365 * time.Hour), SilenceAlerted: true}, nil))
	})
	s.put(t, func(tx *Tx) error {
		return errors.Join(tx.SetOutageAlerted(scope, alert.PartRefresh, true), tx.setFact(PartitionFact, "aws-cn"), tx.setFact(DepartedTogetherFact, "[1]"))
	})
	exec(t, s.w, `INSERT INTO deliveries (alert, sink, next_at) SELECT num, 'pager', 0 FROM alerts`)
	b, found := s.adopted(t, Adoption{Now: noon, Made: noon, Stale: time.Hour})
	counts, err := b.Counts(t.Context())
	if err != nil || counts.Restorable["unknown"] != 1 || counts.Pending["pager"] != mostAdopted+1 || found.Alerts != 500 {
		t.Errorf("%+v, %+v, %v", counts, found, err)
	}
	b.put(t, func(tx *Tx) error {
		alerted, err := tx.OutageAlerted(scope, alert.PartRefresh)
		partition, ferr := tx.fact(PartitionFact)
		together, derr := tx.fact(DepartedTogetherFact)
		if alerted || partition != "" || together != "" {
			t.Errorf("alerted %t, partition %q, departed together %q", alerted, partition, together)
		}
		return errors.Join(err, ferr, derr)
	})
	b.put(t, func(tx *Tx) error {
		w, err := tx.PipelineHealth(scope)
		if w != (rehearse.PipelineHealth{Instance: "mine", BackAt: w.BackAt, SilenceAlerted: true}) || !w.BackAt.Equal(noon) {
			t.Errorf("%+v", w)
		}
		return err
	})
}

// TestAnAdoptedCopyKeepsWhatIsToComeBack: an adoption keeps incidents, because only they have the settings of lost flow
// logs. An open one is due at once. A closed one keeps its reason and history.
func TestAnAdoptedCopyKeepsWhatIsToComeBack(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"), flowLog("fl-2"), flowLog("fl-3"))
	s.put(t, func(tx *Tx) error {
		lost, over := s.row(t, "fl-1"), s.row(t, "fl-2")
		lost.State, over.State, lost.GoneAt, over.GoneAt = inventory.Gone, inventory.Gone, noon, noon
		return errors.Join(tx.PutFlowLog(lost), tx.PutFlowLog(over),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-1", State: incident.Open, Known: true, Frozen: lost.Settings, WaitUntil: noon.Add(time.Hour), NextAttemptAt: noon.Add(time.Hour)}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-2", State: incident.Closed, Reason: incident.Released, Known: true}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-unknown", State: incident.Closed, Reason: incident.Unknown}),
			tx.AddHistory(scope, "fl-2", incident.Entry{Text: "released"}, true))
	})
	b, found := s.adopted(t, Adoption{Now: noon.Add(time.Minute), Made: noon, Stale: time.Hour})
	if found.FlowLogs != 1 || found.Final != 0 || found.Unprotected != 0 || found.Released.FlowLogs != 0 || found.Stale {
		t.Errorf("%+v", found)
	}
	for id, want := range map[string]incident.State{"fl-1": incident.Open, "fl-2": incident.Closed, "fl-unknown": incident.Closed} {
		i, h, ok, err := b.FindIncident(t.Context(), id)
		if !ok || err != nil || i.State != want || id == "fl-2" && (len(h) != 1 || i.Reason != incident.Released) || id == "fl-1" && (!i.WaitUntil.IsZero() || i.NextAttemptAt.After(noon.Add(time.Minute))) {
			t.Errorf("%s: %+v, %v, %v, %v", id, i, h, ok, err)
		}
	}
}

// TestAnAdoptedCopyHoldsNoAlertsBack: the bursts of a copy are due at once, and unreadable ones are dropped. A later
// deletion joins no campaign of the copy, so it opens a pager incident of its own.
func TestAnAdoptedCopyHoldsNoAlertsBack(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	deletion := campaign.Deletion{Account: scope.Account, Principal: "mallory", EventID: "e-1", At: noon}
	var before, after string
	s.put(t, func(tx *Tx) (err error) {
		if before, err = deletion.Join(tx); err != nil {
			return err
		}
		return tx.putBurst(repeat.Burst{Key: "k", Class: "attempt", Scope: scope, DueAt: noon.Add(20 * time.Minute)})
	})
	exec(t, s.w, `INSERT INTO bursts SELECT x.key, class, account, region, due_at, x.body FROM bursts,
		(SELECT 'another' AS key, json_set(body, '$.Key', 'yet another') AS body FROM bursts
		UNION ALL SELECT 'calls of nobody', json_set(body, '$.Held.Calls', 3) FROM bursts
		UNION ALL SELECT 'no burst', '[]') x`)
	b, _ := s.adopted(t, Adoption{Now: noon, Made: noon, Stale: time.Hour})
	b.put(t, func(tx *Tx) (err error) {
		due, err := tx.DueBursts(scope, noon, noon)
		if err != nil || len(due) != 2 {
			t.Errorf("%v, %v", due, err)
		}
		for _, x := range due { // a restorer could not end a burst that Bursts does not find, and would try again without end
			if found, err := tx.Bursts(x.Key); x.DueAt.After(noon) || len(found) != 1 || err != nil {
				t.Errorf("%+v, %v, %v", x, found, err)
			}
		}
		deletion.EventID = "e-2"
		after, err = deletion.Join(tx)
		return err
	})
	if before == after || after == "" {
		t.Errorf("the copy's campaign is %q; a later deletion joins %q, want a new campaign", before, after)
	}
}

// TestI12AlertsOfACopyAreWrittenAnew: sinks never get the titles and texts of a forged copy. Flowkeeper writes them
// anew from the fields of the alert. A body that is no alert is not sent.
func TestI12AlertsOfACopyAreWrittenAnew(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, func(tx *Tx) error {
		return errors.Join(tx.AddAlert(alert.Alert{ID: "forged", Kind: alert.Test, Level: alert.Critical}), tx.AddAlert(alert.Alert{ID: "broken", Kind: alert.Test, Level: alert.Critical}))
	})
	exec(t, s.w, `INSERT INTO deliveries (alert, sink, next_at) SELECT num, 'pager', 0 FROM alerts`)
	exec(t, s.w, `UPDATE alerts SET body = json_set(body, '$.title', '', '$.text', 'x' || char(27) || '[2J') WHERE id = 'forged'`)
	exec(t, s.w, `UPDATE alerts SET body = '[]' WHERE id = 'broken'`)
	b, _ := s.adopted(t, Adoption{Now: noon, Made: noon, Stale: time.Hour})
	got := map[string]alert.Alert{}
	for range 2 {
		d, ok, err := b.Next(t.Context(), "pager", sink.Choice{Now: time.Now()})
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		got[d.Alert.ID] = d.Alert
		if err := b.Sent(t.Context(), "pager", d.Alert.ID, noon); err != nil {
			t.Fatal(err)
		}
	}
	if a, ok := got["forged"]; !ok || a.Title == "" || strings.Contains(a.Text, "\x1b") {
		t.Errorf("%q %q", a.Title, a.Text)
	}
	if d, ok, err := b.Next(t.Context(), "pager", sink.Choice{Now: time.Now()}); ok || err != nil || got["adopted"].ID == "" {
		t.Errorf("%v, %+v %v", got, d.Alert, err)
	}
}

// TestOlderCopiesAreAdopted: a copy that an earlier version wrote has that version's schema, and is adopted. A copy
// with any other schema, for example one more trigger, is refused: the daemon would run the SQL of whoever wrote the
// copy.
func TestOlderCopiesAreAdopted(t *testing.T) {
	t.Parallel()
	for version := range len(migrations) + 1 {
		for _, strange := range []string{"", `CREATE TRIGGER t AFTER UPDATE ON scopes BEGIN SELECT 1; END`, `CREATE VIEW v AS SELECT 1`, `DROP INDEX incidents_due`,
			`CREATE INDEX i ON scopes (region) WHERE abs(refreshed_at) > 0`} {
			if version < len(migrations) && strange != "" {
				continue
			}
			copied := older(t, version)
			db := raw(t, copied)
			exec(t, db, strange)
			db.Close()
			_, err := Adopt(t.Context(), copied, filepath.Join(t.TempDir(), "state.db"), Adoption{Now: noon, Made: noon, Stale: time.Hour})
			if errors.Is(err, ErrStrange) != (strange != "") || strange == "" && err != nil {
				t.Errorf("schema %d with %q: %v", version, strange, err)
			}
		}
	}
}

// TestI2NumbersThatNoDaemonGives: an adoption reads the rows of a copy in pages that begin with row number 1. Rows with
// lower numbers would count unchecked, so they are dropped. Here they hold a forged release, and a forged text of an
// alert.
func TestI2NumbersThatNoDaemonGives(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"))
	addAll(t, s, noon, alert.Alert{ID: "a", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs})
	s.put(t, func(q *Tx) error {
		r, _, err := q.FlowLog(scope, "fl-1")
		r.ReleasedUntil, r.ReleasedAt = noon.Add(1e6*time.Hour), noon.Add(-time.Hour)
		return errors.Join(err, q.PutFlowLog(r), q.exec(`UPDATE flow_logs SET num = -num`))
	})
	s.Close()
	db := raw(t, s.path)
	exec(t, db, `PRAGMA foreign_keys = 0`)
	exec(t, db, `UPDATE alerts SET num = -5, body = json_set(body, '$.text', 'call +1-EVIL')`)
	exec(t, db, `UPDATE deliveries SET alert = -5`)
	b, _ := open(t, s.path).adopted(t, Adoption{Now: noon, Made: noon, Stale: time.Hour})
	if r, found, err := b.FindFlowLog(t.Context(), "fl-1"); err != nil || found && !r.ReleasedUntil.IsZero() {
		t.Errorf("the release counts: %+v, %v", r, err)
	}
	for _, name := range []string{"log", "hook"} {
		if d, ok, err := b.Next(t.Context(), name, sink.Choice{Now: noon}); err != nil || ok && strings.Contains(d.Alert.Text, "EVIL") {
			t.Errorf("%s gets %q, %v", name, d.Alert.Text, err)
		}
	}
}

// TestADamagedTargetOfACopyStopsNoRefresh: a refresh chooses by the rows of targets which flow logs it reads. So a
// damaged target in a copy would make each refresh fail.
func TestADamagedTargetOfACopyStopsNoRefresh(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"))
	s.put(t, func(q *Tx) error {
		return q.exec(`INSERT INTO targets (account, region, needs) VALUES (?, ?, '{"damaged')`, scope.Account, scope.Region)
	})
	b, _ := s.adopted(t, Adoption{Now: noon, Made: noon, Stale: time.Hour})
	if rows, err := b.LiveUnless(t.Context(), scope, func(string) bool { return false }, "", 9); err != nil || len(rows) != 1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}
