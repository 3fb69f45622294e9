package daemon

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
)

// borders is an HTTP client for which EC2 refuses every call in some Regions, or does not answer there.
type borders struct {
	inner aws.HTTPClient
	mu    sync.Mutex
	codes map[string]string // by Region; "": it hangs
}

func (b *borders) set(region, code string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.codes == nil {
		b.codes = map[string]string{}
	}
	b.codes[region] = code
}

func (b *borders) open(region string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.codes, region)
}

func (b *borders) Do(r *http.Request) (*http.Response, error) {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	p := strings.Split(scope, "/")
	b.mu.Lock()
	code, closed := b.codes[p[2]]
	b.mu.Unlock()
	switch {
	case !closed || p[3] != "ec2":
		return b.inner.Do(r)
	case code == "":
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	body := "<Response><Errors><Error><Code>" + code + "</Code><Message>refused by the test</Message></Error></Errors><RequestID>x</RequestID></Response>"
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// abroad returns a daemon that watches every Region.
func abroad(t *testing.T) (*house, *borders) {
	h := newHouse(t)
	b := &borders{inner: h.daemon.AWS.HTTPClient}
	h.daemon.AWS.HTTPClient = b
	h.daemon.Config.Inventory.Regions = []string{"all"}
	return h, b
}

// TestARefusedRegionCountsAsTried: a service control policy denies everything in one Region.
// The daemon is ready because of the others, it sends heartbeats, and the refused Region has
// an alert.
func TestARefusedRegionCountsAsTried(t *testing.T) {
	t.Parallel()
	h, b := abroad(t)
	_, beats := h.withMonitor()
	b.set(farRegion, "UnauthorizedOperation")
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.await("/readyz to be 200", func() bool {
		code, text := h.get("/readyz")
		return code == http.StatusOK && text == "ok, 1 of 2 scopes\n"
	})
	h.await("a heartbeat", func() bool { return beats.Load() > 0 })
	h.await("the alert of the refused Region", func() bool { return len(h.pager.of(alert.Pipeline)) == 1 })
	if a := h.pager.of(alert.Pipeline)[0]; a.Region != farRegion || !strings.Contains(a.Cause, "UnauthorizedOperation") {
		t.Errorf("%+v", a)
	}
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	b.open(farRegion)
	h.await("both Regions to be refreshed", func() bool { _, text := h.get("/readyz"); return text == "ok, 2 of 2 scopes\n" })
	h.await("the end of the outage", func() bool { a := h.pager.of(alert.Pipeline); return len(a) == 2 && a[1].Resolves() })
}

// TestNoScopeRefreshedIsNotReady: if AWS refuses the refreshes of all scopes, the daemon is
// not ready.
func TestNoScopeRefreshedIsNotReady(t *testing.T) {
	t.Parallel()
	h, b := abroad(t)
	h.daemon.Config.Inventory.Regions = []string{region, farRegion}
	b.set(region, "UnauthorizedOperation")
	b.set(farRegion, "UnauthorizedOperation")
	h.run()
	h.await("both scopes to be tried", func() bool { return h.daemon.connected.Load() && h.failures(home) > 0 && h.failures(far) > 0 })
	if err := h.daemon.health().ready(); err == nil || !strings.Contains(err.Error(), "no scope could be refreshed") {
		t.Errorf("%v", err)
	}
	if err := h.daemon.refreshes.overview().fresh(); err == nil {
		t.Error("the refreshes count as fresh, and there was none")
	}
}

// TestAHangingRegionHoldsUpNoOther: Regions that do not answer, however many, delay neither
// the start, nor the refreshes of others, nor readiness.
func TestAHangingRegionHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, b := abroad(t)
		regions := []string{region}
		for _, r := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
			regions = append([]string{"xx-" + r + "-1"}, regions...)
			b.set(regions[0], "")
		}
		h.daemon.Config.Inventory.Regions = regions
		h.daemon.Config.Inventory.Schedule, h.daemon.Config.Inventory.MaxConcurrent = "@every 5m", 8
		h.plant(region, "vpc-1")
		ctx, cancel := context.WithCancel(t.Context())
		d := h.connected(ctx)
		begun := time.Now()
		var g errgroup.Group
		d.startScopes(ctx, &g)
		d.refreshes.overview().awaitFirst(ctx, time.Hour)
		if took := time.Since(begun); took > 3*slotPatience {
			t.Errorf("the Region that waited for a slot was refreshed after %s", took)
		}
		if err := d.refreshes.overview().ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		for range 60 {
			time.Sleep(time.Minute)
			if err := d.refreshes.overview().fresh(); err != nil {
				t.Fatalf("not fresh after %s: %v", time.Since(begun), err)
			}
		}
		if n := d.refreshes.overview().share(); n != (share{1, 13}) {
			t.Errorf("%s are refreshed, want 1 of 13", n)
		}
		if names := d.progress.Stalled(time.Now()); len(names) > 0 {
			t.Errorf("stalled: %v", names)
		}
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestARegionEnabledLaterIsProtectedWithinTheHour: a Region that is enabled while the daemon runs is refreshed without
// a restart.
func TestARegionEnabledLaterIsProtectedWithinTheHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := abroad(t)
		h.daemon.Config.Inventory.Schedule = "@every 5m"
		h.world.SetRegions(region)
		ctx, cancel := context.WithCancel(t.Context())
		d := h.connected(ctx)
		g, ctx := errgroup.WithContext(ctx)
		d.startScopes(ctx, g)
		g.Go(func() error { return d.discovery.run(ctx) })
		time.Sleep(time.Minute)
		h.world.SetRegions(region, farRegion)
		h.plant(farRegion, "vpc-1")
		time.Sleep(time.Hour)
		if !h.isRefreshed(far) {
			t.Errorf("not refreshed an hour later: %v", d.fleet.Scopes())
		}
		if n := d.refreshes.overview().share(); n != (share{2, 2}) {
			t.Errorf("%s are refreshed, want 2 of 2", n)
		}
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestANewRegionIsNoOutage: while the first refresh of a newly enabled Region is under way, the daemon is ready and
// sends heartbeats.
func TestANewRegionIsNoOutage(t *testing.T) {
	t.Parallel()
	h, _ := abroad(t)
	h.world.SetRegions(region)
	h.refreshed()
	h.world.SetRegions(region, farRegion)
	if added, failed := h.daemon.fleet.Discover(t.Context()); len(added) != 1 || len(failed) != 0 {
		t.Fatal(added, failed)
	}
	if err := errors.Join(h.daemon.refreshes.overview().ready(), h.daemon.refreshes.overview().fresh()); err != nil {
		t.Error(err)
	}
}

// TestWhatIsDeletedInANewRegionIsRestored: a Region that is enabled while the daemon runs has a restorer too.
func TestWhatIsDeletedInANewRegionIsRestored(t *testing.T) {
	t.Parallel()
	h, _ := abroad(t)
	h.world.SetRegions(region)
	h.refreshed()
	h.plant(farRegion, "vpc-1")
	h.world.SetRegions(region, farRegion)
	h.daemon.discovery.soon()
	h.await("the refresh of the new Region", func() bool { return h.isRefreshed(far) })
	id := h.world.FlowLogs(account, farRegion)[0].ID
	if !h.world.Remove(account, farRegion, id) {
		t.Fatal("not there")
	}
	h.awaitBack(farRegion, "vpc-1")
}

// TestADisabledRegionKeepsItsSnapshot: the flow logs of a Region that is disabled do not count as deleted. If it has
// protected ones, there is one alert. When it is enabled again, it is refreshed again.
func TestADisabledRegionKeepsItsSnapshot(t *testing.T) {
	t.Parallel()
	h, b := abroad(t)
	h.world.SetRegions(region, farRegion, "ap-south-2") // the last one has no flow logs
	h.plant(farRegion, "vpc-1")
	h.refreshed()
	h.await("all three Regions to be refreshed", func() bool { return h.daemon.refreshes.overview().share() == share{3, 3} })
	h.world.SetRegions(region)
	b.set(farRegion, "AuthFailure")
	b.set("ap-south-2", "AuthFailure")
	h.await("the two Regions to be disabled", func() bool { return h.daemon.refreshes.overview().share() == share{1, 1} })
	h.await("an alert", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
	a := h.pager.of(alert.Pipeline)
	if len(a) != 1 || a[0].Region != farRegion || !strings.Contains(a[0].Cause, "not enabled in account 111122223333 any more: 1 protected flow log there") {
		t.Errorf("%+v", a)
	}
	if err := h.daemon.refreshes.overview().fresh(); err != nil {
		t.Errorf("not fresh: %v", err)
	}
	if n := len(h.pager.of(alert.Deletion)); n != 0 {
		t.Errorf("%d alerts of deletions, want 0", n)
	}
	b.open(farRegion)
	b.open("ap-south-2")
	h.world.SetRegions(region, farRegion, "ap-south-2")
	h.daemon.discovery.soon()
	h.await("all three Regions to be refreshed again", func() bool { return h.daemon.refreshes.overview().share() == share{3, 3} })
	h.await("the end of the outage", func() bool { a := h.pager.of(alert.Pipeline); return len(a) == 2 && a[1].Resolves() })
}
