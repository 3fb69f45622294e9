package doctor_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"flowkeeper/configs"
	"flowkeeper/internal/organization"
)

// TestMotoOrganization lists an organisation in moto, whose authors read AWS's documentation independently of
// our fake. LocalStack's free edition has no AWS Organizations.
func TestMotoOrganization(t *testing.T) {
	t.Parallel()
	cfg := motoServer.account(t, "999988887777")
	api := organizations.NewFromConfig(cfg)
	_, err := api.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{FeatureSet: "ALL"})
	must(t, err)
	roots, err := api.ListRoots(t.Context(), &organizations.ListRootsInput{})
	must(t, err)
	root := roots.Roots[0].Id
	unit := func(parent *string, name string) *string {
		t.Helper()
		out, err := api.CreateOrganizationalUnit(t.Context(), &organizations.CreateOrganizationalUnitInput{ParentId: parent, Name: &name})
		must(t, err)
		return out.OrganizationalUnit.Id
	}
	workloads := unit(root, "Workloads")
	prod := unit(workloads, "Prod")
	account := func(name string, parent *string) string {
		t.Helper()
		out, err := api.CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: &name, Email: aws.String(name + "@example.com")})
		must(t, err)
		id := out.CreateAccountStatus.AccountId
		if parent != nil {
			_, err = api.MoveAccount(t.Context(), &organizations.MoveAccountInput{AccountId: id, SourceParentId: root, DestinationParentId: parent})
			must(t, err)
		}
		return *id
	}
	payments, sandbox := account("payments-prod", prod), account("sandbox", nil)
	for range 30 { // more than a page
		account("more", workloads)
	}
	list := func(include, exclude []string) organization.Listing {
		t.Helper()
		l, err := organization.List(t.Context(), organization.Client(cfg, configs.Organization{}), include, exclude)
		must(t, err)
		return l
	}
	find := func(l organization.Listing, id string) organization.Account {
		t.Helper()
		n := slices.IndexFunc(l.Accounts, func(a organization.Account) bool { return a.ID == id })
		if n < 0 {
			t.Fatalf("%s is not among %+v", id, l.Accounts)
		}
		return l.Accounts[n]
	}

	l := list([]string{*workloads}, nil)
	if got := find(l, payments); got.Name != "payments-prod" || got.Path != "Root/Workloads/Prod" || !got.Protected() || got.Management {
		t.Errorf("got the account %+v, want payments-prod in Root/Workloads/Prod, protected", got)
	}
	if got := find(l, sandbox); got.Protected() || got.Path != "Root" {
		t.Errorf("got the account %+v, want it in Root and not protected", got)
	}
	if got := find(l, "999988887777"); !got.Management {
		t.Errorf("got the account %+v, want it to be the management account", got)
	}
	if l.NoPaths != nil || len(l.Accounts) != 33 {
		t.Errorf("%d accounts and the error %v of their paths, want 33 and none", len(l.Accounts), l.NoPaths)
	}
	if find(list([]string{*workloads}, []string{*prod}), payments).Protected() {
		t.Error("an account in an excluded OU is protected, because the OU above is protected")
	}
	_, err = api.CloseAccount(t.Context(), &organizations.CloseAccountInput{AccountId: &payments})
	must(t, err)
	if got := find(list(nil, nil), payments); got.State.Active() {
		t.Errorf("the account was closed, and is listed as active: %+v", got)
	}
	_, err = organization.List(t.Context(), organization.Client(cfg, configs.Organization{}), []string{"ou-0000-00000000"}, nil)
	if err == nil {
		t.Error("no error for an unknown OU")
	}
}
