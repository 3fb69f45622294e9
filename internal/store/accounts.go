package store

import (
	"context"
	"errors"
	"time"

	"flowkeeper/internal/organization"
)

// accounts has the accounts of the organisation that are protected, or were: table accounts.
type accounts struct{ *tx }

// factListed is the fact that says when the accounts were listed last.
const factListed = "organization listed"

// Accounts are the accounts of the organisation that are protected, or were, by number. What
// only the configuration names is not among them. listed is when the last complete listing was
// stored; zero: there was none.
func (s *Store) Accounts(ctx context.Context) (members []organization.Member, listed time.Time, err error) {
	err = s.View(ctx, func(t *Tx) error {
		at, err := t.fact(factListed)
		if err == nil && at != "" {
			listed, err = time.Parse(time.RFC3339Nano, at)
		}
		if err == nil {
			members, err = t.accounts.members()
		}
		return err
	})
	return members, listed, err
}

// SetAccounts stores a complete listing, and returns what it changes. An account that is
// missing in it has departed: its row stays, and so do its flow logs.
func (s *Store) SetAccounts(ctx context.Context, l organization.Listing) (c organization.Changes, err error) {
	err = s.Update(ctx, func(t *Tx) error {
		before, err := t.accounts.members()
		if err != nil {
			return err
		}
		now := s.now()
		c = organization.Compare(before, l, now)
		for _, m := range c.Changed {
			if err := t.PutMember(m); err != nil {
				return err
			}
		}
		return t.setFact(factListed, now.UTC().Format(time.RFC3339Nano))
	})
	return c, err
}

func (t accounts) members() ([]organization.Member, error) {
	out, err := allRows(t, func(m *organization.Member) []any {
		return []any{&m.ID, &m.Name, &m.Path, &m.State, &m.Management, &m.FirstAt, &m.LeftAt, &m.Why}
	}, `SELECT id, name, path, state, management, first_at, left_at, why FROM accounts ORDER BY id`)
	for n := range out {
		out[n].Selected = !out[n].Departed()
	}
	return out, err
}

// PutMember writes one row.
func (t accounts) PutMember(m organization.Member) error {
	return t.exec(`INSERT OR REPLACE INTO accounts (id, name, path, state, management, first_at, left_at, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.Name, m.Path, m.State, m.Management, m.FirstAt.UnixMilli(), millis(m.LeftAt), m.Why)
}

// mostAccounts is how many accounts an adopted copy keeps.
const mostAccounts = 50_000

// takeAccounts writes the accounts of a copy, as far as they count.
func (a *adoption) takeAccounts() error {
	found, err := a.members()
	if err != nil {
		return err
	}
	if err := errors.Join(a.exec(`DELETE FROM accounts`), a.exec(`DELETE FROM facts WHERE name = ?`, factListed)); err != nil {
		return err
	}
	for _, m := range found[:min(len(found), mostAccounts)] {
		if m, ok := organization.MemberFromCopy(m); ok {
			if err := a.PutMember(m); err != nil {
				return err
			}
		}
	}
	return nil
}
