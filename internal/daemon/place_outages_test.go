package daemon

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

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// refusals are calls that AWS refuses, by "account/Region operation"; "*" stands for every Region.
type refusals struct {
	mu    sync.Mutex
	texts map[string]string
}

// refusing lets the test choose which calls AWS refuses.
func (h *house) refusing() *refusals {
	r := &refusals{texts: map[string]string{}}
	h.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, region := range []string{q.Region, "*"} {
			if text := r.texts[q.Account+"/"+region+" "+q.Operation]; text != "" {
				return fakeawstest.Refusal{Code: "UnauthorizedOperation", Message: text, Status: 403}
			}
		}
		return fakeawstest.Refusal{}
	})
	return r
}

// deny refuses an operation of an account in a Region, in AWS's words. by is the policy that denies
// it; empty: no policy allows it.
func (r *refusals) deny(account, region, operation, by string) {
	why := "because no identity-based policy allows the ec2:" + operation + " action"
	if by != "" {
		why = "with an explicit deny in a " + by
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts[account+"/"+region+" "+operation] = "You are not authorized to perform this operation. User: arn:aws:sts::" + account +
		":assumed-role/flowkeeper/session is not authorized to perform: ec2:" + operation + " " + why
}

func (r *refusals) allow(account, region, operation string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.texts, account+"/"+region+" "+operation)
}

// levels returns the levels and Regions of the pipeline alerts about an account, and which of them
// are ends.
func (h *house) levels(account string) (out []string) {
	for _, a := range h.pager.of(alert.Pipeline) {
		if a.Account != account {
			continue
		}
		if a.Resolves() {
			out = append(out, "end")
		} else {
			out = append(out, strings.TrimSpace(string(a.Level)+" "+a.Region))
		}
	}
	return out
}

var someRegions = []string{region, farRegion, "ap-south-1", "ap-south-2", "eu-central-1"}

// plantEverywhere makes a flow log in each of an account's Regions.
func (h *house) plantEverywhere(account string) {
	for _, r := range someRegions {
		h.world.Plant(account, r, fakeaws.FlowLog{ResourceID: "vpc-" + r, TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket,
			LogFormat: "${version}", MaxAggregationInterval: 60, FileFormat: "parquet", Tags: map[string]string{"Name": "vpc-" + r}})
	}
}

func (h *house) allRefreshed(account string) bool {
	return h.isIn(account) && !slices.ContainsFunc(someRegions, func(r string) bool { return !h.isRefreshed(inventory.Scope{Account: account, Region: r}) })
}

// TestAPermissionTakenFromARoleIsOneAlert: if the role of an account loses a permission, there is one alert, not one
// for each Region, and none more after a restart. A Region that is refused much later has an alert of its own.
func TestAPermissionTakenFromARoleIsOneAlert(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		refused := h.refusing()
		h.daemon.Config.Inventory.Regions = someRegions
		h.plantEverywhere(payments)
		h.join(payments, "payments-prod")
		h.refreshed()
		h.await("all Regions", func() bool { return h.allRefreshed(payments) })
		refused.deny(payments, "*", "DescribeFlowLogs", "")
		time.Sleep(4 * refreshEvery)
		h.await("an alert", func() bool { return len(h.levels(payments)) > 0 })
		a := h.pager.of(alert.Pipeline)
		if len(a) != 1 || a[0].Level != alert.High || !strings.Contains(a[0].Text, "payments-prod (222233334444)") || !strings.Contains(a[0].Advice, "allow ec2:DescribeFlowLogs") {
			t.Errorf("%+v", a)
		}
		if n := strings.Count(h.log.String(), `"refresh failed`); n != 1 {
			t.Errorf("%d lines of log", n)
		}
		h.halt()
		h.restart()
		time.Sleep(4 * refreshEvery)
		if got := h.levels(payments); len(got) != 1 {
			t.Errorf("alerts after a restart: %q, want one", got)
		}
		refused.allow(payments, "*", "DescribeFlowLogs")
		time.Sleep(2 * refreshEvery)
		h.await("the end", func() bool { return len(h.levels(payments)) == 2 })

		refused.deny(payments, farRegion, "DescribeFlowLogs", "")
		time.Sleep(4 * refreshEvery)
		h.halt() // the next daemon alerts of the end
		h.restart()
		time.Sleep(4 * refreshEvery)
		refused.deny(payments, region, "DescribeFlowLogs", "")
		time.Sleep(4 * refreshEvery)
		h.await("one alert for each", func() bool {
			return slices.Equal(h.levels(payments)[2:], []string{"high " + farRegion, "high " + region})
		})
		refused.allow(payments, region, "DescribeFlowLogs")
		time.Sleep(2 * refreshEvery)
		if got := h.levels(payments); len(got) != 4 {
			t.Errorf("alerts while one Region is still refused: %q, want 4", got)
		}
		refused.allow(payments, farRegion, "DescribeFlowLogs")
		time.Sleep(2 * refreshEvery)
		h.await("the end", func() bool { return len(h.levels(payments)) == 5 })
	})
}

// joinPaymentsWithADenial makes account payments join. A service control policy denies one of its Regions, which has
// no flow logs.
func (h *house) joinPaymentsWithADenial(refused *refusals) {
	h.daemon.Config.Inventory.Regions = append([]string{"eu-north-1"}, someRegions...)
	refused.deny(payments, "eu-north-1", "DescribeFlowLogs", "service control policy")
	h.plantEverywhere(payments)
	h.join(payments, "payments-prod")
	h.refreshed()
	h.await("the other Regions", func() bool { return h.allRefreshed(payments) })
	time.Sleep(2 * refreshEvery)
}

// TestARefusedRegionIsUrgentWithFlowLogs: a denied Region with protected flow logs has one high alert with advice, even
// if a Region without flow logs has a medium alert already. The daemon does not ask for sessions that would be denied
// as well, and the other Regions are refreshed and restored.
func TestARefusedRegionIsUrgentWithFlowLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		refused := h.refusing()
		h.joinPaymentsWithADenial(refused)
		h.await("its alert", func() bool { return slices.Equal(h.levels(payments), []string{"medium eu-north-1"}) })
		refused.deny(payments, farRegion, "DescribeFlowLogs", "service control policy")
		sessions := len(h.world.Calls("AssumeRole"))
		time.Sleep(4 * refreshEvery)
		h.await("a high alert", func() bool {
			return slices.Equal(h.levels(payments), []string{"medium eu-north-1", "high " + farRegion})
		})
		if a := h.pager.of(alert.Pipeline)[1]; !strings.Contains(a.Advice, "a service control policy denies ec2:DescribeFlowLogs: exempt Flowkeeper's role") || !strings.Contains(a.Cause, "explicit deny in a service control policy") {
			t.Errorf("%q, %q", a.Cause, a.Advice)
		}
		if n := len(h.world.Calls("AssumeRole")); n > sessions+1 {
			t.Errorf("%d new sessions, which can't help against a denial by policy", n-sessions)
		}
		h.vanish(payments)
		time.Sleep(2 * refreshEvery)
		h.await("what vanished elsewhere to be back", func() bool { return h.countIn(payments) == 1 })
		refused.allow(payments, farRegion, "DescribeFlowLogs")
		refused.allow(payments, "eu-north-1", "DescribeFlowLogs")
		time.Sleep(2 * refreshEvery)
		h.await("the ends", func() bool { return len(h.levels(payments)) == 4 })
	})
}

// TestI7ASecondOutageBesideAStandingDenial: in many organisations a policy denies a Region without flow logs for ever.
// While it does, each outage of a Region with flow logs must have an alert and an end.
func TestI7ASecondOutageBesideAStandingDenial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.daemon.Config.Rehearsal.Schedule = "@every 1000h" // which has alerts of its own
		refused := h.refusing()
		h.joinPaymentsWithADenial(refused)
		want := []string{"medium eu-north-1"}
		expect := func(further string) {
			t.Helper()
			want = append(want, further)
			time.Sleep(5 * refreshEvery)
			if got := h.levels(payments); !slices.Equal(got, want) {
				t.Fatalf("%q, want %q", got, want)
			}
		}
		for range 2 {
			refused.deny(payments, farRegion, "DescribeFlowLogs", "service control policy")
			expect("high " + farRegion)
			refused.allow(payments, farRegion, "DescribeFlowLogs")
			expect("end")
		}
		if a := h.pager.of(alert.Pipeline); !strings.Contains(a[len(a)-1].Cause, "the Regions with protected flow logs can be refreshed again") {
			t.Errorf("%q", a[len(a)-1].Cause)
		}
		refused.deny(payments, farRegion, "DescribeFlowLogs", "service control policy")
		expect("high " + farRegion)
		h.halt() // the next daemon alerts of the end
		refused.allow(payments, farRegion, "DescribeFlowLogs")
		h.restart()
		expect("end")
		refused.allow(payments, "eu-north-1", "DescribeFlowLogs")
		expect("end")
	})
}

// TestAHighAlertGoesOnAsAMediumOne: a Region with flow logs fails, and then also one without, which the high alert
// covers. When only the second one still fails, the high alert ends, and a medium alert is about the second.
func TestAHighAlertGoesOnAsAMediumOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		refused := h.refusing()
		h.daemon.Config.Inventory.Regions = append([]string{"eu-north-1"}, someRegions...)
		h.plantEverywhere(payments)
		h.join(payments, "payments-prod")
		h.refreshed()
		h.await("all Regions", func() bool { return h.allRefreshed(payments) })
		refused.deny(payments, farRegion, "DescribeFlowLogs", "")
		time.Sleep(4 * refreshEvery)
		refused.deny(payments, "eu-north-1", "DescribeFlowLogs", "")
		time.Sleep(4 * refreshEvery)
		refused.allow(payments, farRegion, "DescribeFlowLogs")
		time.Sleep(4 * refreshEvery)
		got, want := h.levels(payments), []string{"end", "high " + farRegion, "medium eu-north-1"}
		if slices.Sort(got); !slices.Equal(got, want) { // sorted, because two of them are sent at the same time
			t.Fatalf("%q, want %q", got, want)
		}
		refused.allow(payments, "eu-north-1", "DescribeFlowLogs")
		time.Sleep(4 * refreshEvery)
		if got := h.levels(payments); len(got) != 4 {
			t.Errorf("%q", got)
		}
	})
}

// TestManyAccountsRefuse: more than pipeline.MostSingle accounts share one alert, even if they refuse different
// calls. It ends with the last of them, also after a restart. A restart adds no alert.
func TestManyAccountsRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operation, cause string
		level            alert.Level
	}{
		"their Regions":   {"DescribeRegions", "which Regions the account team-", alert.High},
		"their flow logs": {"DescribeFlowLogs", "the inventory can't be refreshed", alert.Medium},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := organized(t)
				refused := h.refusing()
				h.world.SetRegions(region, farRegion)
				h.daemon.Config.Inventory.Regions = []string{"all"}
				team := func(n int) string { return fmt.Sprint(333344440000 + n) }
				for n := range pipeline.MostSingle + 5 {
					refused.deny(team(n), "*", c.operation, "service control policy")
					h.join(team(n), "team-"+fmt.Sprint(n))
				}
				h.refreshed()
				count := func() (own, together, ends int) {
					for _, a := range h.pager.of(alert.Pipeline) {
						switch {
						case a.Resolves():
							ends++
						case a.Account == "" && (strings.Contains(a.Cause, "more than 10 accounts") || strings.Contains(a.Cause, "of many accounts")) && strings.Contains(a.Cause, "team-"):
							together++
						case strings.Contains(a.Cause, c.cause) && a.Level == c.level:
							own++
						default:
							t.Fatalf("%+v", a)
						}
					}
					return own, together, ends
				}
				alerted := func() bool {
					own, together, ends := count()
					return own == pipeline.MostSingle && together == 1 && ends == 0
				}
				time.Sleep(4 * refreshEvery)
				h.await("the alerts", alerted)
				h.halt()
				h.restart()
				time.Sleep(4 * refreshEvery)
				if !alerted() {
					own, together, ends := count()
					t.Errorf("after a restart: %d alerts of one account, %d of several, %d ends", own, together, ends)
				}
				for _, line := range []string{"can't list the Regions of accounts", "AWS does not say which Regions accounts have enabled"} {
					if n := strings.Count(h.log.String(), `"msg":"`+line); n > 2 {
						t.Errorf("%d lines of log in two starts, want 2 at most: %s", n, line)
					}
				}
				further := strings.Count(h.log.String(), `"msg":"refresh failed in several accounts`)
				if want := map[string]int{"DescribeFlowLogs": 2}[c.operation]; further != want {
					t.Errorf("%d lines of log have further Regions in two starts, want %d", further, want)
				}
				for n := range pipeline.MostSingle + 5 {
					refused.allow(team(n), "*", c.operation)
				}
				time.Sleep(pipeline.TriedAfter + 2*discoverEvery)
				h.await("the ends", func() bool {
					own, together, ends := count()
					return own == pipeline.MostSingle && together == 1 && ends == own+1
				})
			})
		})
	}
}

// TestAlertsOfEarlierVersionsEnd: earlier versions alerted of an account or Region under other dedup keys. When the
// account or Region works again, these alerts must end too, once.
func TestAlertsOfEarlierVersionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.daemon.Config.Inventory.Regions = []string{"all"}
		h.world.SetRegions(region)
		h.join(payments, "payments-prod")
		h.refreshed()
		h.awaitProtected(payments)
		scope := inventory.Scope{Account: payments, Region: region}
		pipeline.New(outbox{h.daemon}, scope, alert.PartRefresh+" medium", "it works").Alert(t.Context(), "it fails")
		pipeline.New(outbox{h.daemon}, inventory.Scope{Account: payments}, alert.PartRefresh, "it works").Alert(t.Context(), "it fails")
		h.await("the alerts", func() bool { return len(h.levels(payments)) == 2 })
		for range 2 { // the second daemon must add no further end
			h.halt()
			h.restart()
			time.Sleep(2 * discoverEvery)
			h.await("the ends", func() bool { return len(h.levels(payments)) == 4 })
		}
		keys := map[string]int{}
		for _, a := range h.pager.of(alert.Pipeline) {
			keys[a.DedupKey]++
		}
		if len(keys) != 2 {
			t.Errorf("alerts by dedup key: %v, want 2 keys", keys)
		}
	})
}

// hangingSink is a sink whose Send returns only when its context ends, with an error.
type hangingSink struct{ entered chan struct{} }

func (s hangingSink) Send(ctx context.Context, _ alert.Alert) error {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestI7NobodyWaitsForAlertsOfPlaces: refreshes report accounts and Regions that fail or work again. They must not wait
// for the alerts, even if the disk is full and the sinks hang.
func TestI7NobodyWaitsForAlertsOfPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := hangingSink{make(chan struct{}, 1)}
		h.daemon.Sinks = map[string]sink.Sink{"hanging": s}
		ctx, cancel := context.WithCancel(t.Context())
		d := h.connected(ctx)
		h.fullDisk()
		var running sync.WaitGroup
		for _, o := range (places{d}).all() {
			running.Go(func() {
				if err := o.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		failed := errors.New("refused")
		began := time.Now()
		for n := range 3 {
			d.refreshes.accounts.fail(ctx, fmt.Sprint(n), 1, failed)
			d.refreshes.regions.Fail(inventory.Scope{Account: fmt.Sprint(n), Region: region}, scopes.OtherRefusal, failed)
		}
		<-s.entered
		d.refreshes.accounts.fail(ctx, "x", 1, failed)
		d.refreshes.accounts.works("1")
		d.refreshes.regions.Works(home)
		d.refreshes.accounts.forget([]string{"2"})
		if took := time.Since(began); took > 0 {
			t.Errorf("the reports took %s", took)
		}
		cancel()
		running.Wait()
	})
}

// TestADepartedAccountIsForgotten: the failure of an account is expected and has no alert. The account departs and
// comes back: its next failure must not count as expected, because it may have protected flow logs now.
func TestADepartedAccountIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.connected(t.Context()).refreshes.accounts
	a.note(payments, true, errors.New("refused"))
	a.forget([]string{payments})
	a.fail(t.Context(), payments, 1, errors.New("refused"))
	if a.Fail(inventory.Scope{Account: payments}, "", errors.New("refused")) { // true: a.fail has not reported the failure
		t.Error("the failure has no alert")
	}
}
