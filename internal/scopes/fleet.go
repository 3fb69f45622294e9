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
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"golang.org/x/sync/errgroup"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// Fleet is the clients of all scopes: those configured, and for AllRegions those
// that AWS has named so far. It only grows. It is safe for concurrent use.
type Fleet struct {
	members []*member
	regions []string // as configured

	mu      sync.RWMutex
	scopes  []inventory.Scope // never changed in place
	clients map[inventory.Scope]*ec2.Client
}

// member is one account of a fleet.
type member struct {
	id  string
	cfg aws.Config // with credentials that are verified to be the account's

	mu     sync.Mutex
	listed []string // the enabled Regions by AWS's last answer; nil: there was none yet
}

func (m *member) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.listed
}

// Scopes in the order configured: accounts, then Regions; those found later at
// the end. The caller must not change them.
func (f *Fleet) Scopes() []inventory.Scope {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.scopes
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
	if _, ok := f.EC2(s); !ok {
		return "", fmt.Errorf("%s is not a configured scope", s)
	}
	if _, arn, err = whoAmI(ctx, f.member(s.Account).cfg); err != nil {
		return "", fmt.Errorf("ask AWS who signs the calls in %s: %w", s, err)
	}
	return arn, nil
}

// member returns an account of the fleet; nil: it is none.
func (f *Fleet) member(account string) *member {
	for _, m := range f.members {
		if m.id == account {
			return m
		}
	}
	return nil
}

// Enabled reports whether a scope's Region is among those that AWS last named for
// its account. Where the configuration names the Regions, or AWS could not be
// asked, it is true.
func (f *Fleet) Enabled(s inventory.Scope) bool {
	m := f.member(s.Account)
	if m == nil {
		return true
	}
	names := m.names()
	return names == nil || slices.Contains(names, s.Region)
}

// Unlisted reports whether there are accounts whose Regions AWS has not named yet.
func (f *Fleet) Unlisted() bool {
	return f.Lists() && slices.ContainsFunc(f.members, func(m *member) bool { return m.names() == nil })
}

const (
	connectTimeout = 40 * time.Second // systemd waits 60 s for a start
	listTimeout    = 10 * time.Second // of one account's Regions
	startPatience  = 3 * time.Second  // the same at a start, where they are remembered
	listsAtOnce    = 32
)

// AllRegions stands for every Region that the account has enabled.
const AllRegions = "all"

// Connect makes the clients of every account and Region. It asks AWS only for what the
// configuration leaves open: the account of the credentials, and the enabled Regions for
// AllRegions. An account that can't be asked delays no other: its Regions are those of the
// remembered scopes, else those of the credentials' own account, until Discover has them from
// AWS. Remembered scopes whose Region is not enabled any more are in the fleet too (see
// Enabled). It takes connectTimeout at most.
func Connect(ctx context.Context, base aws.Config, accounts []Account, regions []string, log *slog.Logger, remembered ...inventory.Scope) (*Fleet, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if len(accounts) == 0 {
		accounts = []Account{{}}
	}
	base = Account{}.Reach(base)
	f := &Fleet{regions: regions, clients: map[inventory.Scope]*ec2.Client{}}
	for _, a := range accounts {
		cfg := a.Reach(base)
		if a.ID == "" {
			id, _, err := whoAmI(ctx, cfg)
			if err != nil {
				return nil, fmt.Errorf("ask AWS whose credentials these are: %w", plain(err))
			}
			a.ID = id
		}
		s := sourceOf(cfg)
		f.members = append(f.members, &member{id: a.ID, cfg: s.signs(cfg, newVerified(a.ID, s, cfg))})
	}
	if !f.Lists() {
		names, err := Regions(ctx, base, regions)
		if err != nil {
			return nil, err
		}
		for _, m := range f.members {
			f.add(m, names)
		}
		return f, nil
	}
	failed := f.list(ctx, func(m *member) time.Duration {
		if slices.ContainsFunc(remembered, func(s inventory.Scope) bool { return s.Account == m.id }) {
			return startPatience
		}
		return listTimeout
	})
	ours := sync.OnceValues(func() ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		return Regions(ctx, base, regions) // names only: no credentials change hands (I13)
	})
	for n, m := range f.members {
		err := failed[m.id]
		names := m.names()
		for _, s := range remembered {
			if s.Account == m.id && !slices.Contains(names, s.Region) {
				names = append(slices.Clip(names), s.Region)
			}
		}
		if err != nil {
			log.Warn("can't list this account's Regions: taking those that are remembered, or that our own account has enabled, until it can be asked", "account", m.id, "error", err)
			if len(names) == 0 && accounts[n].RoleARN != "" {
				names, _ = ours()
			}
			if len(names) == 0 && len(f.members) > 1 && base.Region != "" {
				names = []string{base.Region}
			}
			if len(names) == 0 {
				return nil, fmt.Errorf("list the Regions of account %s: %w", m.id, err)
			}
		}
		f.add(m, names)
	}
	return f, nil
}

// Discover asks AWS which Regions the accounts have enabled, if the configuration says
// AllRegions, and adds clients for new ones. It returns the scopes that were added, and, by
// account, why it could not be asked; the scopes of such an account stay as they are.
func (f *Fleet) Discover(ctx context.Context) (added []inventory.Scope, failed map[string]error) {
	if !f.Lists() {
		return nil, nil
	}
	failed = f.list(ctx, func(*member) time.Duration { return listTimeout })
	for _, m := range f.members {
		if failed[m.id] == nil {
			added = append(added, f.add(m, m.names())...)
		}
	}
	return added, failed
}

// Lists reports whether AWS is asked for the Regions: the configuration says AllRegions.
func (f *Fleet) Lists() bool { return slices.Equal(f.regions, []string{AllRegions}) }

// list asks for the enabled Regions of each account, each within its limit.
func (f *Fleet) list(ctx context.Context, limit func(*member) time.Duration) (failed map[string]error) {
	failed = map[string]error{}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(listsAtOnce)
	for _, m := range f.members {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, limit(m))
			defer cancel()
			names, err := Regions(ctx, m.cfg, f.regions)
			if err == nil && len(names) == 0 {
				err = errors.New("AWS names no enabled Region")
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[m.id] = err
				return nil
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.listed = names
			return nil
		})
	}
	g.Wait() //nolint:errcheck // each account's error is its own
	return failed
}

// add makes clients for those Regions of an account that have none.
func (f *Fleet) add(m *member, regions []string) (added []inventory.Scope) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, region := range regions {
		s := inventory.Scope{Account: m.id, Region: region}
		if f.clients[s] != nil {
			continue
		}
		added = append(added, s)
		f.clients[s] = ec2.NewFromConfig(m.cfg, func(o *ec2.Options) {
			o.Region = region
			o.RetryMaxAttempts = 1 // retries belong to the state file (docs/decisions/retries.md)
		})
	}
	f.scopes = append(slices.Clip(f.scopes), added...)
	return added
}
