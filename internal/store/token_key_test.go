package store

import (
	"errors"
	"path/filepath"
	"testing"

	"flowkeeper/remediate/incident"
)

// tokenKeyIs returns the token key of a store.
func (s *Store) tokenKeyIs(t *testing.T) incident.TokenKey {
	t.Helper()
	key, err := s.TokenKey(t.Context())
	if err != nil || len(key) != 64 {
		t.Fatalf("%d characters, %v", len(key), err)
	}
	return key
}

// TestTokenKey: each state file has a key of its own, which is made once and is also in its copies. SetTokenKey
// replaces it. A damaged key counts as none.
func TestTokenKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	key := s.tokenKeyIs(t)
	if other := fresh(t).tokenKeyIs(t); other == key {
		t.Error("two state files have the same key")
	}
	command := openAs(t, path, Options{})
	if command.tokenKeyIs(t) != key || s.tokenKeyIs(t) != key {
		t.Error("the key of a state file changes")
	}
	if copied, _ := s.adopted(t, Adoption{Now: noon, Made: noon}); copied.tokenKeyIs(t) != key {
		t.Error("a copy of the state file has another key")
	}
	shared := incident.SharedTokenKey("a secret of several daemons")
	if err := errors.Join(s.SetTokenKey(t.Context(), shared), s.SetTokenKey(t.Context(), shared)); err != nil {
		t.Fatal(err)
	}
	if command.tokenKeyIs(t) != shared {
		t.Error("commands do not have the key that daemons share")
	}
	if err := s.SetFact(t.Context(), factTokenKey, "damaged"); err != nil {
		t.Fatal(err)
	}
	if again := s.tokenKeyIs(t); again == "damaged" || again == key {
		t.Error("the damaged key, or the first one, is used")
	}
}
