package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/configs"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/watcher"
)

// begunRefreshes runs a scenario in one scope, and returns when each refresh of the scope began. Each refresh takes the
// given time.
func begunRefreshes(t *testing.T, schedule string, took time.Duration, scenario func(*refreshes, inventory.Scope)) (begun []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := configs.Default()
		c.Inventory.Schedule = schedule
		schedule, _, err := schedules(c)
		if err != nil {
			t.Fatal(err)
		}
		s := home
		r := &refreshes{d: &Daemon{Config: c, refreshing: schedule}, scopes: map[inventory.Scope]*scopeRefreshes{}, first: firstRound{began: time.Now()}, alerts: newAlertRefreshes(c.Inventory.AlertRefresh)}
		start, waits := time.Now(), 0
		r.begins = func(s inventory.Scope, alerted bool) {
			if alerted {
				if waits++; waits%3 == 0 { // every third refresh because of an event finds no slot, and is tried again later
					r.alerts.delay(s, time.Now().Add(alertRefreshSlow))
					r.over(s)
					return
				}
			}
			begun = append(begun, time.Since(start))
			time.Sleep(took)
			r.over(s)
		}
		r.begin(s)
		synctest.Wait()
		scenario(r, s)
		synctest.Wait()
		r.forget(s)
		time.Sleep(took) // the refresh under way ends
	})
	return begun
}

// TestI8ARefreshAskedForWhileOneRuns: a refresh that is requested while another runs begins after it. Several requests
// make one refresh. A scheduled refresh is left out if another runs at its time.
func TestI8ARefreshAskedForWhileOneRuns(t *testing.T) {
	t.Parallel()
	begun := begunRefreshes(t, "@every 80s", time.Minute, func(r *refreshes, s inventory.Scope) {
		for range 3 {
			time.Sleep(time.Second)
			r.again(s)
		}
		time.Sleep(200 * time.Second) // the first scheduled time, 80 s, is during the second refresh
	})
	if want := []time.Duration{0, time.Minute, 160 * time.Second}; !slices.Equal(begun, want) {
		t.Errorf("begun at %v, want %v", begun, want)
	}
}

// TestI8ARecordAsksTwice: a record that names no flow log causes a refresh at once, and another one when all answers of
// AWS agree, because the first may still show what was before.
func TestI8ARecordAsksTwice(t *testing.T) {
	t.Parallel()
	var settle time.Duration
	begun := begunRefreshes(t, "@every 24h", 0, func(r *refreshes, s inventory.Scope) {
		settle = r.followUpPause()
		time.Sleep(time.Minute)
		for range 3 {
			r.Soon(s)
			synctest.Wait()
		}
		r.Soon(inventory.Scope{Account: account, Region: "eu-north-1"}) // not a scope of the fleet
		time.Sleep(time.Hour)
	})
	if want := []time.Duration{0, time.Minute, time.Minute + requestPause, time.Minute + settle}; !slices.Equal(begun, want) {
		t.Errorf("begun at %v, want %v", begun, want)
	}
}

// TestI8WhatASuspectRefreshes: a log file that can't be read refreshes the scopes of the account in its key, and none
// if that account is not watched. A text that can't be parsed may have a forged account or Region: if they are not
// watched, it refreshes more scopes, up to the whole fleet.
func TestI8WhatASuspectRefreshes(t *testing.T) {
	t.Parallel()
	sibling, other := inventory.Scope{Account: account, Region: "eu-north-1"}, inventory.Scope{Account: "444455556666", Region: region}
	for suspect, want := range map[watcher.Suspect][]inventory.Scope{
		{Account: account, Region: region, ByKey: true}:        {home},
		{Account: account, Region: "us-east-1", ByKey: true}:   {home, sibling},
		{Account: "999999999999", Region: region, ByKey: true}: nil,
		{Account: account, Region: region}:                     {home},
		{Account: account, Region: "us-east-1"}:                {home, sibling, other},
		{Account: "999999999999", Region: region}:              {home, sibling, other},
		{Region: region}: {home, sibling, other},
		{}:               {home, sibling, other},
	} {
		t.Run(fmt.Sprintf("%+v", suspect), func(t *testing.T) {
			t.Parallel()
			r := &refreshes{d: &Daemon{}, scopes: map[inventory.Scope]*scopeRefreshes{}}
			r.d.refreshes = r
			for _, s := range []inventory.Scope{home, sibling, other} {
				r.state(s)
			}
			if err := (handler{r.d}).RecordMessage(t.Context(), watcher.Message{Suspects: []watcher.Suspect{suspect}}); err != nil {
				t.Fatal(err)
			}
			for s, st := range r.scopes {
				if asked := !st.requests.next().IsZero(); asked != slices.Contains(want, s) {
					t.Errorf("%s is refreshed: %v", s, asked)
				}
			}
		})
	}
}

// TestI8WhatARecordWithoutARegionRefreshes: a record without a Region refreshes all Regions of its account, or none if
// the account is not watched. A record without an account refreshes the whole fleet.
func TestI8WhatARecordWithoutARegionRefreshes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.connected(t.Context())
	other := inventory.Scope{Account: "444455556666", Region: region}
	for record, want := range map[inventory.Scope][]inventory.Scope{
		{Account: account}:        {home, far},
		{Account: "999999999999"}: nil,
		{Region: region}:          {home, far, other},
		{}:                        {home, far, other},
	} {
		t.Run(fmt.Sprintf("account %q, Region %q", record.Account, record.Region), func(t *testing.T) {
			d.refreshes.scopes = map[inventory.Scope]*scopeRefreshes{}
			for _, s := range []inventory.Scope{home, far, other} {
				d.refreshes.state(s)
			}
			m := watcher.Message{Records: []cloudtrail.Record{{EventSource: "ec2.amazonaws.com", EventName: cloudtrail.DeleteFlowLogs, EventID: "e", Account: record.Account, Region: record.Region, FlowLogIDs: []string{"fl-1"}}}}
			if err := (handler{d}).RecordMessage(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			for s, st := range d.refreshes.scopes {
				if asked := !st.requests.next().IsZero(); asked != slices.Contains(want, s) {
					t.Errorf("%s is refreshed: %v", s, asked)
				}
			}
		})
	}
}

// TestRefreshesAfterAnEvent: after an event in its account, a scope is refreshed every 30 seconds. A refresh that finds
// no slot is tried again after a second. Scheduled refreshes go on, and the next 30 seconds count from them.
func TestRefreshesAfterAnEvent(t *testing.T) {
	t.Parallel()
	begun := begunRefreshes(t, "@every 170s", 0, func(r *refreshes, s inventory.Scope) {
		time.Sleep(50 * time.Second)
		r.Often(inventory.Scope{Account: account, Region: "us-east-1"}) // the Region of IAM's records, which is not watched
		r.Often(inventory.Scope{Account: "999999999999", Region: region})
		time.Sleep(160 * time.Second)
	})
	seconds := make([]int, len(begun))
	for n, at := range begun {
		seconds[n] = int(at.Seconds())
	}
	if want := []int{0, 80, 110, 141, 170, 200}; !slices.Equal(seconds, want) {
		t.Errorf("begun at %v, want %v", seconds, want)
	}
}

// TestRequestsOfRecords: each record causes a refresh, at most one in requestPause. Another one begins a pause after
// the first record, and again a pause after the last record, when all answers of AWS show what that record reports.
func TestRequestsOfRecords(t *testing.T) {
	t.Parallel()
	const pause = time.Minute
	var q requests
	var begun []int
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for second := range 300 {
		now := start.Add(time.Duration(second) * time.Second)
		if second == 0 || second == 10 || second == 40 {
			q.addRecord(now, pause)
		}
		if q.take(now, pause) {
			begun = append(begun, second)
		}
	}
	if want := []int{0, 30, 60, 100}; !slices.Equal(begun, want) {
		t.Errorf("begun at %v, want %v", begun, want)
	}
}

// TestAWaitForATurnIsPartOfTheRound: in a large fleet, the refreshes of all scopes take longer than the interval of the
// schedule, so that every scope waits for a slot. A scope does not count as stale because of this wait.
func TestAWaitForATurnIsPartOfTheRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.daemon.Config.Inventory.Schedule = "@every 5m"
		d := h.connected(t.Context())
		d.scopeLoops = newScopeLoops(t.Context(), d)
		over := make(chan struct{})
		for range h.daemon.Config.Inventory.MaxConcurrent { // others are refreshed
			d.refreshes.slots.enter(t.Context(), func(leave func()) {
				time.Sleep(20 * time.Minute)
				leave()
			})
		}
		asked := time.Now()
		d.refreshes.slots.enter(t.Context(), func(leave func()) {
			d.refreshes.refresh(t.Context(), home, d.remediator.Refresh, asked, leave)
			close(over)
		})
		<-over
		time.Sleep(25 * time.Minute) // the next refresh has to wait as long as this one
		if err := d.refreshes.overview().fresh(); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute)
		if d.refreshes.overview().fresh() == nil {
			t.Error("a scope without a refresh for 35 minutes counts as fresh")
		}
	})
}

// TestRefreshesAfterAnEventGiveWay: refreshes because of events use at most half of the slots, and are left out while
// the refreshes of their scope fail.
func TestRefreshesAfterAnEventGiveWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		r := h.connected(t.Context()).refreshes
		r.d.scopeLoops = newScopeLoops(t.Context(), r.d)
		r.d.scopeLoops.running[home] = &scopeLoop{ctx: t.Context(), tasks: 1}
		tried := func(soon, refreshed bool) {
			t.Helper()
			time.Sleep(time.Second)
			now := time.Now()
			r.alerts.note(account, []inventory.Scope{home}, now)
			r.beginRefresh(home, true)
			synctest.Wait()
			if got := r.alerts.next(home, now).Equal(now.Add(alertRefreshSlow)); got != soon {
				t.Errorf("tried again soon: %v", got)
			}
			if got := !r.state(home).refreshedAt.Before(now); got != refreshed {
				t.Errorf("refreshed: %v", got)
			}
		}
		tried(false, true)
		if !r.alertSlots.TryAcquire(int64(h.daemon.Config.Inventory.MaxConcurrent / 2)) {
			t.Fatal("there are fewer slots")
		}
		tried(true, false)
		r.alertSlots.Release(1)
		tried(false, true)
		r.fail(t.Context(), home, errors.New("for once"))
		tried(false, false)
	})
}

// TestTheStartOfManyScopesIsOneLine: the first refreshes of all scopes are logged in one line, with what they found and
// how many failed.
func TestTheStartOfManyScopesIsOneLine(t *testing.T) {
	t.Parallel()
	h, b := abroad(t)
	regions := []string{region}
	for n := range 40 {
		regions = append(regions, fmt.Sprintf("eu-north-%d", n+1))
	}
	for n, r := range regions {
		h.plant(r, fmt.Sprintf("vpc-%d", n))
	}
	b.set("eu-north-7", "InternalError")
	h.daemon.Config.Inventory.Regions, h.daemon.Config.Inventory.Schedule = regions, "@every 1h"
	h.run()
	h.await("the first round to be logged", func() bool { return strings.Contains(h.log.String(), `"scopes":41,"failed":1,"listed":40,"new":40,`) })
	if n := strings.Count(h.log.String(), `"msg":"refreshed"`); n != 1 {
		t.Errorf("%d lines about refreshes:\n%s", n, h.log)
	}
	if n := strings.Count(h.log.String(), "\n"); n > 20 {
		t.Errorf("%d lines for the start:\n%s", n, h.log)
	}
}

// TestAScopeThatHasLeftStaysForgotten: /metrics may read the list of scopes and ask about a scope after it has left.
// That must not bring the scope back.
func TestAScopeThatHasLeftStaysForgotten(t *testing.T) {
	t.Parallel()
	r := &refreshes{d: &Daemon{}, scopes: map[inventory.Scope]*scopeRefreshes{}}
	r.state(home)
	r.forget(home)
	if r.overview().isDisabled(home) || r.overview().isFailing(home) || len(r.scopes) != 0 {
		t.Errorf("%v", r.scopes)
	}
}
