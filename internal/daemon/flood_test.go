package daemon

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
)

// slowSink takes 50 ms a post, and keeps the order.
type slowSink struct {
	mu  sync.Mutex
	got []alert.Alert
}

func (s *slowSink) Send(ctx context.Context, a alert.Alert) error {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, a)
	return nil
}

// before counts the alerts before the first of a kind; -1 where there is none yet.
func (s *slowSink) before(k alert.Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, a := range s.got {
		if a.Kind == k {
			return n
		}
	}
	return -1
}

// TestI7I12AFloodBeforeADeletion: somebody without any permission calls with a
// thousand made-up IDs each time, somebody else tries dry runs, and then deletes:
// by the real watcher, and sinks that are slow.
func TestI7I12AFloodBeforeADeletion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sinks := []*slowSink{{}, {}}
	for n, s := range sinks {
		h.daemon.Sinks[fmt.Sprint("slow-", n)] = s
	}
	id := h.plant(region, "vpc-1")
	h.refreshed()
	nobody := ec2.New(ec2.Options{Region: region, HTTPClient: h.world.HTTPClient(), Credentials: h.user("nobody")})
	h.world.Deny("nobody", "DeleteFlowLogs")
	const calls = 100
	for k := range calls {
		ids := make([]string, 1000)
		for m := range ids {
			ids[m] = fmt.Sprintf("fl-%017x", 0xf00000000+1000*k+m)
		}
		if _, err := nobody.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids}); err == nil {
			t.Fatal("it may")
		}
		if _, err := h.attacker.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}, DryRun: aws.Bool(true)}); err == nil {
			t.Fatal("no dry run")
		}
	}
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	for n, s := range sinks {
		h.await("its alert", func() bool { return s.before(alert.Deletion) >= 0 })
		if posts := s.before(alert.Deletion); posts > 10 {
			t.Errorf("sink %d got %d alerts before that of the deletion", n, posts)
		}
	}
	h.await("all of them to be acknowledged", func() bool { return h.world.Deleted(h.queue) >= 2*calls+1 })
	if n := len(h.pager.of(alert.Attempt)); n < 2 || n > 10 {
		t.Errorf("%d alerts of %d attempts", n, 2*calls)
	}
	if d := h.daemon.store.Dropped(); d.Rows > 0 {
		t.Errorf("%+v", d)
	}
}
