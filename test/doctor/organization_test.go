package doctor_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"flowkeeper/configs"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// managementAccount is the management account of the fake's organisation; acct is a delegated administrator.
const managementAccount = "999988887777"

// inOrganization gives a fake an organisation with accounts, of which some have the role.
func inOrganization(f *fake, withRole []string, others ...string) func(*doctor.Doctor) {
	f.AddOrganization(managementAccount, "main")
	f.AddAccount(fakeawstest.Root, acct, "queue")
	f.DelegateOrganization(acct)
	for _, id := range withRole {
		f.AddRole("arn:aws:iam::"+id+":role/security/flowkeeper", "external")
	}
	for _, id := range append(withRole, others...) {
		if id != managementAccount && id != acct {
			f.AddAccount(fakeawstest.Root, id, "member")
		}
	}
	return func(d *doctor.Doctor) {
		d.Config.Organization = configs.Organization{RoleName: "security/flowkeeper", ExternalID: "external"}
		d.Protection = everyMember{}
	}
}

// everyMember protects all members of the organisation with a role of the same name.
type everyMember struct{}

func (everyMember) Accounts(partition string, members []organization.Member) (out []scopes.Account) {
	for _, m := range members {
		out = append(out, scopes.Account{ID: m.ID, RoleARN: "arn:" + partition + ":iam::" + m.ID + ":role/security/flowkeeper", ExternalID: "external"})
	}
	return out
}

// TestOrganization: the doctor checks the accounts that the organisation has. If one lacks the role, the fix
// names the account and the template; for the management account it is only a warning.
func TestOrganization(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t)
	r.expect(t, "organization", doctor.OK, "the organisation is not asked")

	on := inOrganization(f, []string{acct, "222233334444"}, managementAccount, "333344445555")
	r = f.examine(t, on)
	r.expect(t, "organization", doctor.OK, "4 of 4 accounts selected")
	r.expect(t, "credentials", doctor.OK, "arn:aws:sts::222233334444:assumed-role/")
	failed := r.expect(t, "credentials", doctor.Fail, "sts:AssumeRole", "in account member (333344445555): deploy deploy/cloudformation/flowkeeper-member.yaml", "arn:aws:iam::333344445555:role/security/flowkeeper")
	if failed.Account != "333344445555" || failed.AccountName != "member" || failed.Region != region {
		t.Errorf("the failure is %+v, want it of the account member in one Region", failed)
	}
	if warned := r.expect(t, "credentials", doctor.Warn, "management account", "in account main (999988887777): deploy", "organization.exclude"); warned.Account != managementAccount {
		t.Errorf("the warning is %+v, want it of the management account", warned)
	}
	f.untouched(t)

	// A missing role is one failure for all Regions of the account.
	r = f.examine(t, on, func(d *doctor.Doctor) { d.Config.Inventory.Regions = []string{region, "us-east-1"} })
	var without []doctor.Result
	for _, x := range r["credentials"] {
		if x.Account == "333344445555" {
			without = append(without, x)
		}
	}
	if len(without) != 1 || without[0].Status != doctor.Fail || without[0].Region != "" {
		t.Errorf("the results of the account without the role are %+v, want one failure without a Region", without)
	}

	r = f.examine(t, on, func(d *doctor.Doctor) { d.Config.Organization.Include = []string{"222233334444", "000000000001"} })
	r.expect(t, "organization", doctor.Warn, "organization.include[1]: 000000000001 is no account of the organisation")
	r = f.examine(t, on, func(d *doctor.Doctor) { d.Config.Organization.Include = []string{"ou-fake-99999999"} })
	r.expect(t, "organization", doctor.Fail, "organization.include[0]: the organisation has no ou-fake-99999999")
	r = f.examine(t, on, func(d *doctor.Doctor) { d.Config.Organization.Exclude = []string{fakeawstest.Root} })
	r.expect(t, "organization", doctor.Fail, "select no account of 4 accounts")
	f.SetAccountState("222233334444", "SUSPENDED")
	f.Deny("*", "organizations:ListRoots")
	f.examine(t, on).expect(t, "organization", doctor.OK, "3 of 4 accounts selected, 1 more is not active; without organizations:ListRoots their OUs are not shown")
}

// TestReviewsNameAccounts: a review names the accounts of the organisation, also those that can't be asked.
func TestReviewsNameAccounts(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	d := newDoctor(t, f.cfg, f.url)
	inOrganization(f, []string{acct}, "333344445555")(d)
	names := map[string]string{}
	for _, r := range d.WhoMayDelete(t.Context(), func() {}) {
		names[r.Account] = r.AccountName
	}
	if names[acct] != "queue" || names["333344445555"] != "member" {
		t.Errorf("the names are %v, want queue and member", names)
	}
}

// TestOrganizationThatCannotBeListed: the doctor says which permission to grant in which account, and goes on
// with the accounts that the state file has.
func TestOrganizationThatCannotBeListed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	on := inOrganization(f, []string{acct, "222233334444"})
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true})
	must(t, err)
	account := func(id string) organization.Account {
		return organization.Account{ID: id, State: organization.Active, Selected: true}
	}
	_, err = s.SetAccounts(t.Context(), organization.Listing{Accounts: []organization.Account{account(acct), account("222233334444"), account("333344445555")}})
	must(t, err)
	_, err = s.SetAccounts(t.Context(), organization.Listing{Accounts: []organization.Account{account(acct), account("222233334444")}})
	must(t, err)
	gone := inventory.Scope{Account: "333344445555", Region: region}
	row := inventory.Row{FlowLog: inventory.FlowLog{ID: "fl-000000c3", Scope: gone}, State: inventory.Live, Protected: true}
	must(t, errors.Join(s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutFlowLog(row) }), s.Close()))
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }

	r := f.examine(t, on, at)
	r.expect(t, "organization", doctor.Warn, "account 333344445555 is not protected since 20", "it is not in the organisation any more; 1 flow log there is neither watched nor restored")
	r.expect(t, "state-file", doctor.OK)

	f.Deny("*", "organizations:ListAccounts")
	r = f.examine(t, on, at)
	failed := r.expect(t, "organization", doctor.Fail, "organizations:ListAccounts is not allowed", "allow organizations:ListAccounts", "delegated administrator")
	if strings.Contains(failed.Detail, "https response error") {
		t.Errorf("the failure has the SDK's own words: %+v", failed)
	}
	r.expect(t, "credentials", doctor.OK, "arn:aws:sts::222233334444:assumed-role/")
	for _, x := range r["credentials"] {
		if x.Account == "333344445555" {
			t.Errorf("the result takes the account for departed: %+v", x)
		}
	}
	r = f.examine(t, on)
	r.expect(t, "organization", doctor.Fail, "organizations:ListAccounts is not allowed")
	r.expect(t, "credentials", doctor.Skipped, "no account is known")
}
