package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// The templates that make the role and the rule: in an account of the organisation, and in the account of the queue.
const (
	memberTemplate = "deploy/cloudformation/flowkeeper-member.yaml"
	queueTemplate  = "deploy/cloudformation/flowkeeper.yaml"
)

// askOrganization lists the accounts of the organisation. [organization.List] has a time limit of its own:
// many OUs take longer than any other question.
func (d *Doctor) askOrganization(ctx context.Context) (organization.Listing, error) {
	o := d.Config.Organization
	return organization.List(ctx, organization.Client(d.AWS, o), o.Include, o.Exclude)
}

// findAccounts returns the accounts to check, and which of them the organisation has: by its
// list, or by the state file where it can't be listed.
func (m *machine) findAccounts(ctx context.Context) (accounts []scopes.Account, members []organization.Member) {
	if m.Protection == nil {
		return m.Accounts, nil
	}
	if l, err := m.listing(); err == nil {
		members = organization.Compare(nil, l, m.Now()).Joined
	} else if facts, err := m.state(); err == nil {
		members = organization.Protected(facts.members)
	}
	return m.Protection.Accounts(scopes.LikelyPartition(ctx, m.AWS), members), members
}

// organization judges whether the accounts can be listed, and what the configuration selects.
func (m *machine) organization(context.Context) []finding {
	if m.Protection == nil {
		return findings(fine("organization.role_name is empty: the organisation is not asked"))
	}
	l, err := m.listing()
	call, mendable := errors.AsType[*organization.CallError](err)
	switch {
	case mendable && call.Permission != "":
		return findings(finding{Fail, call.Permission + " is not allowed: " + errorText(call), call.Fix})
	case mendable:
		return findings(finding{Fail, errorText(errors.Unwrap(call)), call.Fix})
	case err != nil:
		return findings(finding{Unknown, "can't tell: " + errorText(err), ""})
	}
	out := judgeListing(l)
	if facts, err := m.state(); err == nil {
		out = append(out, m.judgeDepartures(facts)...)
	}
	return out
}

// judgeDepartures warns of accounts that departed and had protected flow logs: of each, or of many at once.
func (m *machine) judgeDepartures(facts stateFacts) (out []finding) {
	byAccount := map[string]int{}
	for s, protected := range facts.protected {
		byAccount[s.Account] += protected
	}
	const fix = "nothing, if that is meant; if the account still exists, write it under accounts, with its role"
	all, names := 0, []string{}
	for _, a := range facts.members {
		n := byAccount[a.ID]
		if !a.Departed() || n == 0 {
			continue
		}
		all, names = all+n, append(names, m.named(a.ID))
		out = append(out, finding{Warn, fmt.Sprintf("account %s is not protected since %s: %s; %s", m.named(a.ID),
			a.LeftAt.UTC().Format(time.RFC3339), a.Why.Text(a.State), unwatchedText(n)), fix})
	}
	if len(out) <= maxNamed {
		return out
	}
	if more := len(names) - mostListed; more > 0 {
		names = append(names[:mostListed], fmt.Sprintf("%d more (flowkeeper accounts list)", more))
	}
	return findings(finding{Warn, fmt.Sprintf("%d accounts are not protected any more: %s; %s", len(out), strings.Join(names, ", "), unwatchedText(all)), fix})
}

func unwatchedText(flowLogs int) string {
	return plural(flowLogs, "flow log there is", "flow logs there are") + " neither watched nor restored"
}

// stillProtected returns how many flow logs are protected in each scope, without the accounts that departed.
func (m stateFacts) stillProtected() map[inventory.Scope]int {
	out := maps.Clone(m.protected)
	maps.DeleteFunc(out, func(s inventory.Scope, _ int) bool {
		return slices.ContainsFunc(m.members, func(a organization.Member) bool { return a.ID == s.Account && a.Departed() })
	})
	return out
}

// judgeListing judges what the configuration selects of the organisation's accounts.
func judgeListing(l organization.Listing) (out []finding) {
	selected, inactive := 0, 0
	for _, a := range l.Accounts {
		switch {
		case a.Protected():
			selected++
		case a.Selected:
			inactive++
		}
	}
	if selected == 0 {
		out = append(out, finding{Fail, "organization.include and organization.exclude select no account of " + alert.Plural(len(l.Accounts), "account"), "correct them: flowkeeper accounts list"})
	}
	for _, s := range l.Strangers {
		out = append(out, finding{Warn, s + " is no account of the organisation", "correct it; an account of another organisation belongs under accounts, with its role"})
	}
	if len(out) > 0 {
		return out
	}
	text := fmt.Sprintf("%d of %s selected", selected, alert.Plural(len(l.Accounts), "account"))
	if inactive > 0 {
		text += ", " + plural(inactive, "more is", "more are") + " not active"
	}
	if refused, is := errors.AsType[*organization.CallError](l.NoPaths); is && refused.Permission != "" {
		text += "; without " + refused.Permission + " their OUs are not shown"
	}
	return findings(fine("%s", text))
}

// fixRole says what to do if the role of organization.role_name can't be assumed in the account. The members' template
// always gives its role an external ID, the queue's template never.
func (s *subject) fixRole() string {
	trust := "its trust policy names us"
	switch {
	case s.roleTemplate() == queueTemplate:
	case s.machine.Config.Organization.ExternalID != "":
		trust += ", with organization.external_id"
	default:
		trust += ". It demands the template's ExternalId, but organization.external_id is not set"
	}
	return "in account " + s.machine.named(s.scope.Account) + ": deploy " + s.roleTemplate() + " (docs/organization.md), or correct the role that it made, or organization.role_name: " + trust + ". We need sts:AssumeRole on " + s.account.RoleARN
}

// roleTemplate is the template that makes our role in the account of the organisation.
func (s *subject) roleTemplate() string {
	if q, err := s.machine.Config.Queue.Parse(); err == nil && q.Account == s.scope.Account {
		return queueTemplate
	}
	return memberTemplate
}

// stack names the stack of a template in the account: an instance of the StackSet, or a stack by itself.
func (s *subject) stack(template string) string {
	if template == memberTemplate && !s.management {
		return "the StackSet's instance of " + template
	}
	return "the stack of " + template
}

// grant says where to allow us an action. statement is the Sid of the statement that allows it, in
// deploy/iam-policy.json and in the templates; empty: no statement is named.
func (s *subject) grant(action, statement string) string {
	account, us, policy := "", "", "deploy/iam-policy.json"
	if s.discovered {
		account, us, policy = "in account "+s.machine.named(s.scope.Account)+": ", " to "+s.account.RoleARN, s.stack(s.roleTemplate())
	}
	if statement != "" {
		policy = statement + " in " + policy
	}
	return account + "allow " + action + us + " (" + policy + "), and see that no service control policy denies it"
}

// makeRule says what makes the rule of the scope.
func (s *subject) makeRule() string {
	if !s.discovered || s.scope == s.routes.home.scope {
		return s.routes.makeRule(s.scope, defaultBus)
	}
	return fmt.Sprintf("in account %s, Region %s: %s makes the rule flowkeeper-forward (docs/organization.md): see that it is there", s.machine.named(s.scope.Account), s.scope.Region, s.stack(memberTemplate))
}

// markMembers notes which subjects are in accounts of the organisation that have its role, and which are in its
// management account.
func markMembers(subjects []*subject, members []organization.Member, role string) {
	for _, s := range subjects {
		n := slices.IndexFunc(members, func(m organization.Member) bool { return m.ID == s.scope.Account })
		s.discovered = n >= 0 && strings.HasSuffix(s.account.RoleARN, ":role/"+role)
		s.management = n >= 0 && members[n].Management
	}
}
