package store

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// TestMigrationsNeverChange: every program that migrates a file to a version gives it the same schema. If a step
// changed later, copies of older files would be refused: their schema would not be Flowkeeper's own.
func TestMigrationsNeverChange(t *testing.T) {
	t.Parallel()
	want := []string{"9689619d2a3a9fa6", "b21467e323873b34", "33590fd57d254c98", "fb36e75cfa6b830a", "14cc646f79754c5c", "1f0cb61cdc7a4b95", "b74b275a01dd1bbc", "016e81676c892ac0", "8a8410bd08ed832a", "0480039b14d476cb", "e4010429ec05cd52", "9ba0a9a6d40ef78b"}
	for n, m := range migrations {
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(m)))[:16]; n >= len(want) || got != want[n] {
			t.Errorf("the step to schema %d is now %s: never change a step, add another one", n+1, got)
		}
	}
}

func TestMigrationKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path).Close()
	db := raw(t, path)
	all := append(slices.Clip(migrations), `CREATE TABLE later (x)`)
	if err := migrate(t.Context(), db, path, all); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fmt.Sprintf("%s.schema-%d", path, len(migrations))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy of the older file: %v, %v", info, err)
	}
	if _, err := db.Exec(`SELECT x FROM later`); err != nil {
		t.Error(err)
	}
}

// TestUpgradeAfterADeath: an upgrade was killed while it copied the old file, and left half a copy. The next upgrade
// replaces that with a whole one.
func TestUpgradeAfterADeath(t *testing.T) {
	t.Parallel()
	path := older(t, 2)
	for _, end := range []string{".schema-2", ".schema-2.tmp"} {
		if err := os.WriteFile(path+end, []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, path)
	if version, err := versionOf(t.Context(), raw(t, path+".schema-2"), path); err != nil || version != 2 {
		t.Errorf("the copy has schema %d, want 2, %v", version, err)
	}
}

// TestUpgradeAlertsOfWhatIsNotBack: a file of the older schema does not say when the alert that a flow log is not back
// is due. After the upgrade, this alert is due in the scopes with pending incidents, and only there.
func TestUpgradeAlertsOfWhatIsNotBack(t *testing.T) {
	t.Parallel()
	path := older(t, 6)
	db := raw(t, path)
	for id, state := range map[string]incident.State{"fl-1": incident.Blocked, "fl-2": incident.Verified} {
		i := incident.Incident{Scope: inventory.Scope{Account: "1", Region: id}, FlowLogID: id, EventID: "e", State: state, Known: true, Attempts: 3}
		exec(t, db, `INSERT INTO incidents (account, region, id, root_id, resource_id, state, reason, known, event_id, detected_at, first_seen_at, body) VALUES ('1', ?1, ?1, ?1, '', ?2, '', 1, 'e', 0, 0, ?3)`, id, state, body(i))
		exec(t, db, `INSERT INTO events (account, region, id, detected_at, body) VALUES ('1', ?, 'e', 0, ?)`, id, body(incident.Event{Scope: i.Scope, ID: "e"}))
	}
	err := open(t, path).View(t.Context(), func(tx *Tx) error {
		due, err := tx.DueScopes(time.Now())
		if len(due) != 1 || due[0].Region != "fl-1" {
			t.Errorf("alerts are due in %v, want only the scope of fl-1", due)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpgradeFromTheFirstSchema: the upgrade keeps the rows. The next refresh reads each flow log as changed, to fill
// in what the first schema did not have. It counts as the first refresh, so it alerts of nothing new.
func TestUpgradeFromTheFirstSchema(t *testing.T) {
	t.Parallel()
	row := inventory.Row{FlowLog: flowLog("fl-1"), RootID: "fl-1", State: inventory.Live, Protected: true, FirstSeenAt: noon}
	digest := row.Digest()
	path := older(t, 1)
	db := raw(t, path)
	exec(t, db, `INSERT INTO scopes VALUES (?, ?, 1, 1)`, scope.Account, scope.Region)
	exec(t, db, `INSERT INTO flow_logs (account, region, id, root_id, resource_id, state, protected, written_at, digest, body) VALUES (?, ?, 'fl-1', 'fl-1', 'vpc-1', 'live', 1, 1, ?, ?)`,
		scope.Account, scope.Region, digest[:], body(row))
	s := open(t, path)
	l := &inventory.Listing{Scope: scope}
	changed, err := s.Compare(t.Context(), l, []inventory.Listed{{ID: "fl-1", Digest: digest}})
	if err != nil || !slices.Equal(changed, []int{0}) || !l.Seen.Has(1) {
		t.Errorf("changed %v, seen %v, %v", changed, l.Seen, err)
	}
	if first, err := s.FirstRefreshed(t.Context()); err != nil || first[scope] {
		t.Errorf("the next refresh would not count as the first: %v, %v", first, err)
	}
	if s.row(t, "fl-1").Tags["Name"] != "fl-1" {
		t.Error("the upgrade changed the row")
	}
}

// older writes a state file of an older schema with live, protected rows.
func older(t *testing.T, version int, rows ...inventory.Row) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state.db")
	db := raw(t, path)
	if err := migrate(t.Context(), db, path, migrations[:version]); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		exec(t, db, `INSERT INTO flow_logs (account, region, id, root_id, resource_id, state, protected, written_at, digest, needs, body) VALUES (?, ?, ?, ?, ?, 'live', 1, 1, x'', ?, ?)`,
			r.Scope.Account, r.Scope.Region, r.ID, r.RootID, r.ResourceID, body(delivery.TargetOf(r.FlowLog)), body(r))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUpgradeKnowsReleases: a flow log that was released before the upgrade is still released after it.
func TestUpgradeKnowsReleases(t *testing.T) {
	t.Parallel()
	until := noon.Add(time.Hour + 123*time.Millisecond)
	released := inventory.Row{FlowLog: flowLog("fl-1"), RootID: "fl-1", State: inventory.Live, Protected: true, WrittenAt: noon, ReleasedUntil: until}
	kept := released
	kept.ID, kept.ReleasedUntil = "fl-2", time.Time{}
	path := older(t, 5, released, kept)
	got, err := open(t, path).Released(t.Context())
	if err != nil || got.FlowLogs != 1 || !got.Until.Equal(until.Truncate(time.Second)) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestUpgradeAlertsOfDecoys: the older schema does not say whether an alert has named a decoy. So after the upgrade an
// alert of each decoy is due. A row that can't be read does not stop the upgrade.
func TestUpgradeAlertsOfDecoys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	db := raw(t, path)
	if err := migrate(t.Context(), db, path, migrations[:11]); err != nil {
		t.Fatal(err)
	}
	for id, change := range map[string]func(*inventory.Row){
		"fl-decoy":     func(*inventory.Row) {},
		"fl-protected": func(r *inventory.Row) { r.Protected = true },
		"fl-excluded":  func(r *inventory.Row) { r.Excluded = true },
		"fl-held":      func(r *inventory.Row) { r.Held = true },
		"fl-imported":  func(r *inventory.Row) { r.Imported = true },
		"fl-gone":      func(r *inventory.Row) { r.State = inventory.Gone },
	} {
		row := inventory.Row{FlowLog: flowLog(id), RootID: id, State: inventory.Live, FirstSeenAt: noon}
		change(&row)
		exec(t, db, `INSERT INTO flow_logs (account, region, id, root_id, resource_id, state, protected, written_at, digest, target, held, body) VALUES (?, ?, ?, ?, 'vpc-1', ?, ?, 1, x'', iif(?, 1, NULL), nullif(?, 0), ?)`,
			scope.Account, scope.Region, id, id, row.State, row.Protected, row.Protected, row.Held, pack(body(row)))
	}
	for id, damaged := range map[string]string{"fl-no-stream": `x'01ff'`, "fl-no-json": `'{"Excluded'`, "fl-no-row": `'[]'`} {
		exec(t, db, `INSERT INTO flow_logs (account, region, id, root_id, resource_id, state, protected, written_at, digest, body) VALUES (?, ?, ?, '', '', 'live', 0, 1, x'', `+damaged+`)`,
			scope.Account, scope.Region, id)
	}
	s := open(t, path)
	if c, err := s.Counts(t.Context()); err != nil || c.Decoys != 1 {
		t.Errorf("%d decoys, %v", c.Decoys, err)
	}
	s.put(t, func(tx *Tx) error {
		due, err := tx.RowsWithNews(scope, noon, 10)
		if err != nil || len(due) != 1 || due[0].ID != "fl-decoy" || due[0].DecoyNotice == nil {
			t.Errorf("%+v, %v", due, err)
		}
		return err
	})
}
