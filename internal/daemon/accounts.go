package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
)

// ProtectedAccounts returns the accounts to protect: those of the configuration, and the others
// on the stored list of the organisation's that have not departed. For an account without a role
// in the configuration, the role is organization.role_name in the given partition. If it returns
// none, the account of the credentials is protected.
func ProtectedAccounts(c configs.Config, partition string, members []organization.Member) []scopes.Account {
	var out []scopes.Account
	o := c.Organization
	add := func(a configs.Account) {
		if a.RoleARN == "" && o.RoleName != "" {
			a.RoleARN = fmt.Sprintf("arn:%s:iam::%s:role/%s", partition, a.ID, o.RoleName)
			a.ExternalID = cmp.Or(a.ExternalID, o.ExternalID)
		}
		out = append(out, scopes.Account{ID: a.ID, RoleARN: a.RoleARN, ExternalID: a.ExternalID, Regions: a.Regions})
	}
	for _, a := range c.Accounts {
		add(a)
	}
	if o.RoleName == "" {
		return out
	}
	for _, m := range organization.Protected(members) {
		if !isConfigured(c, m.ID) {
			add(configs.Account{ID: m.ID})
		}
	}
	return out
}

// isConfigured reports whether accounts names an account.
func isConfigured(c configs.Config, account string) bool {
	return slices.ContainsFunc(c.Accounts, func(a configs.Account) bool { return a.ID == account })
}

// StoredAccounts returns the accounts to protect according to the organisation's last list in
// the state file. listed is false if there is no such list yet.
func StoredAccounts(ctx context.Context, c configs.Config, base aws.Config, s *store.Store) (accounts []scopes.Account, listed bool, err error) {
	if c.Organization.RoleName == "" {
		return ProtectedAccounts(c, "", nil), true, nil
	}
	partition, err := partitionOf(ctx, base, s)
	if err != nil {
		return nil, false, err
	}
	members, at, err := s.Accounts(ctx)
	if err != nil {
		return nil, false, err
	}
	accounts = ProtectedAccounts(c, partition, members)
	if !at.IsZero() && len(accounts) == 0 {
		err = errNoAccount
	}
	return accounts, !at.IsZero(), err
}

var partitionName = regexp.MustCompile(`^aws(-[a-z]+)*$`)

// StoredPartition is the partition of the credentials as the state file has it; empty: AWS was not
// asked yet.
func StoredPartition(ctx context.Context, s *store.Store) (string, error) {
	known, err := s.Fact(ctx, store.PartitionFact)
	if !partitionName.MatchString(known) {
		known = ""
	}
	return known, err
}

// partitionOf returns the partition of the credentials, which AWS is asked for once.
func partitionOf(ctx context.Context, base aws.Config, s *store.Store) (string, error) {
	if known, err := StoredPartition(ctx, s); err != nil || known != "" {
		return known, err
	}
	partition, err := scopes.Partition(ctx, base)
	if err != nil {
		return "", err
	}
	return partition, s.SetFact(ctx, store.PartitionFact, partition)
}

var errNoAccount = errors.New("no account of the organisation is to be protected: see organization.include and organization.exclude, and `flowkeeper accounts list`")

// accountNames lists accounts in a text, with their names and IDs: the first ten, and how many
// more there are.
func accountNames(members []organization.Member) string {
	const most = 10
	var names []string
	for _, m := range members[:min(len(members), most)] {
		names = append(names, alert.WithAccount(m.ID, m.Name))
	}
	if more := len(members) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// nameOfAccount is the ID of an account with its name, if that is known.
func nameOfAccount(ctx context.Context, d *Daemon, account string) string {
	names, err := d.store.AccountNames(ctx)
	if err != nil {
		names = Names(d.Config) // better than no alert
	}
	return alert.WithAccount(account, names[account])
}
