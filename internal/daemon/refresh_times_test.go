package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// TestAlertRefreshesOfAScope: after an event in its account, a scope is refreshed every 30 seconds, until an hour after
// the last event.
func TestAlertRefreshesOfAScope(t *testing.T) {
	t.Parallel()
	type during map[int]func(*alertRefreshes, time.Time)
	s := home
	event := func(a *alertRefreshes, now time.Time) {
		if !a.ignores(account, now) {
			a.note(account, []inventory.Scope{s}, now)
		}
	}
	other := func(a *alertRefreshes, now time.Time) { a.begun(s, now) }
	until := func(last int) (all []int) {
		for second := 30; second <= last; second += 30 {
			all = append(all, second)
		}
		return all
	}
	flood := during{}
	for second := range 100 {
		flood[second] = event
	}
	for name, c := range map[string]struct {
		every time.Duration
		what  during
		want  []int
	}{
		"no event":                   {30 * time.Second, nil, nil},
		"an hour after one":          {30 * time.Second, during{0: event}, until(3600)},
		"an hour after the last one": {30 * time.Second, during{0: event, 1800: event}, until(5400)},
		"a flood of events":          {30 * time.Second, flood, until(3690)},
		"off":                        {0, during{0: event}, nil},
		"a scheduled refresh counts": {30 * time.Second, during{0: event, 20: other}, func() (all []int) {
			for second := 50; second <= 3600; second += 30 {
				all = append(all, second)
			}
			return all
		}()},
		"another event much later": {time.Hour, during{0: event, 7200: event}, []int{3600, 10800}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlertRefreshes(c.every)
			var begun []int
			for second := range 12000 {
				now := noon.Add(time.Duration(second) * time.Second)
				if do := c.what[second]; do != nil {
					do(&a, now)
				}
				if next := a.next(s, now); !next.IsZero() && !next.After(now) {
					begun = append(begun, second)
					a.begun(s, now)
				}
			}
			if !slices.Equal(begun, c.want) {
				t.Errorf("refreshed at %v, want %v", begun, c.want)
			}
		})
	}
}

// accountScopes returns a number of scopes of one account.
func accountScopes(account string, n int) (scopes []inventory.Scope) {
	for k := range n {
		scopes = append(scopes, inventory.Scope{Account: account, Region: fmt.Sprintf("eu-west-%d", k)})
	}
	return scopes
}

// TestAlertRefreshesAreBounded: at most alertRefreshMost scopes are refreshed because of events: those with the latest
// events. A scope that others have displaced is refreshed again after its next event, without waiting for another
// interval.
func TestAlertRefreshesAreBounded(t *testing.T) {
	t.Parallel()
	a := newAlertRefreshes(30 * time.Second)
	first, others := accountScopes("111122223333", 20), accountScopes("444455556666", 40)
	a.note("111122223333", first, noon)
	a.note("444455556666", others, noon.Add(time.Second))
	now := noon.Add(time.Minute)
	if n := a.count(now); n != alertRefreshMost {
		t.Fatalf("%d scopes are refreshed because of events, want %d", n, alertRefreshMost)
	}
	for _, s := range others {
		if a.next(s, now).IsZero() {
			t.Errorf("%s is displaced by scopes with earlier events", s)
		}
	}
	if !a.next(first[0], now).IsZero() || a.next(first[19], now).IsZero() {
		t.Error("the first account's scopes that are left are not those that were noted last")
	}
	a.note("111122223333", first, now)
	if next := a.next(first[0], now); !next.Equal(noon.Add(30 * time.Second)) {
		t.Errorf("a scope that was displaced for a while is due at %s", next)
	}
	if n := a.count(noon.Add(2 * time.Hour)); n != 0 {
		t.Errorf("%d scopes are still refreshed because of events two hours later", n)
	}
}

// TestAlertRefreshesUnderAFloodOfAccounts: events in four accounts displace each other's scopes every second. All
// scopes must still be refreshed.
func TestAlertRefreshesUnderAFloodOfAccounts(t *testing.T) {
	t.Parallel()
	a := newAlertRefreshes(30 * time.Second)
	begun := map[string]int{}
	for second := range 600 {
		now := noon.Add(time.Duration(second) * time.Second)
		name := fmt.Sprint(second % 4)
		a.note(name, accountScopes(name, 40), now)
		for s := range a.scopes {
			if next := a.next(s, now); !next.IsZero() && !next.After(now) {
				begun[s.Account]++
				a.begun(s, now)
			}
		}
	}
	for account, n := range begun {
		if n < 40*10 {
			t.Errorf("the 40 scopes of account %s were refreshed %d times in ten minutes, want %d at least", account, n, 40*10)
		}
	}
	if len(begun) != 4 {
		t.Errorf("refreshes by account: %v, want 4 accounts", begun)
	}
}

// TestEventsAreCutAfterAFirstOne: an attacker does something that is reported (an attempt, tampering, a deletion) or
// that a refresh finds, then stops the events, and deletes. A refresh after inventory.alert_refresh must find that
// deletion.
func TestEventsAreCutAfterAFirstOne(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(h *house, other string){
		"attempt": func(h *house, other string) {
			_, err := h.attacker.DeleteFlowLogs(h.t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{other}, DryRun: aws.Bool(true)})
			if err == nil || !strings.Contains(err.Error(), "DryRunOperation") {
				h.t.Fatal(err)
			}
		},
		"tampering": func(h *house, _ string) { h.sendRecord(account, "s3", "DeleteBucket", `{"bucketName":"flow-logs"}`) },
		"deletion":  func(h *house, other string) { h.strike(other) },
		"loss": func(h *house, other string) {
			h.world.MuteTrail(true)
			h.strike(other)
			h.daemon.refreshes.again(home)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.daemon.Config.Inventory.Schedule, h.daemon.Config.Inventory.AlertRefresh = "@every 1h", 300*time.Millisecond
			h.daemon.Config.Inventory.Settle = 0
			id, other := h.plant(region, "vpc-1"), h.plant(region, "vpc-2")
			h.refreshed()
			first(h, other)
			h.await("more refreshes", func() bool { return h.daemon.refreshes.overview().alerted() == 1 })
			h.world.MuteTrail(true)
			h.strike(id)
			h.awaitBack(region, "vpc-1")
		})
	}
}

// TestWhatCausesNoRefreshes: an event that is no part of an attack on a watched account does not make refreshes more
// frequent. Such events are rehearsals, calls in another account, and tampering with a bucket that nothing depends on.
func TestWhatCausesNoRefreshes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Inventory.Schedule, h.daemon.Config.Inventory.AlertRefresh = "@every 1h", time.Minute
	h.daemon.Config.Rehearsal.Schedule = "@every 1s"
	h.plant(region, "vpc-1")
	h.refreshed()
	deletion := `{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-0123"}}}`
	h.sendRecord("999988887777", "ec2", "DeleteFlowLogs", deletion)
	h.sendRecord("999988887777", "s3", "DeleteBucket", `{"bucketName":"flow-logs"}`)
	h.sendRecord(account, "s3", "DeleteBucket", `{"bucketName":"another-one"}`)
	h.await("the records and a rehearsal to be handled", func() bool { return h.world.Deleted(h.queue) >= 4 })
	if n := h.daemon.refreshes.overview().alerted(); n != 0 {
		t.Errorf("%d scopes are refreshed more often", n)
	}
	h.await("the alert of another account's call", func() bool { return len(h.pager.of(alert.Tamper)) == 1 })
	h.sendRecord(account, "ec2", "DeleteFlowLogs", deletion)
	h.await("more refreshes", func() bool { return h.daemon.refreshes.overview().alerted() == 1 })
}

// TestRefreshesAreSpread: the refreshes of 3,400 scopes are spread evenly over the interval, although the first ones
// begin at other times. The time between two refreshes of one scope is always the interval.
func TestRefreshesAreSpread(t *testing.T) {
	t.Parallel()
	const scopes = 3400
	every, err := cron.ParseStandard("@every 5m")
	if err != nil {
		t.Fatal(err)
	}
	begun := map[int]int{} // by second
	for n := range scopes {
		p := spread{noon, n}
		next := p.next(every, noon.Add(time.Duration(n)*time.Second/100)) // the first refreshes of all scopes take 34 s
		if late := next.Sub(noon.Add(time.Duration(n) * time.Second / 100)); late <= 0 || late > 5*time.Minute {
			t.Fatalf("scope %d waits %s", n, late)
		}
		for range 10 {
			begun[int(next.Sub(noon)/time.Second)]++
			again := p.next(every, next)
			if again.Sub(next) != 5*time.Minute {
				t.Fatalf("scope %d waits %s", n, again.Sub(next))
			}
			next = again
		}
	}
	for second := 600; second < 1200; second++ {
		if n := begun[second]; n < 10 || n > 13 { // 11.3 on average
			t.Errorf("%d refreshes begin in second %d", n, second)
		}
	}
}

// TestTimesOfASchedule: the first scope is refreshed at the times of the schedule. The other scopes are refreshed
// later: by a share of the interval, or by at most a minute if the schedule is a cron expression.
func TestTimesOfASchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schedule string
		nth      int
		after    time.Duration // since the start
		want     []time.Duration
	}{
		{"@every 80s", 0, 0, []time.Duration{80 * time.Second, 160 * time.Second}},
		{"@every 80s", 0, -time.Second, []time.Duration{0, 80 * time.Second}}, // the clock went back
		{"@every 80s", 0, -200 * time.Second, []time.Duration{-160 * time.Second, -80 * time.Second}},
		{"@every 100s", 1, 0, []time.Duration{61803 * time.Millisecond, 161803 * time.Millisecond}},
		{"@every 100s", 1, time.Minute, []time.Duration{61803 * time.Millisecond, 161803 * time.Millisecond}},
		{"30 12 * * *", 0, 0, []time.Duration{30 * time.Minute, 24*time.Hour + 30*time.Minute}},
		{"30 12 * * *", 1, 0, []time.Duration{30*time.Minute + 37082*time.Millisecond, 24*time.Hour + 30*time.Minute + 37082*time.Millisecond}},
		{"30 12 * * *", 1, 30*time.Minute + 10*time.Second, []time.Duration{30*time.Minute + 37082*time.Millisecond}},
	} {
		t.Run(fmt.Sprintf("scope %d at %s, after %s", c.nth, c.schedule, c.after), func(t *testing.T) {
			t.Parallel()
			schedule, err := cron.ParseStandard(c.schedule)
			if err != nil {
				t.Fatal(err)
			}
			var got []time.Duration
			for at := noon.Add(c.after); len(got) < len(c.want); {
				at = spread{noon, c.nth}.next(schedule, at)
				got = append(got, at.Sub(noon).Truncate(time.Millisecond))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
