package daemon

import "context"

// facts are the values that a daemon remembers by name, in the state file. They are safe for concurrent use.
type facts interface {
	// Fact returns a value; empty: none.
	Fact(ctx context.Context, name string) (string, error)
	SetFact(ctx context.Context, name, value string) error
}
