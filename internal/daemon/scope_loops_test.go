package daemon

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/inventory"
)

// goroutines counts the goroutines that have a label.
func goroutines(t *testing.T, label string) (n int) {
	t.Helper()
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		t.Fatal(err)
	}
	_, groups, _ := strings.Cut(all.String(), "\n") // the first line has the number of all
	for alike := range strings.SplitSeq(groups, "\n\n") {
		var count int
		if _, err := fmt.Sscanf(alike, "%d @", &count); err == nil && strings.Contains(alike, label) {
			n += count
		}
	}
	return n
}

// TestAScopeThatWaitsHasNoGoroutine: an organisation has thousands of scopes, and nearly all of them wait at any
// moment, for their first refresh or for something to restore. A goroutine for each would need much memory.
func TestAScopeThatWaitsHasNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const scopes, others = 100, 60
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("test", t.Name()))) // goroutines begun here inherit the label
		h, b := abroad(t)
		regions := []string{region}
		for n := range scopes - 1 {
			regions = append(regions, fmt.Sprintf("eu-north-%d", n+1))
			b.set(regions[n+1], "")
		}
		h.daemon.Config.Inventory.Regions, h.daemon.Config.Inventory.Schedule = regions, "@every 1h"
		h.daemon.Config.Inventory.MaxConcurrent = 4
		h.run()
		few := func(when string) {
			t.Helper()
			synctest.Wait()
			if n := goroutines(t, t.Name()); n == 0 || n > others {
				t.Errorf("%s, %d scopes have %d goroutines", when, scopes, n)
			}
		}
		<-h.ready
		few("at the start")
		for _, r := range regions {
			b.open(r)
		}
		time.Sleep(5 * time.Minute)
		if n := h.daemon.refreshes.overview().share(); n != (share{scopes, scopes}) {
			t.Errorf("%s are refreshed", n)
		}
		few("when all is done")
	})
}

// TestAScopeIsBackWhileItsRehearsalWaits: an account leaves the organisation while the rehearsal of its scope waits
// for a slot behind those of Regions that hang. When the account is back, its flow logs must be restored at once: the
// new restorer must not wait for the old rehearsal.
func TestAScopeIsBackWhileItsRehearsalWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		b := &borders{inner: h.daemon.AWS.HTTPClient}
		h.daemon.AWS.HTTPClient = b
		var slow []string
		for n := range 5 * rehearsedAtOnce {
			slow = append(slow, fmt.Sprintf("eu-north-%d", n+1))
			h.plant(slow[n], "vpc-"+slow[n])
		}
		h.daemon.Config.Inventory.Regions = append([]string{region}, slow...)
		h.daemon.Config.Rehearsal.Schedule = "@every 1h"
		h.plantIn(payments, "vpc-2")
		h.join(payments, "payments-prod")
		began := time.Now()
		h.refreshed()
		h.awaitProtected(payments)
		time.Sleep(time.Hour - time.Since(began) - 30*time.Second)
		for _, r := range slow {
			b.set(r, "")
		}
		time.Sleep(31 * time.Second) // the rehearsals have begun
		l := h.daemon.scopeLoops
		l.mu.Lock()
		tasks := l.running[inventory.Scope{Account: payments, Region: region}].tasks
		l.mu.Unlock()
		if tasks != 2 {
			t.Fatalf("%d tasks are under way, want 2: a restorer and a rehearsal", tasks)
		}
		h.world.RemoveAccount(payments)
		h.list()
		h.vanish(payments)
		h.join(payments, "payments-prod")
		back := time.Now()
		h.await("a restore", func() bool { return h.countIn(payments) > 0 })
		if took := time.Since(back); took > 30*time.Second {
			t.Errorf("the flow log was restored %s after the account came back", took)
		}
	})
}

// TestALateAlarmEndsNoRefreshes: the timer of a scope fires while the scope leaves, and calls beginDue only after the
// scope has come back. That call must not prevent the refreshes of the scope.
func TestALateAlarmEndsNoRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.plant(region, "vpc-1")
		ctx, cancel := context.WithCancel(t.Context())
		d := h.connected(ctx)
		d.scopeLoops = newScopeLoops(ctx, d)
		d.refreshes.beginDue(home) // the late call of the old timer
		d.scopeLoops.start(home)
		time.Sleep(time.Minute)
		if !h.isRefreshed(home) {
			t.Error("the scope is not refreshed")
		}
		cancel()
		d.scopeLoops.wait()
	})
}
