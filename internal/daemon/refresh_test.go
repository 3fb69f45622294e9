package daemon

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/inventory"
)

// TestARefreshThatIsAnsweredDoesNotHang: AWS may answer just when slotPatience is over. The scope
// must not be marked as hanging then, because it would not count as refreshed until its next refresh.
func TestARefreshThatIsAnsweredDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
		r := &refreshes{scopes: map[inventory.Scope]*scopeRefreshes{}}
		st, left := r.state(s), 0
		r.hold(s, func() { left++ })
		ended := r.Asks(t.Context(), s)
		r.mu.Lock()
		time.Sleep(slotPatience) // the timer fires, and waits for mu
		st.callTimer = nil       // as ended does
		r.mu.Unlock()
		ended(nil)
		synctest.Wait()
		if st.hangs {
			t.Error("the scope counts as hanging, although AWS has answered")
		}
		left = 0
		ended = r.Asks(t.Context(), s)
		time.Sleep(slotPatience)
		synctest.Wait()
		if !st.hangs || left != 1 {
			t.Error("a scope that AWS does not answer does not count as hanging, or keeps its slot")
		}
		if ended(errors.New("timed out")); !st.hangs {
			t.Error("the scope does not count as hanging after the timeout, although its failure is not noted yet")
		}
		if r.Asks(t.Context(), s)(nil); st.hangs {
			t.Error("the scope counts as hanging after an answer")
		}
	})
}

// slowFile is a snapshot whose commit at the end of a refresh takes a given time. It counts the commits under way.
type slowFile struct {
	inventory.Snapshot
	takes time.Duration

	mu            sync.Mutex // guards what follows
	waiting, most int
}

func (f *slowFile) Refreshed(ctx context.Context, s inventory.Scope, started, ended time.Time) error {
	f.count(1)
	defer f.count(-1)
	time.Sleep(f.takes)
	return f.Snapshot.Refreshed(ctx, s, started, ended)
}

func (f *slowFile) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting += n
	f.most = max(f.most, f.waiting)
}

// late is an HTTP client that sends the calls to EC2 late.
type late struct {
	inner aws.HTTPClient
	by    time.Duration
}

func (l late) Do(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.Header.Get("Authorization"), "/ec2/") {
		time.Sleep(l.by)
	}
	return l.inner.Do(r)
}

// TestWhatIsAnsweredHasASlot: a refresh that waits for the state file keeps its slot, and does not count as one that
// AWS does not answer. A refresh gives its slot back while AWS does not answer, and waits for a slot again once AWS has
// answered. Otherwise a slow machine would have the answers to more refreshes in memory than there are slots.
func TestWhatIsAnsweredHasASlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, commit time.Duration }{
		"slow file":   {0, time.Minute},
		"late answer": {2 * slotPatience, 7 * time.Second},
		"both":        {2 * slotPatience, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := abroad(t)
				h.daemon.AWS.HTTPClient = late{h.daemon.AWS.HTTPClient, c.answer}
				h.daemon.Config.Inventory.Regions = []string{region, "xx-a-1", "xx-b-1", "xx-c-1", "xx-d-1", "xx-e-1"}
				h.daemon.Config.Inventory.Schedule, h.daemon.Config.Inventory.MaxConcurrent = "@every 24h", 2
				ctx, cancel := context.WithCancel(t.Context())
				d := h.connected(ctx)
				file := &slowFile{Snapshot: d.remediator.Snapshot, takes: c.commit}
				d.remediator.Snapshot = file
				var g errgroup.Group
				d.startScopes(ctx, &g)
				time.Sleep(2*slotPatience + c.commit/2)
				for s, st := range d.refreshes.overview().all() {
					if st.hangs && c.answer == 0 {
						t.Errorf("%s counts as a scope that AWS does not answer", s)
					}
				}
				for range 60 {
					time.Sleep(time.Minute)
					if names := d.progress.Stalled(time.Now()); len(names) > 0 {
						t.Errorf("%s count as stalled", names) // the watchdog would end the daemon
					}
				}
				if file.most != 2 {
					t.Errorf("%d refreshes waited for the file at the same time, want 2", file.most)
				}
				if n := d.refreshes.overview().share(); n != (share{6, 6}) {
					t.Errorf("%s are refreshed", n)
				}
				cancel()
				if err := g.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestOneScopeFails: the failure is alerted once, and the other scope is refreshed.
func TestOneScopeFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const other = "222233334444"
	h.daemon.Config.Accounts = []configs.Account{{ID: account}, {ID: other, RoleARN: "arn:aws:iam::" + other + ":role/missing"}}
	id := h.plant(region, "vpc-1")
	h.run()
	scope := home
	h.await("the refresh of the healthy scope", func() bool {
		return h.daemon.connected.Load() && h.isRefreshed(scope)
	})
	h.await("an alert of the broken one", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	h.await("three more refreshes", func() bool { return h.failures(inventory.Scope{Account: other, Region: region}) > 3 })
	if a := h.pager.of(alert.Pipeline); len(a) != 1 || a[0].Account != other || !strings.Contains(a[0].Cause, "AssumeRole") {
		t.Errorf("%d alerts: %+v", len(a), a)
	}
	if n := strings.Count(h.log.String(), "refresh failed"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// TestARefreshThatAWSAnswersWithAnError: a refused refresh is tried again soon, even if the schedule has the next one
// a day later. A page that fails with an error of AWS's own is asked for again within the same refresh.
func TestARefreshThatAWSAnswersWithAnError(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct {
		status int
		fails  bool
	}{
		"UnauthorizedOperation": {http.StatusForbidden, true},
		"InternalError":         {http.StatusInternalServerError, false},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.daemon.Config.Inventory.Schedule = "@every 24h"
			h.plant(region, "vpc-1")
			h.world.Fail("DescribeFlowLogs", 1, code, c.status)
			h.refreshed()
			if failed := strings.Contains(h.log.String(), "refresh failed"); failed != c.fails {
				t.Errorf("failed: %v, the log:\n%s", failed, h.log)
			}
		})
	}
}
