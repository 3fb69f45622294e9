package organization_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
)

// Accounts of the test's organisation.
const (
	management = "999988887777"
	payments   = "111122223333"
	search     = "222233334444"
	sandbox    = "333344445555"
	audit      = "444455556666"
)

// world is an AWS with an organisation of five accounts in three OUs.
type world struct {
	*fakeawstest.World
	workloads, prod, sandboxes string // IDs of OUs
}

func newWorld() world {
	w := world{World: fakeawstest.New(fakeawstest.Options{})}
	w.AddOrganization(management, "main")
	w.workloads = w.AddUnit(fakeawstest.Root, "Workloads")
	w.prod = w.AddUnit(w.workloads, "Prod")
	w.sandboxes = w.AddUnit(fakeawstest.Root, "Sandboxes")
	w.AddAccount(w.prod, payments, "payments-prod")
	w.AddAccount(w.prod, search, "search-prod")
	w.AddAccount(w.sandboxes, sandbox, "sandbox")
	w.AddAccount(w.workloads, audit, "audit")
	return w
}

// as is the SDK's configuration of an account's own credentials.
func (w world) as(account string) aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider(account, "secret", ""),
		BaseEndpoint: aws.String("http://aws.invalid"), HTTPClient: w.HTTPClient()}
}

// list lists the organisation with the credentials of the management account.
func (w world) list(t *testing.T, include, exclude []string) (organization.Listing, error) {
	t.Helper()
	return organization.List(t.Context(), organization.Client(w.as(management), configs.Organization{}), include, exclude)
}

// chosen returns the IDs of the accounts to protect.
func chosen(l organization.Listing) (ids []string) {
	for _, a := range l.Accounts {
		if a.Protected() {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

func account(t *testing.T, l organization.Listing, id string) organization.Account {
	t.Helper()
	n := slices.IndexFunc(l.Accounts, func(a organization.Account) bool { return a.ID == id })
	if n < 0 {
		t.Fatalf("%s is not listed: %+v", id, l.Accounts)
	}
	return l.Accounts[n]
}

// TestListSelects: an account that several entries select is listed once. An OU includes the OUs below it. If include
// and exclude both name an account, exclude wins. The pages of AWS's answers are small, and the first page is empty.
func TestListSelects(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.SetOrganizationPage(1)
	for name, c := range map[string]struct{ include, exclude, want []string }{
		"all":                         {nil, nil, []string{payments, search, sandbox, audit, management}},
		"an OU with the OUs below it": {[]string{w.workloads}, nil, []string{payments, search, audit}},
		"overlapping":                 {[]string{w.workloads, w.prod, payments, fakeawstest.Root}, []string{w.sandboxes}, []string{payments, search, audit, management}},
		"an account":                  {[]string{payments}, nil, []string{payments}},
		"exclude wins":                {[]string{w.workloads, sandbox}, []string{w.prod, sandbox}, []string{audit}},
		"exclude of all":              {nil, []string{management}, []string{payments, search, sandbox, audit}},
		"everything excluded":         {[]string{w.prod}, []string{fakeawstest.Root}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := w.list(t, c.include, c.exclude)
			if err != nil || len(l.Accounts) != 5 || l.NoPaths != nil || l.Strangers != nil {
				t.Fatalf("%+v, %v", l, err)
			}
			if got := chosen(l); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if a := account(t, l, payments); a.Name != "payments-prod" || a.Path != "Root/Workloads/Prod" || a.Management {
				t.Errorf("%+v", a)
			}
			if a := account(t, l, management); a.Path != "Root" || !a.Management {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestState: the field State of an account decides whether it is active; Status does if AWS sends no State. An unknown
// State does not end the protection of an account.
func TestState(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		w := newWorld()
		if old {
			w.OnlyStatus()
		}
		w.SetAccountState(payments, "SUSPENDED")
		w.SetAccountState(search, "PENDING_CLOSURE")
		want := []string{sandbox, audit, management}
		if !old {
			w.SetAccountState(sandbox, "CLOSED")
			w.SetAccountState(audit, "PENDING_ACTIVATION")
			w.SetAccountState(management, "ACTIVE_WITH_A_NEW_WORD")
			want = []string{management}
		}
		l, err := w.list(t, nil, nil)
		if err != nil || !slices.Equal(chosen(l), want) || account(t, l, payments).State != "SUSPENDED" {
			t.Errorf("only Status: %t: %+v, %v", old, l, err)
		}
	}
}

// TestUnknownIDs: if the configuration names an OU that the organisation does not have, the error names the key. An
// account that it does not have may have left the organisation, so the other accounts are still listed.
func TestUnknownIDs(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for key, lists := range map[string][2][]string{
		"organization.include[1]: the organisation has no ou-fake-99999999": {{payments, "ou-fake-99999999"}, nil},
		"organization.exclude[0]: the organisation has no r-other":          {{payments}, {"r-other"}},
	} {
		l, err := w.list(t, lists[0], lists[1])
		if call, ok := errors.AsType[*organization.CallError](err); !ok || errors.Unwrap(call).Error() != key || call.Fix == "" || len(l.Accounts) > 0 {
			t.Errorf("%+v, %v", l, err)
		}
	}
	l, err := w.list(t, []string{payments, "000000000001"}, []string{"000000000002"})
	if want := []string{"organization.include[1]: 000000000001", "organization.exclude[0]: 000000000002"}; err != nil || !slices.Equal(l.Strangers, want) || !slices.Equal(chosen(l), []string{payments}) {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestOnlyListAccountsIsAllowed: the names of OUs are only shown to people. If AWS denies the calls that list OUs, the
// accounts are still listed, unless the configuration names an OU.
func TestOnlyListAccountsIsAllowed(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"ListRoots", "ListOrganizationalUnitsForParent", "ListAccountsForParent"} {
		w := newWorld()
		w.Deny("*", "organizations:"+operation)
		l, err := w.list(t, []string{payments}, nil)
		call, ok := errors.AsType[*organization.CallError](l.NoPaths)
		if err != nil || !ok || call.Permission != "organizations:"+operation || !slices.Equal(chosen(l), []string{payments}) || account(t, l, payments).Path != "" {
			t.Errorf("%s: %+v, %v", operation, l, err)
		}
		_, err = w.list(t, []string{w.prod}, nil)
		if call, ok := errors.AsType[*organization.CallError](err); !ok || call.Permission != "organizations:"+operation {
			t.Errorf("%s: %v", operation, err)
		}
	}
}

// TestRefusals: the error of a denied call says which permission is missing, and for which role.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const role, external = "arn:aws:iam::" + audit + ":role/flowkeeper-list", "as-in-the-trust-policy"
	w := newWorld()
	w.AddRole(role, external)
	for name, c := range map[string]struct {
		account    string
		o          configs.Organization
		permission string
		says       string
	}{
		"a member account":                {account: payments, permission: "organizations:ListAccounts", says: "allow organizations:ListAccounts to the role of organization.list_role_arn, or without one to Flowkeeper's own credentials. AWS allows it only in the management account and in a delegated administrator"},
		"in no organisation":              {account: "555566667777", says: "is in no organisation: set organization.list_role_arn"},
		"a role that can't be assumed":    {account: payments, o: configs.Organization{ListRoleARN: role}, says: "its trust policy names these credentials and organization.external_id (flowkeeper-list.yaml: its ExternalId), and that they may call sts:AssumeRole on it"},
		"the role is in a member account": {account: payments, o: configs.Organization{ListRoleARN: role, ExternalID: external}, permission: "organizations:ListAccounts", says: "delegated administrator"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := organization.List(t.Context(), organization.Client(w.as(c.account), c.o), nil, nil)
			call, ok := errors.AsType[*organization.CallError](err)
			if !ok || call.Permission != c.permission || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
	w.DelegateOrganization(audit)
	l, err := organization.List(t.Context(), organization.Client(w.as(payments), configs.Organization{ListRoleARN: role, ExternalID: external}), nil, nil)
	if err != nil || len(l.Accounts) != 5 {
		t.Errorf("by a delegated administrator: %+v, %v", l, err)
	}
}

// TestNoAnswer: without credentials the error says that plainly, instead of the text of the SDK. If STS fails by
// itself, the error does not advise people to change a role: the fault will pass.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const role = "arn:aws:iam::" + audit + ":role/flowkeeper-list"
		w := newWorld()
		w.AddRole(role, "")
		w.Fail("AssumeRole", 1000, "InternalFailure", 500)
		for _, o := range []configs.Organization{{}, {ListRoleARN: role}} {
			none := w.as(payments)
			none.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("no EC2 IMDS role found, operation error ec2imds: GetMetadata")
			})
			_, err := organization.List(t.Context(), organization.Client(none, o), nil, nil)
			if _, is := errors.AsType[*organization.CallError](err); is || err == nil || err.Error() != "list the accounts of the organisation: "+scopes.NoCredentialsText {
				t.Errorf("%+v: %v", o, err)
			}
		}
		_, err := organization.List(t.Context(), organization.Client(w.as(payments), configs.Organization{ListRoleARN: role}), nil, nil)
		if _, is := errors.AsType[*organization.CallError](err); is || err == nil || !scopes.Passes(err) {
			t.Errorf("%v", err)
		}
	})
}

// TestThrottled: Organizations has low rate limits. A listing that AWS throttles waits, goes on, and is complete at the
// end.
func TestThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, operation := range []string{"ListAccounts", "ListRoots", "ListAccountsForParent", "ListOrganizationalUnitsForParent"} {
			w.Fail(operation, 5, "TooManyRequestsException", 400)
		}
		l, err := w.list(t, []string{w.workloads}, nil)
		if err != nil || !slices.Equal(chosen(l), []string{payments, search, audit}) {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

// TestNothingOfAnIncompleteListing: if any page of a listing fails or never arrives, there is an error and no account.
// Accounts that an incomplete list lacks would count as departed, and lose their protection.
func TestNothingOfAnIncompleteListing(t *testing.T) {
	t.Parallel()
	calls := func(w world, meet func(n int) fakeawstest.Refusal) (made *int) {
		made = new(int)
		w.Meet(func(*fakeaws.Request) fakeawstest.Refusal { *made++; return meet(*made) })
		return made
	}
	w := newWorld()
	w.SetOrganizationPage(2)
	all := calls(w, func(int) fakeawstest.Refusal { return fakeawstest.Refusal{} })
	if _, err := w.list(t, []string{w.prod}, nil); err != nil {
		t.Fatal(err)
	}
	for n := range *all {
		calls(w, func(call int) fakeawstest.Refusal {
			if call == n+1 {
				return fakeawstest.Refusal{Code: "InvalidInputException"}
			}
			return fakeawstest.Refusal{}
		})
		if l, err := w.list(t, []string{w.prod}, nil); err == nil || len(l.Accounts) > 0 {
			t.Errorf("call %d fails: %+v, %v", n+1, l, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		calls(w, func(call int) fakeawstest.Refusal { return fakeawstest.Refusal{Hangs: call > 2} })
		began := time.Now()
		if l, err := w.list(t, []string{w.prod}, nil); err == nil || len(l.Accounts) > 0 {
			t.Errorf("a call hangs: %+v, %v", l, err)
		}
		if took := time.Since(began); took > 5*time.Minute {
			t.Errorf("the listing ends after %s, want at most 5 minutes", took)
		}
	})
}

// TestTheTreeIsForPeople: if the configuration names no OU, all accounts are listed, even if the calls that list OUs
// fail or hang.
func TestTheTreeIsForPeople(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]fakeawstest.Refusal{"fails": {Code: "InvalidInputException"}, "hangs": {Hangs: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
					if q.Operation == "ListAccounts" {
						return fakeawstest.Refusal{}
					}
					return refusal
				})
				l, err := w.list(t, nil, nil)
				if err != nil || len(chosen(l)) != 5 || l.NoPaths == nil {
					t.Errorf("%+v, %v", l, err)
				}
			})
		})
	}
}

// TestListQuickly: ListQuickly does not list OUs if their names would only be shown to people. It lists all OUs if
// include or exclude names one.
func TestListQuickly(t *testing.T) {
	t.Parallel()
	w := newWorld()
	asked := map[string]bool{}
	w.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
		asked[q.Operation] = true
		return fakeawstest.Refusal{}
	})
	quickly := func(include, exclude []string) (organization.Listing, error) {
		return organization.ListQuickly(t.Context(), organization.Client(w.as(management), configs.Organization{}), include, exclude)
	}
	for _, c := range []struct{ include, exclude, want []string }{
		{nil, nil, []string{payments, search, sandbox, audit, management}},
		{[]string{payments, search}, []string{search}, []string{payments}},
	} {
		l, err := quickly(c.include, c.exclude)
		if err != nil || len(l.Accounts) != 5 || !slices.Equal(chosen(l), c.want) || !errors.Is(l.NoPaths, organization.ErrNotAsked) || account(t, l, payments).Path != "" {
			t.Errorf("%+v, %v", l, err)
		}
	}
	if len(asked) != 1 {
		t.Errorf("called %v, want ListAccounts only", asked)
	}
	for _, c := range []struct{ include, exclude, want []string }{
		{[]string{w.prod}, nil, []string{payments, search}},
		{nil, []string{w.workloads}, []string{sandbox, management}},
	} {
		l, err := quickly(c.include, c.exclude)
		if err != nil || !slices.Equal(chosen(l), c.want) || l.NoPaths != nil || account(t, l, payments).Path != "Root/Workloads/Prod" {
			t.Errorf("%+v, %v", l, err)
		}
	}
	w.HideAccounts()
	if l, err := quickly(nil, nil); !errors.Is(err, organization.ErrIncomplete) {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestNoAccount: a listing without any account is an error, because an organisation has at least its management
// account.
func TestNoAccount(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.HideAccounts()
	if l, err := w.list(t, nil, nil); err == nil {
		t.Errorf("%+v, want an error", l)
	}
}

// TestAccountsThatMoveMeanwhile: during a listing an account moves from an OU that was not asked yet to one that was.
// So no answer has this account. The listing notices that and asks for everything again. If accounts keep moving, there
// is no listing by OUs.
func TestAccountsThatMoveMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times     int
		joins     bool
		wantByOUs bool
	}{"once": {1, false, true}, "without end": {1000, false, false}, "joins": {1, true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			inProd := true
			w.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
				switch {
				case q.Operation != "ListRoots" && q.Operation != "ListOrganizationalUnitsForParent" || c.times == 0:
				case c.joins:
					c.times--
					w.AddAccount(w.prod, "555566667777", "new")
				case q.Operation == "ListRoots" && !inProd: // a listing begins: the account moves to an OU that is asked later
					w.AddAccount(w.sandboxes, payments, "payments-prod")
					inProd = true
				case q.Operation == "ListOrganizationalUnitsForParent": // the accounts of the root were listed: the account moves there
					c.times--
					w.AddAccount(fakeawstest.Root, payments, "payments-prod")
					inProd = false
				}
				return fakeawstest.Refusal{}
			})
			l, err := w.list(t, []string{fakeawstest.Root}, nil)
			if (err == nil) != c.wantByOUs || err == nil && !slices.Contains(chosen(l), payments) || c.joins && !slices.Contains(chosen(l), "555566667777") {
				t.Errorf("%+v, %v", l, err)
			}
			if l, err := w.list(t, nil, nil); err != nil || !slices.Contains(chosen(l), payments) || (l.NoPaths == nil) != c.wantByOUs {
				t.Errorf("without OUs: %+v, %v", l, err)
			}
		})
	}
}

// TestI12NamesAreCleaned: an attacker who may rename an account or an OU can choose any text. Control characters are
// removed from names, and their length is limited.
func TestI12NamesAreCleaned(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.AddAccount(w.AddUnit(fakeawstest.Root, "\x1b[2J"), payments, strings.Repeat("é\n", 5000))
	l, err := w.list(t, nil, nil)
	a := account(t, l, payments)
	if err != nil || len([]rune(a.Name)) > 128 || strings.ContainsAny(a.Name+a.Path, "\n\x1b") || !strings.HasPrefix(a.Path, "Root/") {
		t.Errorf("%+v, %v", a, err)
	}
}
