package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// facts reads and writes single values by their names: table facts.
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
	return firstValue[string](t, `SELECT value FROM facts WHERE name = ?`, name)
}

// outageFacts is what the names of facts about outages begin with.
const outageFacts = "trouble "

// Facts of the daemon that an adopted copy does not keep. Somebody who forges them in a copy could name roles
// of another partition, or suppress the alert that an account has departed. They are named here, and not by
// the daemon, so that Adopt always forgets them.
const (
	// PartitionFact is the partition of the credentials, as STS said once: later starts need no
	// answer of STS.
	PartitionFact = "partition"
	// DepartedTogetherFact says which departures of accounts share one alert: a JSON list of the times
	// when they were noticed.
	DepartedTogetherFact = "departed together"
)

func (t facts) FileID() (string, error) { return t.fact(factID) }

func factOutage(s inventory.Scope, p alert.Part) string {
	return outageFacts + string(p) + " " + s.String()
}

func (t facts) OutageAlerted(s inventory.Scope, p alert.Part) (bool, error) {
	v, err := t.fact(factOutage(s, p))
	return v != "", err
}

func (t facts) SetOutageAlerted(s inventory.Scope, p alert.Part, on bool) error {
	value := ""
	if on {
		value = t.f.now().UTC().Format(time.RFC3339)
	}
	return t.setFact(factOutage(s, p), value)
}

// factTokenKey is the fact with the key of ClientTokens. Copies of the file have it, so that a
// daemon that adopts one repeats a create that was under way as the same call.
const factTokenKey = "token key"

const tokenKeyBytes = 32

// TokenKey returns the secret that ClientTokens are made with: for the daemon and for
// commands. It is made at the first call, and stays as long as the state file, unless
// SetTokenKey replaces it.
func (s *Store) TokenKey(ctx context.Context) (incident.TokenKey, error) {
	key, err := s.Fact(ctx, factTokenKey)
	if err == nil && !isTokenKey(key) {
		err = s.Update(ctx, func(t *Tx) (err error) { key, err = t.tokenKey(); return err })
	}
	return incident.TokenKey(key), err
}

// SetTokenKey replaces the key, if it is another one.
func (s *Store) SetTokenKey(ctx context.Context, key incident.TokenKey) error {
	is, err := s.Fact(ctx, factTokenKey)
	if err != nil || is == string(key) {
		return err
	}
	return s.SetFact(ctx, factTokenKey, string(key))
}

// tokenKey reads the key, or makes it: another process may have been faster.
func (t facts) tokenKey() (string, error) {
	key, err := t.fact(factTokenKey)
	if err != nil || isTokenKey(key) {
		return key, err
	}
	var b [tokenKeyBytes]byte
	rand.Read(b[:]) //nolint:errcheck // it never fails
	key = hex.EncodeToString(b[:])
	return key, t.setFact(factTokenKey, key)
}

func isTokenKey(s string) bool { return len(s) == hex.EncodedLen(tokenKeyBytes) }

// LogFileFact is the name of the fact that has the key of a log file that was read from a bucket.
func LogFileFact(bucket string) string { return "log file " + bucket }

// StrangeKeyFact is the name of the fact that has the key of an object of a bucket that was not read
// because of its key: a log file without the prefix, or no log file at all.
func StrangeKeyFact(bucket string, isLogFile bool) string {
	if isLogFile {
		return "log file without prefix " + bucket
	}
	return "no log file " + bucket
}
