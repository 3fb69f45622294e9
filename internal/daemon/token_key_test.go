package daemon

import (
	"path/filepath"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/remediate/incident"
)

// TestTokenKey: the key of the configuration counts, and is in the state file for commands;
// without one, the state file's own.
func TestTokenKey(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{Daemon: true, Route: func(alert.Alert) []string { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := &Daemon{store: s}
	own, err := d.tokenKey(t.Context())
	if err != nil || own == "" {
		t.Fatal(own == "", err)
	}
	const secret = "a secret of several daemons, shared"
	d.Config.Remediate.TokenKey = secret
	for range 2 {
		key, err := d.tokenKey(t.Context())
		if err != nil || key != incident.SharedTokenKey(secret) || key == own {
			t.Errorf("not the shared one; %v", err)
		}
		if stored, err := s.TokenKey(t.Context()); err != nil || stored != key {
			t.Errorf("commands have another one; %v", err)
		}
	}
}
