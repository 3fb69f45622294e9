package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/pipeline"
	"flowkeeper/inventory"
)

// taken returns the lines that were logged since it was last called.
func (l *lines) taken() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return slices.Collect(strings.Lines(l.b.String()))
}

// TestAStartWithFailuresIsShort: 30 accounts of an organisation refuse a call. A start logs at most 20 lines, which
// name each account, and include one line for each alert. The same holds for the next start, which adds no alert.
func TestAStartWithFailuresIsShort(t *testing.T) {
	t.Parallel()
	team := func(n int) string { return fmt.Sprint(333344440000 + n) }
	const teams = 30
	for name, c := range map[string]struct {
		operation string // the operation that AWS refuses; empty: AWS refuses AssumeRole
		protected bool   // an earlier daemon has found protected flow logs in the accounts
	}{
		"their roles":                    {"", false},
		"their roles, and had flow logs": {"", true},
		"their flow logs":                {"DescribeFlowLogs", false},
		"their Regions":                  {"DescribeRegions", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := organized(t)
				h.world.SetRegions(region)
				h.daemon.Config.Inventory.Regions = []string{"all"}
				refused := h.refusing()
				for n := range teams {
					h.world.AddAccount(fakeawstest.Root, team(n), fmt.Sprint("team-", n))
					if c.protected {
						h.world.AddRole(roleIn(team(n)), "")
						h.plantIn(team(n), "vpc-2")
					}
				}
				if c.protected {
					h.refreshed()
					h.awaitProtected(team(teams - 1))
					time.Sleep(2 * refreshEvery)
					h.halt()
				}
				for n := range teams {
					switch c.operation {
					case "":
						h.world.AddRole(roleIn(team(n)), "another external ID")
					default:
						h.world.AddRole(roleIn(team(n)), "")
						refused.deny(team(n), "*", c.operation, "")
					}
				}
				for start := range 2 {
					h.log.taken()
					if c.protected || start > 0 {
						h.restart()
					} else {
						h.refreshed()
					}
					time.Sleep(3 * refreshEvery)
					h.halt()
					got := h.log.taken()
					alerts := 0
					for _, line := range got {
						if strings.Contains(line, `"kind":"pipeline"`) {
							alerts++
						}
					}
					if want := []int{pipeline.MostSingle + 1, 0}[start]; alerts != want || len(h.pager.of(alert.Pipeline)) != pipeline.MostSingle+1 {
						t.Errorf("start %d: %d lines of log are about alerts, want %d; %d alerts since the first start, want %d", start+1, alerts, want, len(h.pager.of(alert.Pipeline)), pipeline.MostSingle+1)
					}
					if len(got) > 20 {
						t.Errorf("start %d: %d lines of log, want 20 at most:\n%s", start+1, len(got), strings.Join(got, ""))
					}
					for n := range teams {
						if c.operation != "DescribeRegions" && !slices.ContainsFunc(got, func(line string) bool {
							return strings.Contains(line, `"msg":"refresh failed`) && strings.Contains(line, team(n))
						}) {
							t.Errorf("start %d: no line says that %s is not refreshed", start+1, team(n))
						}
					}
				}
			})
		})
	}
}

// TestFailureLines: the first failure is logged at once. Failures that follow are logged together after a pause, in one
// line for each cause. The pauses grow while failures follow.
func TestFailureLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &lines{}
		l := &failureLines{log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}})), one: "one", many: "many"}
		refused, passes := errors.New("refused"), context.DeadlineExceeded
		step := func(pause time.Duration, want ...string) {
			t.Helper()
			time.Sleep(pause)
			synctest.Wait()
			var got []string
			for _, line := range out.taken() {
				got = append(got, strings.TrimSpace(line))
			}
			if !slices.Equal(got, want) {
				t.Errorf("logged %q, want %q", got, want)
			}
		}
		at := func(n int) inventory.Scope { return inventory.Scope{Account: fmt.Sprint(n)} }
		l.began(at(1), refused)
		step(0, `msg=one account=1 error=refused`)
		l.began(inventory.Scope{Account: "3", Region: region}, refused)
		l.began(at(2), refused)
		l.began(at(2), refused)
		l.began(at(4), passes)
		step(0)
		step(failurePauses.First, `msg=one account=4 error="context deadline exceeded"`, `msg=many account=2 error=refused failed="2, 3/eu-west-1"`)
		for n := range namedFailures + 2 {
			l.began(at(n), refused)
		}
		step(failurePauses.First)
		got := func() (n int) {
			time.Sleep(failurePauses.First)
			synctest.Wait()
			taken := out.taken()
			if len(taken) != 1 || !strings.Contains(taken[0], "2 more") {
				t.Errorf("%q", taken)
			}
			return strings.Count(strings.Join(taken, ""), ",")
		}()
		if got != namedFailures {
			t.Errorf("the line names %d accounts, want %d", got, namedFailures)
		}
		step(4 * failurePauses.First) // no failure follows
		l.began(at(5), refused)
		step(0, `msg=one account=5 error=refused`)
		l.began(at(6), refused)
		l.end()
		step(0, `msg=one account=6 error=refused`)
		step(time.Hour)
	})
}
