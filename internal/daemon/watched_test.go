package daemon

import (
	"testing"

	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/inventory"
)

// TestWatched: of which scopes the daemon acts on records, as far as is known without AWS.
func TestWatched(t *testing.T) {
	t.Parallel()
	const one, two = "111122223333", "444455556666"
	named := configs.Config{Accounts: []configs.Account{{ID: one, Regions: []string{"us-east-1"}}}}
	named.Inventory.Regions = []string{"eu-west-1"}
	var own, all configs.Config
	own.Inventory.Regions = []string{"eu-west-1"}
	all.Inventory.Regions = []string{"all"}
	listed := own
	listed.Organization.RoleName = "flowkeeper"
	member := func(id string, why organization.Departure) organization.Member {
		return organization.Member{Account: organization.Account{ID: id}, Why: why}
	}
	left := member(one, organization.Left)
	for name, c := range map[string]struct {
		conf            configs.Config
		members         []organization.Member
		listed          bool
		account, region string
		want            bool
	}{
		"the Regions of the account":            {named, nil, false, one, "us-east-1", true},
		"which stand for those of all":          {named, nil, false, one, "eu-west-1", false},
		"another account":                       {named, nil, false, two, "eu-west-1", false},
		"the account of the credentials":        {own, nil, false, one, "eu-west-1", true},
		"another Region of it":                  {own, nil, false, one, "us-east-1", false},
		"all Regions":                           {all, nil, false, one, "us-east-1", true},
		"a member":                              {listed, []organization.Member{member(one, "")}, true, one, "eu-west-1", true},
		"no member":                             {listed, []organization.Member{member(one, "")}, true, two, "eu-west-1", false},
		"before the organisation is listed":     {listed, nil, false, two, "eu-west-1", true},
		"one that departed":                     {listed, []organization.Member{left, member(two, "")}, true, one, "eu-west-1", false},
		"one that departed, and nobody is left": {listed, []organization.Member{left}, true, one, "eu-west-1", false},
	} {
		if got := Watched(c.conf, c.members, c.listed)(inventory.Scope{Account: c.account, Region: c.region}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
