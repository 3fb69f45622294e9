package daemon

import (
	"fmt"
	"strings"
	"testing"

	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/inventory"
)

// TestWatchedBy: a command accepts exactly the scopes that the daemon refreshes. If it refuses one, the error says
// which scopes are watched, and under which key of the configuration to add it.
func TestWatchedBy(t *testing.T) {
	t.Parallel()
	const one, two, three = "111122223333", "222233334444", "333344445555"
	in := func(account, region string) inventory.Scope { return inventory.Scope{Account: account, Region: region} }
	own := configs.Config{}
	named := configs.Config{Accounts: []configs.Account{{ID: one, Regions: []string{"us-east-1"}}, {ID: two}}}
	named.Inventory.Regions = []string{"eu-west-1"}
	everywhere := configs.Config{Accounts: []configs.Account{{ID: one, Regions: []string{"all"}}, {ID: two}}}
	everywhere.Inventory.Regions = []string{"eu-west-1"}
	var all, here, many configs.Config
	here.Inventory.Regions = []string{"eu-west-1"}
	all.Inventory.Regions = []string{"all"}
	for n := range 7 {
		many.Accounts = append(many.Accounts, configs.Account{ID: fmt.Sprintf("%012d", n+1)})
	}
	organized := named
	organized.Organization.RoleName = "flowkeeper"
	alone := configs.Config{Organization: organized.Organization}
	members := []organization.Member{{Account: organization.Account{ID: three}}, {Account: organization.Account{ID: "444455556666"}, Why: organization.Left}}
	for name, c := range map[string]struct {
		conf    configs.Config
		members []organization.Member
		listed  bool
		known   []inventory.Scope
		of      inventory.Scope
		refused string
	}{
		"a new machine":                       {own, nil, false, nil, in(one, "eu-west-1"), ""},
		"the scope of the snapshot":           {own, nil, false, []inventory.Scope{in(one, "eu-west-1")}, in(one, "eu-west-1"), ""},
		"another account than the snapshot's": {own, nil, false, []inventory.Scope{in(one, "eu-west-1")}, in(two, "eu-west-1"), "(111122223333): add it under accounts"},
		"another Region than the snapshot's":  {own, nil, false, []inventory.Scope{in(one, "eu-west-1")}, in(one, "us-east-1"), "(eu-west-1): add it under inventory.regions"},
		"another Region, of any account":      {here, nil, false, nil, in(one, "us-east-1"), "(eu-west-1): add it under inventory.regions"},
		"any Region":                          {all, nil, false, nil, in(one, "us-east-1"), ""},
		"a Region, with seven accounts":       {many, nil, false, nil, in(two, "us-east-1"), "(000000000001, 000000000002, 000000000003, 000000000004, 000000000005 and 2 more): add it"},
		"a configured account":                {named, nil, false, nil, in(two, "eu-west-1"), ""},
		"another account":                     {named, nil, false, []inventory.Scope{in(three, "eu-west-1")}, in(three, "eu-west-1"), "(111122223333, 222233334444): add it"},
		"another Region":                      {named, nil, false, nil, in(two, "us-east-1"), "(eu-west-1): add it"},
		"a Region of the account's own":       {named, nil, false, nil, in(one, "us-east-1"), ""},
		"a Region that those replace":         {named, nil, false, nil, in(one, "eu-west-1"), "(us-east-1): add it to the regions of 111122223333 under accounts"},
		"all Regions of one account":          {everywhere, nil, false, nil, in(one, "us-east-1"), ""},
		"all Regions, but of the other":       {everywhere, nil, false, nil, in(two, "us-east-1"), "(eu-west-1): add it"},
		"a member of the organisation":        {organized, members, true, nil, in(three, "eu-west-1"), ""},
		"a configured account that is none":   {organized, members, true, nil, in(two, "eu-west-1"), ""},
		"a member that departed":              {organized, members, true, nil, in("444455556666", "eu-west-1"), "(111122223333, 222233334444, 333344445555): add it"},
		"before the organisation is listed":   {organized, nil, false, nil, in(three, "eu-west-1"), ""},
		"the last one has departed":           {alone, members[1:], true, []inventory.Scope{in("444455556666", "eu-west-1")}, in("444455556666", "eu-west-1"), "(none is): add it under organization.include"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := WatchedBy(c.conf, c.members, c.listed, c.known).Check(c.of)
			if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Error(err)
			}
		})
	}
}
