package scopes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"golang.org/x/sync/errgroup"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// Fleet has the EC2 clients of all scopes: those configured, and for AllRegions those that AWS
// has named so far. Accounts may join it and leave it; while an account is in it, scopes of the
// account are only added. It is safe for concurrent use. Make it with NewFleet.
type Fleet struct {
	base    aws.Config // with credentials that are not verified
	regions []string   // of accounts that name none
	log     *slog.Logger

	mu       sync.RWMutex // guards what follows
	members  []*member    // never changed in place; in the order in which they came
	accounts map[string]*member
	scopes   []inventory.Scope // never changed in place
	clients  map[inventory.Scope]*ec2.Client
}

// member is one account of a fleet.
type member struct {
	id      string
	own     bool       // it has no role: the base credentials act in it
	cfg     aws.Config // with credentials that are verified to be the account's
	signer  *v4.Signer // of all its clients: it keeps a key for each Region
	regions []string   // as configured
	listed  []string   // the enabled Regions by AWS's last answer; nil: no answer yet. The mutex of the fleet guards it
}

// lists reports whether AWS is asked for the account's Regions.
func (m *member) lists() bool { return slices.Equal(m.regions, []string{AllRegions}) }

// Scopes returns the scopes in the configured order: accounts, then their Regions; scopes
// found later are at the end. The caller must not change the slice.
func (f *Fleet) Scopes() []inventory.Scope {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.scopes
}

// Accounts returns the IDs of the accounts, in the order in which they came.
func (f *Fleet) Accounts() (ids []string) {
	for _, m := range f.all() {
		ids = append(ids, m.id)
	}
	return ids
}

func (f *Fleet) all() []*member {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.members
}

// EC2 implements remediate.Fleet.
func (f *Fleet) EC2(s inventory.Scope) (remediate.EC2, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	c, ok := f.clients[s]
	return c, ok
}

// Caller asks AWS for the principal of a scope's calls: the ARN that CloudTrail's records will
// have. It uses the verified credentials of the scope's EC2 client (I13).
func (f *Fleet) Caller(ctx context.Context, s inventory.Scope) (arn string, err error) {
	_, ok := f.EC2(s)
	m := f.member(s.Account)
	if !ok || m == nil {
		return "", fmt.Errorf("%s is not a configured scope", s)
	}
	if _, arn, err = whoAmI(ctx, m.cfg); err != nil {
		return "", fmt.Errorf("ask AWS who signs the calls in %s: %w", s, err)
	}
	return arn, nil
}

func (f *Fleet) listed(m *member) []string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return m.listed
}

// member returns an account; nil: it is not in the fleet.
func (f *Fleet) member(account string) *member {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.accounts[account]
}

// Enabled reports whether a scope's Region is among those that AWS last named for
// its account. If the configuration names the Regions, or AWS could not be asked, it
// is true.
func (f *Fleet) Enabled(s inventory.Scope) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	m := f.accounts[s.Account]
	return m == nil || m.listed == nil || slices.Contains(m.listed, s.Region)
}

// Unlisted reports whether there are accounts whose Regions AWS has not named yet.
func (f *Fleet) Unlisted() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.ContainsFunc(f.members, func(m *member) bool { return m.lists() && m.listed == nil })
}

const (
	connectTimeout = 40 * time.Second // systemd waits 60 s for a start
	listTimeout    = 10 * time.Second // of one account's Regions
	startPatience  = 3 * time.Second  // instead of listTimeout, if Regions of the account are remembered
	listsAtOnce    = 32
)

// AllRegions stands for every Region that the account has enabled.
const AllRegions = "all"

// NewFleet returns a fleet without accounts, for Connect. regions are for accounts that name none.
func NewFleet(base aws.Config, regions []string, log *slog.Logger) *Fleet {
	return &Fleet{base: Account{}.Reach(base), regions: regions, log: log, accounts: map[string]*member{}, clients: map[inventory.Scope]*ec2.Client{}}
}

// Connect makes the clients of every account and Region; if accounts is empty, of the account of the
// credentials. It asks AWS only for what the configuration leaves open: the account of the
// credentials, and the enabled Regions for AllRegions. An account that can't be asked delays no
// other: its Regions are those of the remembered scopes, else those of the credentials' own
// account, until Discover has them from AWS. Remembered scopes whose Region is not enabled any
// more are in the fleet too (see Enabled). It takes connectTimeout at most. After an error the
// fleet is of no use.
func (f *Fleet) Connect(ctx context.Context, accounts []Account, remembered ...inventory.Scope) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if len(accounts) == 0 {
		accounts = []Account{{}}
	}
	var members []*member
	for _, a := range accounts {
		if a.ID == "" {
			id, _, err := whoAmI(ctx, a.Reach(f.base))
			if err != nil {
				return fmt.Errorf("ask AWS whose credentials these are: %w", Plain(err))
			}
			a.ID = id
		}
		members = append(members, f.newMember(a))
	}
	_, err := f.join(ctx, members, remembered)
	return err
}

// Join adds accounts while others are at work, and makes the clients of their Regions, as
// Connect does. It returns the scopes that were added. Accounts that are there already stay as
// they are. err says why accounts have no scopes yet: Discover finds these.
func (f *Fleet) Join(ctx context.Context, accounts []Account, remembered ...inventory.Scope) (added []inventory.Scope, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var members []*member
	for _, a := range accounts {
		if f.member(a.ID) == nil {
			members = append(members, f.newMember(a))
		}
	}
	return f.join(ctx, members, remembered)
}

func (f *Fleet) newMember(a Account) *member {
	cfg := a.Reach(f.base)
	s := sourceOf(cfg)
	m := &member{id: a.ID, own: a.RoleARN == "", cfg: s.signs(cfg, newVerified(a.ID, s, cfg)), signer: v4.NewSigner(), regions: a.Regions}
	if len(m.regions) == 0 {
		m.regions = f.regions
	}
	return m
}

// Leave removes accounts, and the clients of their scopes, which it returns. Calls under way
// end as they would.
func (f *Fleet) Leave(accounts ...string) (removed []inventory.Scope) {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := func(id string) bool { return slices.Contains(accounts, id) }
	f.members = slices.DeleteFunc(slices.Clone(f.members), func(m *member) bool { return left(m.id) })
	for _, id := range accounts {
		delete(f.accounts, id)
	}
	var stay []inventory.Scope
	for _, s := range f.scopes {
		if !left(s.Account) {
			stay = append(stay, s)
			continue
		}
		removed = append(removed, s)
		delete(f.clients, s)
	}
	f.scopes = stay
	return removed
}

// join adds members with the clients of their Regions. A member whose Regions are not known
// causes an error, and is a member too.
func (f *Fleet) join(ctx context.Context, members []*member, remembered []inventory.Scope) (added []inventory.Scope, err error) {
	known := map[string][]string{}
	for _, s := range remembered {
		known[s.Account] = append(known[s.Account], s.Region)
	}
	failed := f.list(ctx, members, func(m *member) time.Duration {
		if len(known[m.id]) > 0 {
			return startPatience
		}
		return listTimeout
	})
	ours := sync.OnceValues(func() ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		return Regions(ctx, f.base, []string{AllRegions}) // only names of Regions: these credentials sign no call for another account (I13)
	})
	f.admit(members)
	alone := len(f.all()) == 1
	var errs []error
	var unlisted []string
	for _, m := range members {
		if !m.lists() {
			names, err := Regions(ctx, f.base, m.regions)
			errs = append(errs, err)
			added = append(added, f.add(m, names)...)
			continue
		}
		names := slices.Clip(f.listed(m))
		for _, region := range known[m.id] {
			if !slices.Contains(names, region) {
				names = append(names, region)
			}
		}
		if err := failed[m.id]; err != nil {
			unlisted = append(unlisted, m.id)
			if len(names) == 0 && !m.own {
				names, _ = ours()
			}
			if len(names) == 0 && !alone && f.base.Region != "" {
				names = []string{f.base.Region}
			}
			if len(names) == 0 {
				errs = append(errs, fmt.Errorf("list the Regions of account %s: %w", m.id, err))
			}
		}
		added = append(added, f.add(m, names)...)
	}
	if len(unlisted) > 0 { // one line, because hundreds of accounts may refuse the call
		f.log.Warn("can't list the Regions of accounts: taking those that are remembered, or that our own account has enabled, until they can be asked",
			"accounts", len(unlisted), "first", unlisted[0], "error", failed[unlisted[0]])
	}
	return added, errors.Join(errs...)
}

// admit makes members accounts of the fleet, unless they are already.
func (f *Fleet) admit(members []*member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range members {
		if f.accounts[m.id] == nil {
			f.members = append(slices.Clip(f.members), m)
			f.accounts[m.id] = m
		}
	}
}

// Discover asks AWS which Regions those accounts have enabled that are configured with
// AllRegions, and adds clients for new ones. It returns the scopes that were added, and, by
// account, why it could not be asked; the scopes of such an account stay as they are.
func (f *Fleet) Discover(ctx context.Context) (added []inventory.Scope, failed map[string]error) {
	members := f.all()
	failed = f.list(ctx, members, func(*member) time.Duration { return listTimeout })
	for _, m := range members {
		if m.lists() && failed[m.id] == nil {
			added = append(added, f.add(m, f.listed(m))...)
		}
	}
	return added, failed
}

// Lists reports whether AWS is asked for the Regions of an account: they are AllRegions.
func (f *Fleet) Lists(account string) bool {
	m := f.member(account)
	return m != nil && m.lists()
}

// list asks for the enabled Regions of those members that are configured with AllRegions, each
// within its limit.
func (f *Fleet) list(ctx context.Context, members []*member, limit func(*member) time.Duration) (failed map[string]error) {
	var mu sync.Mutex // guards failed
	var g errgroup.Group
	g.SetLimit(listsAtOnce)
	for _, m := range members {
		if !m.lists() {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, limit(m))
			defer cancel()
			names, err := Regions(ctx, m.cfg, m.regions)
			if err == nil && len(names) == 0 {
				err = errors.New("AWS names no enabled Region")
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				if failed == nil {
					failed = map[string]error{}
				}
				failed[m.id] = err
				return nil
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			m.listed = names
			return nil
		})
	}
	g.Wait() //nolint:errcheck // each account's error is its own
	return failed
}

// add makes clients for those Regions of a member that have none. A member that has left the
// fleet meanwhile gets none.
func (f *Fleet) add(m *member, regions []string) (added []inventory.Scope) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.accounts[m.id] != m {
		return nil
	}
	for _, region := range regions {
		s := inventory.Scope{Account: m.id, Region: region}
		if f.clients[s] != nil {
			continue
		}
		added = append(added, s)
		f.clients[s] = ec2.NewFromConfig(m.cfg, func(o *ec2.Options) {
			o.Region, o.HTTPSignerV4 = region, m.signer
			o.RetryMaxAttempts = 1 // retries belong to the state file (docs/decisions/retries.md)
		})
	}
	f.scopes = append(slices.Clip(f.scopes), added...)
	return added
}

// Tags returns the client that reads tags in a scope: the one of EC2, with the same verified
// credentials (I13).
func (f *Fleet) Tags(s inventory.Scope) (inventory.TagDescriber, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	c, ok := f.clients[s]
	return c, ok
}
