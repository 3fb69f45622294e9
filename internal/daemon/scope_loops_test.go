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
)

// goroutines counts those that have a label.
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

// TestAScopeThatWaitsHasOneGoroutine: an organisation has thousands of scopes, and nearly all of
// them wait at any moment, for their first refresh too.
func TestAScopeThatWaitsHasOneGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const scopes, others = 100, 60
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("test", t.Name()))) // its goroutines inherit them
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
			if n := goroutines(t, t.Name()); n < scopes || n > scopes+others {
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
