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

// asked is one call, as AWS gets it.
type asked struct{ operation, parent, token string }

// met is an API whose calls meet something first: an error is the answer. It counts them.
type met struct {
	organization.API
	meet func(asked) error // nil: nothing

	mu        sync.Mutex // guards what follows
	calls     []asked
	now, most int // at the same time
}

func (m *met) begin(operation string, parent, token *string) error {
	a := asked{operation, aws.ToString(parent), aws.ToString(token)}
	m.mu.Lock()
	m.calls = append(m.calls, a)
	m.now++
	m.most = max(m.most, m.now)
	m.mu.Unlock()
	if m.meet == nil {
		return nil
	}
	return m.meet(a)
}

func (m *met) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now--
}

func (m *met) ListAccounts(ctx context.Context, in *organizations.ListAccountsInput, o ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error) {
	defer m.end()
	if err := m.begin("ListAccounts", nil, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListAccounts(ctx, in, o...)
}

func (m *met) ListRoots(ctx context.Context, in *organizations.ListRootsInput, o ...func(*organizations.Options)) (*organizations.ListRootsOutput, error) {
	defer m.end()
	if err := m.begin("ListRoots", nil, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListRoots(ctx, in, o...)
}

func (m *met) ListAccountsForParent(ctx context.Context, in *organizations.ListAccountsForParentInput, o ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error) {
	defer m.end()
	if err := m.begin("ListAccountsForParent", in.ParentId, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListAccountsForParent(ctx, in, o...)
}

func (m *met) ListOrganizationalUnitsForParent(ctx context.Context, in *organizations.ListOrganizationalUnitsForParentInput, o ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error) {
	defer m.end()
	if err := m.begin("ListOrganizationalUnitsForParent", in.ParentId, in.NextToken); err != nil {
		return nil, err
	}
	return m.API.ListOrganizationalUnitsForParent(ctx, in, o...)
}

// alike fails if the walk that asks for several OUs at the same time finds anything else than the one that makes
// one call at a time, or asks for anything else. newAPI returns the API anew, for each of them.
func alike(t *testing.T, include, exclude []string, newAPI func() *met) (organization.Listing, error) {
	t.Helper()
	one, several := newAPI(), newAPI()
	want, wantErr := organization.List(t.Context(), one, include, exclude)
	got, err := organization.ListQuickly(t.Context(), several, include, exclude)
	if d := cmp.Diff(want, got, cmpopts.EquateErrors()); d != "" {
		t.Error(d)
	}
	if fmt.Sprint(wantErr) != fmt.Sprint(err) || errors.Is(wantErr, organization.ErrIncomplete) != errors.Is(err, organization.ErrIncomplete) {
		t.Errorf("%v, not %v", err, wantErr)
	}
	if one.most != 1 || several.most > 4 || one.now+several.now != 0 {
		t.Errorf("%d and %d calls at the same time, and %d and %d still", one.most, several.most, one.now, several.now)
	}
	if set := func(calls []asked) []asked {
		slices.SortFunc(calls, func(a, b asked) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return slices.Compact(calls) // one that was gone is asked for again
	}; err == nil && !slices.Equal(set(one.calls), set(several.calls)) {
		t.Errorf("asked %v, not %v", several.calls, one.calls)
	}
	return got, err
}

// TestAQuickWalkIsComplete: whichever page fails, for good or once, it finds what a walk finds that makes one
// call at a time.
func TestAQuickWalkIsComplete(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.SetOrganizationPage(1)
	client := organization.Client(w.as(management), configs.Organization{})
	include, exclude := []string{w.workloads, sandbox}, []string{w.prod}
	var all []asked
	if l, err := alike(t, include, exclude, func() *met {
		return &met{API: client, meet: func(a asked) error {
			if !slices.Contains(all, a) {
				all = append(all, a) // by the first walk, which makes one call at a time
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
			"is refused":             {errors.New("refused"), 100},
			"is gone":                {gone, 100},
			"is gone, as it was not": {gone, 1},
		} {
			l, err := alike(t, include, exclude, func() *met {
				var mu sync.Mutex
				left := c.times
				return &met{API: client, meet: func(a asked) error {
					mu.Lock()
					defer mu.Unlock()
					if a != failing || left == 0 {
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

// TestAQuickWalk of 40 OUs with 200 accounts, whose calls take 100 ms each: a first start with an OU in its
// selection waits for it, and is to receive within 10 s.
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
		api := &met{API: organization.Client(w.as(management), configs.Organization{})}
		began := time.Now()
		l, err := organization.ListQuickly(t.Context(), api, []string{units[0]}, nil)
		if took := time.Since(began); err != nil || len(l.Accounts) != 200 || took > 3500*time.Millisecond {
			t.Errorf("%d accounts after %s, %v", len(l.Accounts), took, err)
		}
		if api.most != 4 {
			t.Errorf("%d calls at the same time", api.most)
		}
		alike(t, []string{units[0], units[3]}, []string{units[10]}, func() *met {
			return &met{API: organization.Client(w.as(management), configs.Organization{})}
		})
	})
}

// TestAQuickWalkWaits for a call that is throttled, or hangs until the deadline of all.
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
		l, err = organization.ListQuickly(ctx, &met{API: client, meet: func(a asked) error {
			if a.parent == w.prod {
				<-ctx.Done()
			}
			return ctx.Err()
		}}, []string{w.workloads}, nil)
		if !errors.Is(err, context.DeadlineExceeded) || len(l.Accounts) > 0 {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

// beneath is an API with one account, in the root, whose OUs are what units says.
type beneath struct {
	organization.API
	units func(parent string) (ids []string)
}

func (b beneath) ListAccountsForParent(context.Context, *organizations.ListAccountsForParentInput, ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error) {
	return &organizations.ListAccountsForParentOutput{}, nil
}

func (b beneath) ListOrganizationalUnitsForParent(_ context.Context, in *organizations.ListOrganizationalUnitsForParentInput, _ ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error) {
	out := &organizations.ListOrganizationalUnitsForParentOutput{}
	for _, id := range b.units(*in.ParentId) {
		out.OrganizationalUnits = append(out.OrganizationalUnits, types.OrganizationalUnit{Id: aws.String(id), Name: aws.String("unit")})
	}
	return out, nil
}

// TestATreeThatIsNone: whatever AWS answers, a listing ends, with few calls, and does not panic.
func TestATreeThatIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld()
	client := organization.Client(w.as(management), configs.Organization{})
	for name, c := range map[string]struct {
		units func(parent string) []string
		says  string
		calls int // at most, of each of the tries
	}{
		"a circle":                        {func(string) []string { return []string{fakeawstest.Root} }, organization.ErrIncomplete.Error(), 20},
		"a unit beneath itself":           {func(parent string) []string { return []string{strings.Replace(parent, "r-", "ou-", 1)} }, organization.ErrIncomplete.Error(), 20},
		"a unit in two places":            {func(string) []string { return []string{"ou-1", "ou-1"} }, organization.ErrIncomplete.Error(), 20},
		"without end down":                {func(parent string) []string { return []string{parent + "x"} }, "AWS nests more than 12 OUs", 30},
		"too many in one unit":            {func(parent string) []string { return many(parent, 20_001) }, "AWS names more than 20000 OUs", 10},
		"too many in several units":       {func(parent string) []string { return many(parent, 150) }, "AWS names more than 20000 OUs", 400},
		"a panic, as of an answer's bugs": {func(parent string) []string { panic("bug") }, "listing the OUs panicked: bug", 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, list := range []func(context.Context, organization.API, []string, []string) (organization.Listing, error){organization.List, organization.ListQuickly} {
				api := &met{API: beneath{client, c.units}}
				l, err := list(t.Context(), api, []string{fakeawstest.Root}, nil)
				if err == nil || !strings.Contains(err.Error(), c.says) || len(l.Accounts) > 0 {
					t.Errorf("%+v, %v", l, err)
				}
				if len(api.calls) > 3*c.calls || api.now != 0 {
					t.Errorf("%d calls, and %d still", len(api.calls), api.now)
				}
			}
		})
	}
}

// many units beneath one.
func many(parent string, n int) (ids []string) {
	for n := range n {
		ids = append(ids, fmt.Sprint(parent, ".", n))
	}
	return ids
}
