package organization_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
)

// call is a call to AWS.
type call struct{ operation, parent, token string }

// recorder is an API that records its calls, and how many run at the same time.
type recorder struct {
	organization.API
	before func(call) error // runs before each call; its error is the answer; nil: nothing runs

	mu        sync.Mutex // guards what follows
	calls     []call
	now, most int // how many calls run now, and how many ran at the same time at most
}

func (m *recorder) begin(operation string, parent, token *string) error {
	c := call{operation, aws.ToString(parent), aws.ToString(token)}
	m.mu.Lock()
	m.calls = append(m.calls, c)
	m.now++
	m.most = max(m.most, m.now)
	m.mu.Unlock()
	if m.before == nil {
		return nil
	}
	return m.before(c)
}

func (m *recorder) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now--
}

func (m *recorder) ListAccounts(ctx context.Context, in *organizations.ListAccountsInput, o ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error) {
	defer m.end()
	if err := m.begin("ListAccounts", nil, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListAccounts(ctx, in, o...)
}

func (m *recorder) ListRoots(ctx context.Context, in *organizations.ListRootsInput, o ...func(*organizations.Options)) (*organizations.ListRootsOutput, error) {
	defer m.end()
	if err := m.begin("ListRoots", nil, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListRoots(ctx, in, o...)
}

func (m *recorder) ListAccountsForParent(ctx context.Context, in *organizations.ListAccountsForParentInput, o ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error) {
	defer m.end()
	if err := m.begin("ListAccountsForParent", in.ParentId, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListAccountsForParent(ctx, in, o...)
}

func (m *recorder) ListOrganizationalUnitsForParent(ctx context.Context, in *organizations.ListOrganizationalUnitsForParentInput, o ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error) {
	defer m.end()
	if err := m.begin("ListOrganizationalUnitsForParent", in.ParentId, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListOrganizationalUnitsForParent(ctx, in, o...)
}

// alike lists the organisation with List, which makes one call at a time, and with ListQuickly, which makes several. It
// fails if their results or their calls differ. newAPI returns a new API for each of them.
func alike(t *testing.T, include, exclude []string, newAPI func() *recorder) (organization.Listing, error) {
	t.Helper()
	one, several := newAPI(), newAPI()
	want, wantErr := organization.List(t.Context(), one, include, exclude)
	got, err := organization.ListQuickly(t.Context(), several, include, exclude)
	if d := cmp.Diff(want, got, cmpopts.EquateErrors()); d != "" {
		t.Error(d)
	}
	if fmt.Sprint(wantErr) != fmt.Sprint(err) || errors.Is(wantErr, organization.ErrIncomplete) != errors.Is(err, organization.ErrIncomplete) {
		t.Errorf("%v, want %v", err, wantErr)
	}
	if one.most != 1 || several.most > 4 || one.now+several.now != 0 {
		t.Errorf("%d and %d calls at the same time, want 1 and at most 4; %d and %d still run", one.most, several.most, one.now, several.now)
	}
	if set := func(calls []call) []call {
		slices.SortFunc(calls, func(a, b call) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return slices.Compact(calls) // after an OU was gone, a listing makes its calls again
	}; err == nil && !slices.Equal(set(one.calls), set(several.calls)) {
		t.Errorf("called %v, want %v", several.calls, one.calls)
	}
	return got, err
}

// TestAQuickWalkIsComplete: ListQuickly, which makes several calls at a time, finds the same as List, which makes one.
// This holds for each page that fails, always or once.
func TestAQuickWalkIsComplete(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.SetOrganizationPage(1)
	client := organization.Client(w.as(management), configs.Organization{})
	include, exclude := []string{w.workloads, sandbox}, []string{w.prod}
	var all []call
	if l, err := alike(t, include, exclude, func() *recorder {
		return &recorder{API: client, before: func(c call) error {
			if !slices.Contains(all, c) {
				all = append(all, c) // List comes first, and makes one call at a time: no lock is needed
			}
			return nil
		}}
	}); err != nil || !slices.Equal(chosen(l), []string{sandbox, audit}) {
		t.Fatalf("%+v, %v", l, err)
	}
	gone := &types.ParentNotFoundException{}
	for _, failing := range all {
		for name, c := range map[string]struct {
			err   error
			times int
		}{
			"is always refused": {errors.New("refused"), 100},
			"is always gone":    {gone, 100},
			"is gone once":      {gone, 1},
		} {
			l, err := alike(t, include, exclude, func() *recorder {
				var mu sync.Mutex
				left := c.times
				return &recorder{API: client, before: func(made call) error {
					mu.Lock()
					defer mu.Unlock()
					if made != failing || left == 0 {
						return nil
					}
					left--
					return c.err
				}}
			})
			if ok := c.times == 1 && failing.operation != "ListAccounts"; (err == nil) != ok || ok && !slices.Equal(chosen(l), []string{sandbox, audit}) {
				t.Errorf("%+v %s: %+v, %v", failing, name, l, err)
			}
		}
	}
}

// TestAQuickWalk: if the configuration selects an OU, the first start of the daemon waits for this listing, and it
// should receive messages within 10 s. The organisation has 40 OUs with 200 accounts, and each call takes 100 ms.
func TestAQuickWalk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world{World: fakeawstest.New(fakeawstest.Options{Latency: 100 * time.Millisecond})}
		w.AddOrganization(management, "main")
		var units []string
		for n := range 40 {
			parent := fakeawstest.Root
			if n >= 10 {
				parent = units[(n-10)/2]
			}
			units = append(units, w.AddUnit(parent, fmt.Sprint("unit ", n)))
		}
		for n := range 199 {
			w.AddAccount(units[n%len(units)], fmt.Sprint(222200000000+n), "team")
		}
		api := &recorder{API: organization.Client(w.as(management), configs.Organization{})}
		began := time.Now()
		l, err := organization.ListQuickly(t.Context(), api, []string{units[0]}, nil)
		if took := time.Since(began); err != nil || len(l.Accounts) != 200 || took > 3500*time.Millisecond {
			t.Errorf("%d accounts after %s, want 200 within 3.5 s, %v", len(l.Accounts), took, err)
		}
		if api.most != 4 {
			t.Errorf("%d calls at the same time, want 4", api.most)
		}
		alike(t, []string{units[0], units[3]}, []string{units[10]}, func() *recorder {
			return &recorder{API: organization.Client(w.as(management), configs.Organization{})}
		})
	})
}

// TestAQuickWalkWaits: ListQuickly waits for calls that AWS throttles, and for a call that hangs, until the deadline of
// the whole listing.
func TestAQuickWalkWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, operation := range []string{"ListAccounts", "ListRoots", "ListAccountsForParent", "ListOrganizationalUnitsForParent"} {
			w.Fail(operation, 5, "TooManyRequestsException", 400)
		}
		client := organization.Client(w.as(management), configs.Organization{})
		l, err := organization.ListQuickly(t.Context(), client, []string{w.workloads}, nil)
		if err != nil || !slices.Equal(chosen(l), []string{payments, search, audit}) {
			t.Errorf("%+v, %v", l, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		l, err = organization.ListQuickly(ctx, &recorder{API: client, before: func(c call) error {
			if c.parent == w.prod {
				<-ctx.Done()
			}
			return ctx.Err()
		}}, []string{w.workloads}, nil)
		if !errors.Is(err, context.DeadlineExceeded) || len(l.Accounts) > 0 {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

// oddTree is an API whose OUs are those that units returns. The OUs have no accounts.
type oddTree struct {
	organization.API
	units func(parent string) (ids []string)
}

func (b oddTree) ListAccountsForParent(context.Context, *organizations.ListAccountsForParentInput, ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error) {
	return &organizations.ListAccountsForParentOutput{}, nil
}

func (b oddTree) ListOrganizationalUnitsForParent(_ context.Context, in *organizations.ListOrganizationalUnitsForParentInput, _ ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error) {
	out := &organizations.ListOrganizationalUnitsForParentOutput{}
	for _, id := range b.units(*in.ParentId) {
		out.OrganizationalUnits = append(out.OrganizationalUnits, types.OrganizationalUnit{Id: aws.String(id), Name: aws.String("unit")})
	}
	return out, nil
}

// TestATreeThatIsNone: if AWS's answers do not form a tree of OUs, a listing ends with an error after few calls. It
// also recovers from a panic.
func TestATreeThatIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld()
	client := organization.Client(w.as(management), configs.Organization{})
	for name, c := range map[string]struct {
		units func(parent string) []string
		says  string
		calls int // the most calls of one try; there are three tries
	}{
		"a circle":                        {func(string) []string { return []string{fakeawstest.Root} }, organization.ErrIncomplete.Error(), 20},
		"a unit below itself":             {func(parent string) []string { return []string{strings.Replace(parent, "r-", "ou-", 1)} }, organization.ErrIncomplete.Error(), 20},
		"a unit in two places":            {func(string) []string { return []string{"ou-1", "ou-1"} }, organization.ErrIncomplete.Error(), 20},
		"nested without end":              {func(parent string) []string { return []string{parent + "x"} }, "AWS nests more than 12 OUs", 30},
		"too many in one unit":            {func(parent string) []string { return many(parent, 20_001) }, "AWS names more than 20000 OUs", 10},
		"too many in several units":       {func(parent string) []string { return many(parent, 150) }, "AWS names more than 20000 OUs", 400},
		"a panic while an answer is read": {func(parent string) []string { panic("bug") }, "listing the OUs panicked: bug", 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, list := range []func(context.Context, organization.API, []string, []string) (organization.Listing, error){organization.List, organization.ListQuickly} {
				api := &recorder{API: oddTree{client, c.units}}
				l, err := list(t.Context(), api, []string{fakeawstest.Root}, nil)
				if err == nil || !strings.Contains(err.Error(), c.says) || len(l.Accounts) > 0 {
					t.Errorf("%+v, %v", l, err)
				}
				if len(api.calls) > 3*c.calls || api.now != 0 {
					t.Errorf("%d calls, want at most %d; %d still run", len(api.calls), 3*c.calls, api.now)
				}
			}
		})
	}
}

// many returns the IDs of n units below a parent.
func many(parent string, n int) (ids []string) {
	for n := range n {
		ids = append(ids, fmt.Sprint(parent, ".", n))
	}
	return ids
}
