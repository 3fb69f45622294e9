// Package soak_test lets the whole daemon protect an organisation for a day of simulated time, and
// checks that its memory, goroutines and state file do not grow, and that it logs little.
package soak_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/daemon"
)

// size is how large the organisation is, and how long it is protected.
type size struct {
	accounts, regions int
	flowLogs          int // of each account in each Region
	hours             int
	schedule          string        // of the inventory
	alertRefresh      time.Duration // see inventory.alert_refresh
}

func sizeFromEnvironment(t *testing.T) size {
	t.Helper()
	number := func(name string, otherwise int) int {
		n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(otherwise)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	alertRefresh, err := time.ParseDuration(cmp.Or(os.Getenv("SOAK_ALERT_REFRESH"), "10m"))
	if err != nil {
		t.Fatal(err)
	}
	return size{
		accounts: number("SOAK_ACCOUNTS", 6), regions: number("SOAK_REGIONS", 2), flowLogs: number("SOAK_FLOW_LOGS", 6),
		hours: number("SOAK_HOURS", 8), schedule: cmp.Or(os.Getenv("SOAK_SCHEDULE"), "@every 5m"), alertRefresh: alertRefresh,
	}
}

// isMark reports whether to measure after an hour: after a quarter of the time, when the first hours have been
// pruned, and after each further eighth.
func (z size) isMark(hour int) bool { return hour >= z.hours/4 && hour%(z.hours/8) == 0 }

// mostLines is how many lines an hour may log. Each hour has eight deletions of one to six flow logs, faults
// for a part of it, and two accounts that come back. The number of accounts must make no difference.
func (z size) mostLines() int { return 100 + 3*z.regions }

func TestSoak(t *testing.T) {
	t.Parallel()
	z := sizeFromEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		o, log := newOrganization(t, z), &lines{n: map[string]int{}}
		p := &pager{minute: o.minute, of: map[alert.Kind]int{}}
		d := &daemon.Daemon{
			Config: o.config(), Version: "test", Log: slog.New(slog.NewJSONHandler(log, nil)), AWS: o.client(management, "flowkeeper"),
			Sinks: map[string]sink.Sink{"pager": p},
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		var first mark
		o.pass(z.hours, func(hour int) {
			synctest.Wait()
			total, n := log.take()
			if hour > 1 && total > z.mostLines() {
				t.Errorf("hour %d: %d lines of log, most often %s", hour, total, often(n))
			}
			if !z.isMark(hour) {
				return
			}
			m := measure(t, d.Config.State.Path)
			m.hour, m.made = hour, int64(o.made)
			t.Logf("%v; %d refreshes so far, %d lines of log in the last hour", m, o.refreshes.Load(), total)
			if first.hour == 0 {
				first = m
			}
			for _, what := range m.grownSince(first) {
				t.Errorf("after %d hours: %s", hour, what)
			}
		})
		o.check()
		if p.of[alert.Deletion] < o.strikes || p.of[alert.Restored] < o.strikes {
			t.Errorf("%d deletions, want at least as many deletion and restored alerts; the pager has %v", o.strikes, p.of)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pager takes alerts, except for a quarter of each hour.
type pager struct {
	minute func() int

	mu sync.Mutex // guards of
	of map[alert.Kind]int
}

// Send implements sink.Sink.
func (p *pager) Send(_ context.Context, a alert.Alert) error {
	if minute := p.minute(); minute >= 15 && minute < 30 {
		return errors.New("the pager is down")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of[a.Kind]++
	return nil
}

// often are the five lines that were logged most often.
func often(n map[string]int) (out string) {
	all := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(n[b]-n[a], cmp.Compare(a, b)) })
	for _, line := range all[:min(5, len(all))] {
		out += fmt.Sprintf("\n%5d  %s", n[line], line)
	}
	return out
}
