package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// subject is one scope (an account and Region), and how it is reached.
type subject struct {
	machine    *machine
	routes     *routes
	scope      inventory.Scope
	account    scopes.Account
	cfg        aws.Config // in the scope's Region
	identity   func() (identity, error)
	discovered bool                   // the organisation has the account, and it has the role of organization.role_name
	management bool                   // it is the organisation's management account
	regionsErr error                  // why the account's Regions are not all known
	rules      func() ([]rule, error) // those of its default bus that lead to the queue
	logs       func() ([]inventory.FlowLog, error)
	trials     func() ([]trial, error) // the dry runs of its restores
}

func (s *subject) at() inventory.Scope { return s.scope }

// findSubjects finds the subjects of each account, in order.
func (m *machine) findSubjects(ctx context.Context) [][]*subject {
	all, members := m.findAccounts(ctx)
	if len(all) == 0 && m.Protection == nil {
		all = []scopes.Account{{}}
	}
	found := make([][]*subject, len(all))
	var g errgroup.Group
	g.SetLimit(min(mostAtOnce, max(atOnce, len(all)/4)))
	for n, a := range all {
		g.Go(func() error { found[n] = m.subjectsOf(ctx, a); return nil })
	}
	_ = g.Wait() // none fails: the checks report what is not known
	for _, subjects := range found {
		markMembers(subjects, members, m.Config.Organization.RoleName)
	}
	return found
}

func (m *machine) subject(ctx context.Context, a scopes.Account, cfg aws.Config, region string) *subject {
	cfg = cfg.Copy()
	cfg.Region = region
	s := &subject{machine: m, scope: inventory.Scope{Account: a.ID, Region: region}, account: a, cfg: cfg}
	s.identity = once(ctx, func(ctx context.Context) (identity, error) { return whoAmI(ctx, cfg, m.Now) })
	s.logs = once(ctx, s.describeFlowLogs)
	return s
}

// subjectsOf returns the subjects of one account: at least one, even if nothing is known of the account.
func (m *machine) subjectsOf(ctx context.Context, a scopes.Account) (out []*subject) {
	cfg := a.Reach(m.AWS)
	if a.ID == "" {
		first := m.subject(ctx, a, cfg, cfg.Region)
		who, err := first.identity()
		if err != nil {
			return []*subject{first}
		}
		a.ID = who.account
	}
	ask, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	regions := m.Config.Inventory.Regions
	if len(a.Regions) > 0 {
		regions = a.Regions
	}
	names, err := scopes.Regions(ask, cfg, regions)
	if err != nil || len(names) == 0 {
		names = []string{cfg.Region}
	}
	for _, name := range names {
		s := m.subject(ctx, a, cfg, name)
		s.regionsErr = err
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

// account is the scopes of one account: IAM's policies are the same in all of them.
type account struct {
	id       string
	subjects []*subject
	iam      simulator
	self     func() (string, error) // the user or role that we are
}

func newAccount(ctx context.Context, subjects []*subject) *account {
	api := iam.NewFromConfig(subjects[0].cfg)
	a := &account{id: subjects[0].scope.Account, subjects: subjects, iam: api}
	a.self = once(ctx, func(ctx context.Context) (string, error) {
		who, err := subjects[0].identity()
		if err != nil {
			return "", err
		}
		return principalOf(ctx, api, who.arn, subjects[0].account.RoleARN), nil
	})
	return a
}

func (a *account) at() inventory.Scope { return inventory.Scope{Account: a.id} }
func (a *account) unusable() string    { return a.subjects[0].unusable() }
func (a *account) partition() string   { return inventory.Partition(a.subjects[0].scope.Region) }

// flowLogs returns one flow log of each Region, for questions to the simulator: a real one if there is
// one, because a policy may name it.
func (a *account) flowLogs() (out []target) {
	for _, s := range a.subjects {
		id := "fl-00000000000000000"
		if all, err := s.logs(); err == nil && len(all) > 0 {
			id = all[0].ID
		}
		out = append(out, target{s.scope.Region, fmt.Sprintf("arn:%s:ec2:%s:%s:vpc-flow-log/%s", a.partition(), s.scope.Region, a.id, id)})
	}
	return out
}

// trials returns the dry runs of all the account's scopes; err is why some were not made.
func (a *account) trials() (all []trial, err error) {
	for _, s := range a.subjects {
		some, why := s.trials()
		all, err = append(all, some...), cmp.Or(err, why)
	}
	return all, err
}

// may asks the simulator whether we are allowed to do something that the dry runs did not refuse: they may not
// check it. what names it in texts. who is the user or role that we are. If the simulator can't tell, doubt says
// why; else doubt's status is empty.
func (a *account) may(ctx context.Context, what string, q question) (who string, allowed bool, doubt finding) {
	who, err := a.self()
	if err != nil || who == "" {
		return "", false, finding{Unknown, "can't tell beyond the dry runs, which refused nothing: these credentials are neither a user's nor a role's", ""}
	}
	q.principal = who
	d, err := simulate(ctx, a.iam, q)
	switch {
	case err != nil:
		return who, false, unanswered(err)
	case d.allowed == 0 && d.doubt() != "":
		return who, false, finding{Unknown, "can't tell of " + what + " beyond the dry runs, which did not refuse it: " + d.doubt(), ""}
	}
	return who, d.allowed > 0, finding{}
}

// identity is whose credentials these are, by AWS's answer.
type identity struct {
	account, arn string
	date         string    // of the answer, as AWS's clock has it
	seen         time.Time // when it came, by our clock
}

func whoAmI(ctx context.Context, cfg aws.Config, now func() time.Time) (who identity, err error) {
	out, err := call(ctx, sts.NewFromConfig(cfg).GetCallerIdentity, &sts.GetCallerIdentityInput{})
	if err != nil {
		return identity{date: serverDate(err), seen: now()}, err
	}
	who = identity{account: aws.ToString(out.Account), arn: aws.ToString(out.Arn), seen: now()}
	if raw, is := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); is && raw.Response != nil {
		who.date = raw.Header.Get("Date")
	}
	return who, nil
}

// login is a scope that is checked even if its credentials do not work there.
type login struct{ *subject }

func (login) unusable() string { return "" }

// credentials judges whether a scope's credentials are of its account (I13). If no account is
// configured, it also fails if the state file has protected flow logs, but never had a flow log
// of the account of the credentials.
func (s login) credentials(context.Context) []finding {
	out := s.judge()
	who, err := s.identity()
	facts, _ := s.machine.state() // without a state file nothing is protected
	configured := len(s.machine.Accounts) > 0 || s.machine.Protection != nil
	known := slices.ContainsFunc(facts.known, func(k inventory.Scope) bool { return k.Account == who.account })
	if err != nil || configured || known || len(facts.accounts) == 0 {
		return out
	}
	var named []string
	for _, a := range facts.accounts {
		named = append(named, s.machine.named(a))
	}
	accounts := strings.Join(named, ", ")
	return append(out, finding{Fail, fmt.Sprintf("the state file has protected flow logs of account %s, these credentials act in %s: nothing of %s is restored", accounts, s.machine.named(who.account), accounts),
		"give the service credentials of " + accounts + ", or configure it under accounts: with a role; if " + who.account + " is meant, give it a state.path of its own"})
}

func (s login) judge() []finding {
	who, err := s.identity()
	switch {
	case err != nil && s.management && s.discovered && denied(err):
		return findings(finding{Warn, "this is the management account, where service-managed StackSets deploy nothing, and its role can't be assumed: " + errorText(err),
			s.fixRole() + "; or name the account in organization.exclude"})
	case err != nil:
		return findings(finding{Fail, errorText(err), s.mend(err)})
	case who.account != s.scope.Account:
		return findings(finding{Fail, fmt.Sprintf("%s is of account %s, not %s: nothing it shows is believed", who.arn, s.machine.named(who.account), s.machine.named(s.scope.Account)),
			"set accounts[].role_arn to a role of " + s.machine.named(s.scope.Account) + ", or give the service its credentials"})
	}
	out := findings(fine("%s", who.arn))
	if strings.HasSuffix(who.arn, ":root") {
		out = findings(finding{Warn, "these are the root user's: they may do everything, and only a service control policy binds them", leaveRoot})
	}
	if s.regionsErr != nil {
		out = append(out, unanswered(s.regionsErr))
	}
	return out
}

const leaveRoot = "make a role or user with deploy/iam-policy.json, and delete the root user's access key"

func (s login) mend(err error) string {
	c := code(err)
	switch {
	case s.discovered && denied(err):
		return s.fixRole()
	case s.account.RoleARN != "" && denied(err):
		return "let the trust policy of " + s.account.RoleARN + " name us (with accounts[].external_id, if it asks for one), and allow us sts:AssumeRole on it"
	case scopes.NoCredentials(err):
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the instance a role; under systemd see the comments of the unit"
	case strings.Contains(c, "Expired"):
		return "these credentials have ended: renew them (aws sso login), or use an instance role, which renews itself"
	case c == "InvalidClientTokenId", c == "UnrecognizedClientException", c == "AuthFailure":
		return "AWS knows no such access key (or not in this Region: it may not be enabled): see `aws sts get-caller-identity --region " + s.scope.Region + "`"
	case c == "SignatureDoesNotMatch", strings.Contains(c, "Skew"), c == "RequestExpired":
		return "see that the secret key is whole, and that the clock is right (the next check)"
	case c == "":
		return "see that this machine reaches sts." + s.scope.Region + ".amazonaws.com: DNS, proxy, firewall, aws.endpoint_url"
	}
	return ""
}
