package accounts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// Known is what is known of the accounts. It is not safe for concurrent use.
type Known struct {
	conf      configs.Config
	partition string // of the credentials, by the state file; empty: it does not say
	protect   []scopes.Account
	members   []organization.Member
	active    int // accounts of the organisation, selected or not
	counts    store.Counts
	answers   map[string]error // of AWS, by account; nil: it was not asked
}

// Read reads the state file. s is nil if there is none: then nothing is known yet.
func Read(ctx context.Context, c configs.Config, s *store.Store) (k *Known, err error) {
	k = &Known{conf: c}
	if s == nil {
		return k, nil
	}
	if k.members, _, err = s.Accounts(ctx); err != nil {
		return nil, err
	}
	if k.counts, err = s.Counts(ctx); err != nil {
		return nil, err
	}
	k.partition, err = daemon.StoredPartition(ctx, s)
	return k, err
}

// UseStored takes the accounts to protect from the state file and the configuration.
func (k *Known) UseStored() {
	k.protect = daemon.ProtectedAccounts(k.conf, cmp.Or(k.partition, inventory.Partition(k.conf.AWS.Region)), k.members)
}

// UseConfigured takes the accounts to protect from the configuration, which has no
// organization.role_name: if it names none, that of the credentials.
func (k *Known) UseConfigured() {
	if k.protect = daemon.ProtectedAccounts(k.conf, "", nil); len(k.protect) == 0 {
		k.protect = []scopes.Account{{}} // AskRoles finds its number
	}
}

// AskOrganization asks AWS Organizations for the accounts to protect. strangers are the accounts
// that organization.include and exclude name, but that are not in the organisation. With an error
// the accounts are those of the state file.
func (k *Known) AskOrganization(ctx context.Context, base aws.Config, now time.Time) (strangers []string, err error) {
	o := k.conf.Organization
	l, err := organization.List(ctx, organization.Client(base, o), o.Include, o.Exclude)
	if err == nil {
		k.members = organization.Merge(k.members, organization.Compare(k.members, l, now))
	}
	for _, account := range l.Accounts {
		if account.State.Active() {
			k.active++
		}
	}
	k.protect = daemon.ProtectedAccounts(k.conf, scopes.LikelyPartition(ctx, base), k.members)
	return l.Strangers, err
}

// Own reports whether the only account is that of the credentials, and its number is not known:
// AWS says it in the answer to AskRoles.
func (k *Known) Own() bool { return len(k.protect) == 1 && k.protect[0].ID == "" }

// NoneSelected is an error if no account of those that AWS has listed is to be protected.
func (k *Known) NoneSelected() error {
	if len(k.protect) > 0 {
		return nil
	}
	return fmt.Errorf("organization.include and organization.exclude select none of the organisation's %s", alert.Plural(k.active, "active account"))
}

// Choose leaves out all accounts but those with these numbers.
func (k *Known) Choose(ids []string) {
	k.protect = slices.DeleteFunc(k.protect, func(a scopes.Account) bool { return !slices.Contains(ids, a.ID) })
	k.members = slices.DeleteFunc(k.members, func(m organization.Member) bool { return !slices.Contains(ids, m.ID) })
}

// ToAsk is how many accounts AskRoles asks in.
func (k *Known) ToAsk() int { return len(k.protect) }

const (
	askedAtOnce = 32
	askTimeout  = 20 * time.Second // of one account
)

// AskRoles asks STS, with the role of each account to protect, whether its credentials are of that
// account. It calls asked, which must be safe for concurrent use, after each account.
func (k *Known) AskRoles(ctx context.Context, base aws.Config, asked func()) {
	errs := make([]error, len(k.protect))
	var g errgroup.Group
	g.SetLimit(askedAtOnce)
	for n := range k.protect {
		g.Go(func() error {
			defer asked()
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			id, _, err := k.protect[n].Verify(ctx, base)
			k.protect[n].ID = cmp.Or(k.protect[n].ID, id)
			errs[n] = err
			return nil
		})
	}
	_ = g.Wait() // each account's error is its own
	k.answers = map[string]error{}
	for n, account := range k.protect {
		k.answers[account.ID] = errs[n]
	}
}

// Asked reports whether AWS was asked.
func (k *Known) Asked() bool { return k.answers != nil }
