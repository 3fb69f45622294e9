package doctor

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// subject is one scope (an account and Region), and how it is reached.
type subject struct {
	machine  *machine
	routes   *routes
	scope    inventory.Scope
	account  scopes.Account
	cfg      aws.Config // in the scope's Region
	identity func() (identity, error)
	regions  error                  // why the Regions are not all known
	rules    func() ([]rule, error) // those of its default bus that lead to the queue
	logs     func() ([]inventory.FlowLog, error)
	trials   func() ([]trial, error) // the dry runs of its restores
}

func (s *subject) at() inventory.Scope { return s.scope }

// findSubjects finds the subjects of each configured account, in order.
func (d *Doctor) findSubjects(ctx context.Context) [][]*subject {
	all := d.Accounts
	if len(all) == 0 {
		all = []scopes.Account{{}}
	}
	found := make([][]*subject, len(all))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for n, a := range all {
		g.Go(func() error { found[n] = d.subjectsOf(ctx, a); return nil })
	}
	_ = g.Wait() // none fails: what is not known the checks report
	return found
}

func (d *Doctor) subject(ctx context.Context, a scopes.Account, cfg aws.Config, region string) *subject {
	cfg = cfg.Copy()
	cfg.Region = region
	s := &subject{scope: inventory.Scope{Account: a.ID, Region: region}, account: a, cfg: cfg}
	s.identity = once(ctx, func(ctx context.Context) (identity, error) { return whoAmI(ctx, cfg, d.Now) })
	s.logs = once(ctx, s.describeFlowLogs)
	return s
}

// subjectsOf one account: at least one, even if nothing is known of the account.
func (d *Doctor) subjectsOf(ctx context.Context, a scopes.Account) (out []*subject) {
	cfg := a.Reach(d.AWS)
	if a.ID == "" {
		first := d.subject(ctx, a, cfg, cfg.Region)
		who, err := first.identity()
		if err != nil {
			return []*subject{first}
		}
		a.ID = who.account
	}
	ask, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	names, err := scopes.Regions(ask, cfg, d.Config.Inventory.Regions)
	if err != nil || len(names) == 0 {
		names = []string{cfg.Region}
	}
	for _, name := range names {
		s := d.subject(ctx, a, cfg, name)
		s.regions = err
		out = append(out, s)
	}
	return out
}

// unusable says why nothing can be asked of a scope; empty: it can.
func (s *subject) unusable() string {
	who, err := s.identity()
	if err != nil || who.account != s.scope.Account {
		return "the credentials do not work there"
	}
	return ""
}
