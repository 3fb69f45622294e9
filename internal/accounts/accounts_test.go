package accounts

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

const (
	own      = "111122223333"
	payments = "222233334444"
	search   = "333344445555"
	sandbox  = "444455556666"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func member(id, name string) organization.Member {
	return organization.Member{Account: organization.Account{ID: id, Name: name, State: organization.Active, Selected: true}, FirstAt: noon}
}

func departed(id, name string) organization.Member {
	m := member(id, name)
	m.Selected, m.LeftAt, m.Why = false, noon, organization.Left
	return m
}

func with(x Account, change func(*Account)) Account { change(&x); return x }

// TestAll: All lists each account once, with what the configuration, the organisation, the state file and the answer of
// AWS say about it.
func TestAll(t *testing.T) {
	t.Parallel()
	organized, named := configs.Config{}, configs.Config{Accounts: []configs.Account{{ID: payments, Name: "ours", RoleARN: "arn:role"}}}
	organized.Organization.RoleName = "keeper"
	both := named
	both.Organization.RoleName = "keeper"
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		conf    configs.Config
		members []organization.Member
		answers map[string]error
		want    []Account
	}{
		"nothing": {configs.Config{}, nil, nil, nil},
		"of the organisation": {organized, []organization.Member{member(payments, "payments"), member(own, "main")}, nil, []Account{
			with(fromMember(member(own, "main")), func(x *Account) { x.RoleARN = "arn:aws:iam::111122223333:role/keeper" }),
			with(fromMember(member(payments, "payments")), func(x *Account) { x.RoleARN = "arn:aws:iam::222233334444:role/keeper" })}},
		"of the configuration": {named, nil, map[string]error{payments: nil}, []Account{
			{ID: payments, Name: "ours", Source: fromAccounts, RoleARN: "arn:role", RoleWorks: new(true)}}},
		"of both, by the name of the configuration": {both, []organization.Member{member(payments, "payments")}, map[string]error{payments: refused}, []Account{
			with(fromMember(member(payments, "ours")), func(x *Account) { x.RoleARN, x.RoleWorks, x.Err = "arn:role", new(false), refused })}},
		"departed": {organized, []organization.Member{departed(search, "search"), member(own, "main")}, map[string]error{own: refused}, []Account{
			with(fromMember(member(own, "main")), func(x *Account) {
				x.RoleARN, x.RoleWorks, x.Err = "arn:aws:iam::111122223333:role/keeper", new(false), refused
			}),
			fromMember(departed(search, "search"))}},
		"departed, and in the configuration": {both, []organization.Member{departed(payments, "payments")}, nil, []Account{{
			ID: payments, Name: "ours", State: organization.Active, ProtectedAt: alert.Time{Time: noon}, Source: fromAccounts, RoleARN: "arn:role"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &Known{conf: c.conf, members: c.members, answers: c.answers}
			k.UseStored()
			got := k.All()
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestWhatTheStateFileKnows: the flow logs of an account are summed up over its Regions. Its time of refresh is that of
// the Region whose refresh is longest ago.
func TestWhatTheStateFileKnows(t *testing.T) {
	t.Parallel()
	k := &Known{protect: []scopes.Account{{ID: own}, {ID: payments}}, counts: store.Counts{
		RefreshedAt: map[inventory.Scope]time.Time{{Account: own, Region: "us-east-1"}: noon, {Account: own, Region: "eu-west-1"}: noon.Add(-time.Hour), {Account: search, Region: "eu-west-1"}: noon},
		Protected:   map[inventory.Scope]int{{Account: own, Region: "us-east-1"}: 2, {Account: own, Region: "eu-west-1"}: 3, {Account: search, Region: "eu-west-1"}: 9},
	}}
	all := k.All()
	if x := all[0]; x.FlowLogs != 5 || !slices.Equal(x.Regions, []string{"eu-west-1", "us-east-1"}) || !x.RefreshedAt.Equal(noon.Add(-time.Hour)) {
		t.Errorf("%+v", x)
	}
	if x := all[1]; x.FlowLogs != 0 || len(x.Regions) != 0 || !x.RefreshedAt.IsZero() {
		t.Errorf("%+v", x)
	}
}

// TestChoose: AWS is not asked about accounts that are not chosen, and they are not listed.
func TestChoose(t *testing.T) {
	t.Parallel()
	c := configs.Config{}
	c.Organization.RoleName = "keeper"
	k := &Known{conf: c, members: []organization.Member{member(own, "main"), member(payments, "payments"), departed(search, "search"), departed(sandbox, "sandbox")}}
	k.UseStored()
	k.Choose([]string{payments, sandbox})
	var ids []string
	for _, x := range k.All() {
		ids = append(ids, x.ID)
	}
	if !slices.Equal(ids, []string{payments, sandbox}) || k.ToAsk() != 1 {
		t.Errorf("%v, %d to ask", ids, k.ToAsk())
	}
}

// TestWhoseAccount: if the configuration names neither accounts nor an organisation, the account of the credentials is
// protected, and its number is unknown until AWS says it. If include and exclude select no account, that is an error.
func TestWhoseAccount(t *testing.T) {
	t.Parallel()
	k := &Known{}
	if k.UseConfigured(); !k.Own() || k.NoneSelected() != nil {
		t.Error("the account of the credentials is not listed")
	}
	k.protect[0].ID = own
	if k.Own() {
		t.Error("the number counts as unknown, though it is known")
	}
	k = &Known{conf: configs.Config{Accounts: []configs.Account{{ID: payments}}}}
	if k.UseConfigured(); k.Own() || k.ToAsk() != 1 {
		t.Error("the configured account is not listed")
	}
	k = &Known{active: 4}
	if err := k.NoneSelected(); err == nil || err.Error() != "organization.include and organization.exclude select none of the organisation's 4 active accounts" {
		t.Error(err)
	}
}
