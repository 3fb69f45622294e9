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

// memberTemplate makes the role, and the rule, in an account of the organisation.
const memberTemplate = "deploy/cloudformation/flowkeeper-member.yaml"

// askOrganization lists the accounts of the organisation.
func (d *Doctor) askOrganization(ctx context.Context) (organization.Listing, error) {
	o := d.Config.Organization
	return organization.List(ctx, organization.Client(d.AWS, o), o.Include, o.Exclude)
}

// findAccounts returns the accounts to check, and which of them the organisation has: by its
// list, or by the state file where it can't be listed.
func (m *machine) findAccounts(ctx context.Context) (accounts []scopes.Account, members []organization.Member) {
	if m.Protect == nil {
		return m.Accounts, nil
	}
	if l, err := m.listing(); err == nil {
		members = organization.Compare(nil, l, m.Now()).Joined
	} else if facts, err := m.state(); err == nil {
		members = organization.Protected(facts.members)
	}
	return m.Protect(scopes.LikelyPartition(ctx, m.AWS), members), members
}

// organization judges whether the accounts can be listed, and what the configuration selects.
func (m *machine) organization(context.Context) []finding {
	if m.Protect == nil {
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
		out = append(out, judgeDepartures(facts)...)
	}
	return out
}

// judgeDepartures warns of accounts that departed and had protected flow logs.
func judgeDepartures(facts stateFacts) (out []finding) {
	for _, m := range facts.members {
		n := 0
		for s, protected := range facts.protected {
			if s.Account == m.ID {
				n += protected
			}
		}
		if m.Departed() && n > 0 {
			out = append(out, finding{Warn, fmt.Sprintf("account %s is not protected since %s: %s; %s neither watched nor restored", m.ID,
				m.LeftAt.UTC().Format(time.RFC3339), m.Why.Text(m.State), plural(n, "flow log there is", "flow logs there are")),
				"nothing, if that is meant; if the account still exists, write it under accounts, with its role"})
		}
	}
	return out
}

// here returns how many flow logs are protected in each scope, without the accounts that departed.
func (m stateFacts) here() map[inventory.Scope]int {
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
	text := alert.Plural(selected, "account") + " of " + alert.Plural(len(l.Accounts), "account") + " selected"
	if inactive > 0 {
		text += ", " + plural(inactive, "more is", "more are") + " not active"
	}
	if refused, is := errors.AsType[*organization.CallError](l.NoPaths); is && refused.Permission != "" {
		text += "; without " + refused.Permission + " their OUs are not shown"
	}
	return findings(fine("%s", text))
}

// deployed is what to do where the role that an account's role_name names can't be assumed.
func (s *subject) deployed() string {
	return "in account " + s.scope.Account + ": deploy " + memberTemplate + " (docs/organization.md), or correct the role that it made: its trust policy names us, with organization.external_id if that is set. We need sts:AssumeRole on " + s.account.RoleARN
}

// byOrganization notes which subjects are accounts of the organisation that have its role.
func byOrganization(subjects []*subject, members []organization.Member, role string) {
	for _, s := range subjects {
		n := slices.IndexFunc(members, func(m organization.Member) bool { return m.ID == s.scope.Account })
		s.discovered = n >= 0 && strings.HasSuffix(s.account.RoleARN, ":role/"+role)
		s.management = n >= 0 && members[n].Management
	}
}
