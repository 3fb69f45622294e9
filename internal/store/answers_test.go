package store

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// Trouble, its end (which the pager does not take yet), trouble again: the end
// of the first must not reach the pager after the second trouble, or that is
// resolved while it goes on.
func TestI7AnEndComesBeforeTheNextTrouble(t *testing.T) {
	t.Parallel()
	s, now := outbox(t)
	add := func(id string, level alert.Level) {
		*now = now.Add(time.Minute)
		s.put(t, func(tx remediate.Tx) error {
			return tx.AddAlert(alert.Alert{ID: id, DedupKey: "pipeline queue", Time: alert.Time{Time: *now}, Kind: alert.Pipeline, Level: level})
		})
	}
	add("trouble-1", alert.High)
	if err := s.Sent(t.Context(), "pager", "trouble-1", *now); err != nil {
		t.Fatal(err)
	}
	add("end-1", alert.Informational)
	if err := s.Failed(t.Context(), "pager", "end-1", 10, now.Add(15*time.Minute), "503", false, false); err != nil { // set aside
		t.Fatal(err)
	}
	add("trouble-2", alert.High)
	d, ok, err := s.Next(t.Context(), "pager", *now)
	if err != nil {
		t.Fatal(err)
	}
	if ok && d.Alert.ID == "trouble-2" {
		t.Error("trouble-2 is sent before end-1, which then resolves it")
	}
}

// What `alerts retry` of a parked opening alert opens at a pager is resolved
// again by the end that was sent meanwhile.
func TestRetryOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	s, now := outbox(t)
	s.park(t, "event", "pager")
	s.put(t, func(tx remediate.Tx) error {
		return tx.AddAlert(alert.Alert{ID: "end", DedupKey: "event", Time: alert.Time{Time: *now}, Kind: alert.Closed})
	})
	if err := s.Sent(t.Context(), "pager", "end", *now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retry(t.Context(), "event"); err != nil {
		t.Fatal(err)
	}
	if err := s.Sent(t.Context(), "pager", "event", *now); err != nil {
		t.Fatal(err)
	}
	if d, ok, err := s.Next(t.Context(), "pager", now.Add(holdAnswer)); err != nil || !ok || d.Alert.ID != "end" {
		t.Errorf("%v %v %v: the pager stays open for ever", d.Alert.ID, ok, err)
	}
}

// The schema's next step: what the snapshot knows is depended on at once, not
// after the next refresh. Until then tampering is acknowledged in silence.
func TestDependsIsFilledByTheMigration(t *testing.T) {
	t.Parallel()
	s, _ := outbox(t)
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	s.put(t, func(tx remediate.Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: inventory.FlowLog{Scope: scope, ID: "fl-1", Settings: inventory.Settings{ResourceID: "vpc-1", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::flow-logs"}},
			RootID: "fl-1", State: inventory.Live, Protected: true})
	})
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf(`DROP TABLE depends; DROP TABLE deeds; PRAGMA user_version = %d`, len(migrations)-1)); err != nil {
		t.Fatal(err)
	}
	db.Close()
	s, err = Open(t.Context(), path, Options{Daemon: true, Now: time.Now, Route: func(alert.Alert) []string { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.View(t.Context(), func(tx remediate.Tx) error {
		all, err := tx.Dependents(remediate.ThingOf("arn:aws:s3:::flow-logs"))
		if len(all) != 1 {
			t.Errorf("%+v", all)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
