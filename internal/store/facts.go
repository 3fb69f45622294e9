package store

import (
	"context"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// facts has single values by their names: table facts.
type facts struct{ *tx }

// Fact reads a remembered value; empty: none.
func (s *Store) Fact(ctx context.Context, name string) (string, error) {
	return viewed(ctx, s.file, func(t *Tx) (string, error) { return t.fact(name) })
}

// SetFact remembers a value.
func (s *Store) SetFact(ctx context.Context, name, value string) error {
	return s.Update(ctx, func(t *Tx) error { return t.setFact(name, value) })
}

func (t facts) setFact(name, value string) error {
	return t.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)`, name, value)
}

func (t facts) fact(name string) (string, error) {
	return value[string](t, `SELECT value FROM facts WHERE name = ?`, name)
}

func factOutage(s inventory.Scope, p notify.Part) string {
	return "trouble " + string(p) + " " + s.String()
}

func (t facts) OutageAlerted(s inventory.Scope, p notify.Part) (bool, error) {
	v, err := t.fact(factOutage(s, p))
	return v != "", err
}

func (t facts) SetOutageAlerted(s inventory.Scope, p notify.Part, on bool) error {
	value := ""
	if on {
		value = t.f.now().UTC().Format(time.RFC3339)
	}
	return t.setFact(factOutage(s, p), value)
}
