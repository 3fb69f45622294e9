package daemon

import (
	"reflect"
	"testing"

	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
)

func TestProtectedAccounts(t *testing.T) {
	t.Parallel()
	const a, b, theirs = "111122223333", "222233334444", "arn:aws:iam::222233334444:role/theirs"
	org := configs.Organization{RoleName: "security/flowkeeper", ExternalID: "x-1"}
	role := func(partition, id string) string {
		return "arn:" + partition + ":iam::" + id + ":role/security/flowkeeper"
	}
	member := func(id string, why organization.Departure) organization.Member {
		return organization.Member{Account: organization.Account{ID: id, State: organization.Active}, Why: why}
	}
	for name, c := range map[string]struct {
		org       configs.Organization
		accounts  []configs.Account
		partition string
		members   []organization.Member
		want      []scopes.Account
	}{
		"nothing": {},
		"no organisation": {
			accounts: []configs.Account{{ID: a}, {ID: b, RoleARN: theirs, ExternalID: "y", Regions: []string{"all"}}},
			members:  []organization.Member{member("333344445555", "")}, // stored when the configuration still had an organisation
			want:     []scopes.Account{{ID: a}, {ID: b, RoleARN: theirs, ExternalID: "y", Regions: []string{"all"}}},
		},
		"discovered": {
			org: org, partition: "aws-cn", members: []organization.Member{member(a, ""), member(b, "")},
			want: []scopes.Account{{ID: a, RoleARN: role("aws-cn", a), ExternalID: "x-1"}, {ID: b, RoleARN: role("aws-cn", b), ExternalID: "x-1"}},
		},
		"departed": {
			org: org, partition: "aws",
			members: []organization.Member{member(a, organization.Left), member(b, ""), member("333344445555", organization.Inactive), member("444455556666", organization.Deselected)},
			want:    []scopes.Account{{ID: b, RoleARN: role("aws", b), ExternalID: "x-1"}},
		},
		"overridden": {
			org: org, partition: "aws", accounts: []configs.Account{{ID: b, RoleARN: theirs, Regions: []string{"eu-west-1"}}, {ID: a, ExternalID: "z"}},
			members: []organization.Member{member(a, ""), member(b, "")},
			want:    []scopes.Account{{ID: b, RoleARN: theirs, Regions: []string{"eu-west-1"}}, {ID: a, RoleARN: role("aws", a), ExternalID: "z"}},
		},
		"named, and not in the organisation, or not any more": {
			org: org, partition: "aws", accounts: []configs.Account{{ID: a}, {ID: b}}, members: []organization.Member{member(b, organization.Left)},
			want: []scopes.Account{{ID: a, RoleARN: role("aws", a), ExternalID: "x-1"}, {ID: b, RoleARN: role("aws", b), ExternalID: "x-1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ProtectedAccounts(configs.Config{Organization: c.org, Accounts: c.accounts}, c.partition, c.members)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}
