package remediate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
)

// describes is an EC2 client that answers DescribeFlowLogs at once, and counts the calls.
type describes struct {
	EC2
	calls int
}

func (d *describes) DescribeFlowLogs(context.Context, *ec2.DescribeFlowLogsInput, ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	d.calls++
	return &ec2.DescribeFlowLogsOutput{}, nil
}

// TestSparingLeavesHalf: refreshes without a pause, of a scope with many pages, make at most half of the calls
// that AWS grants (100 at once and 20 a second), so that restores have the other half. After a pause, a refresh
// may make many calls at once again.
func TestSparingLeavesHalf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api, m := &describes{}, newScopeMemory(time.Now())
		call := func() {
			c := sparing{client{EC2: api, pace: m.pace, now: time.Now}} // each refresh has its own
			if _, err := c.DescribeFlowLogs(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		for start := time.Now(); time.Since(start) < time.Minute; {
			call()
			if most := 50 + 10*time.Since(start).Seconds() + 1e-6; float64(api.calls) > most {
				t.Fatalf("%d calls in %s", api.calls, time.Since(start))
			}
		}
		if api.calls < 50+10*59 {
			t.Errorf("%d calls in a minute, want at least %d", api.calls, 50+10*59)
		}
		if n := m.pace.describes.available(time.Now()); n < 50 {
			t.Errorf("%d calls are left for restores, want at least 50", n)
		}
		time.Sleep(5 * time.Second)
		api.calls = 0
		for start := time.Now(); time.Since(start) == 0; {
			call()
		}
		if n := api.calls - 1; n < 45 || n > 50 { // without the last call, which waited
			t.Errorf("%d calls at once after a pause, want 45 to 50", n)
		}
	})
}

// TestSparingEndsWithItsContext: a call that waits for its turn ends without a call to AWS when its context
// ends.
func TestSparingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api, m := &describes{}, newScopeMemory(time.Now())
		m.pace.refreshes.tokens = -100
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := (sparing{client{EC2: api, pace: m.pace, now: time.Now}}).DescribeFlowLogs(ctx, nil); err == nil || api.calls > 0 {
			t.Errorf("%v, %d calls", err, api.calls)
		}
	})
}

// TestSparingGivesWayToRestores: a sparing refresh may begin only while at least half of the scope's calls are
// left.
func TestSparingGivesWayToRestores(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Remediator{Now: time.Now}
		describes := r.memory(inventory.Scope{}).pace.describes
		for _, c := range []struct {
			after time.Duration
			want  bool
		}{{0, false}, {time.Second, false}, {2 * time.Second, true}} {
			describes.tokens = 20
			time.Sleep(c.after)
			if got := r.AllowSparing(inventory.Scope{}); got != c.want {
				t.Errorf("%s after 20 calls were left: allowed %v", c.after, got)
			}
		}
		describes.throttled(time.Now())
		if r.AllowSparing(inventory.Scope{}) {
			t.Error("a refresh may begin while AWS throttles")
		}
	})
}
