package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"flowkeeper/remediate/incident"
)

// factTokenKey is the fact that is the key of ClientTokens. It is in copies of the file, so
// that a create that was under way is repeated as the same call.
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
