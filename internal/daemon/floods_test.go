package daemon

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// before counts the alerts before the first one of a kind; -1: there is none yet.
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

// hasDeletion reports whether the sink has the alert that a flow log was deleted.
func (s *slowSink) hasDeletion(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.got, func(a alert.Alert) bool {
		return a.Kind == alert.Deletion && slices.ContainsFunc(a.FlowLogs, func(f alert.FlowLog) bool { return f.FlowLogID == id })
	})
}

// withSlowSinks gives the daemon two sinks that are slow.
func (h *house) withSlowSinks() []*slowSink {
	sinks := []*slowSink{{}, {}}
	for n, s := range sinks {
		h.daemon.Sinks[fmt.Sprint("slow-", n)] = s
	}
	return sinks
}

// floods send a number of records of calls that anybody can make, by the kind of call.
var floods = map[string]func(h *house, id string, n int){
	"refused calls and dry runs": func(h *house, id string, n int) {
		nobody := ec2.New(ec2.Options{Region: region, HTTPClient: h.world.HTTPClient(), Credentials: h.user("nobody")})
		h.world.Deny("nobody", "DeleteFlowLogs")
		for k := range n {
			if _, err := nobody.DeleteFlowLogs(h.t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: inventedIDs(k, 1000)}); err == nil {
				h.t.Fatal("it may")
			}
			if _, err := h.attacker.DeleteFlowLogs(h.t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}, DryRun: aws.Bool(true)}); err == nil {
				h.t.Fatal("no dry run")
			}
		}
	},
	"tampering with ever other parameters": func(h *house, _ string, n int) {
		for k := range n {
			h.bring(k, account, "s3", "PutBucketPolicy", fmt.Sprintf(`{"bucketName":"flow-logs","bucketPolicy":{"Id":"%d"}}`, k))
		}
	},
	"deletions of unknown flow logs": func(h *house, _ string, n int) {
		for k := range n {
			h.bring(k, account, "ec2", "DeleteFlowLogs", invented(k, 10))
		}
	},
	"deletions in foreign accounts": func(h *house, _ string, n int) {
		for k := range n {
			h.bring(k, fmt.Sprintf("9%011d", k), "ec2", "DeleteFlowLogs", invented(k, 1000))
		}
	},
	"tampering in foreign accounts": func(h *house, _ string, n int) {
		for k := range n {
			h.bring(k, fmt.Sprintf("9%011d", k), "s3", "PutBucketPolicy", `{"bucketName":"flow-logs"}`)
		}
	},
}

func inventedIDs(k, n int) (ids []string) {
	for m := range n {
		ids = append(ids, fmt.Sprintf("fl-%017x", 0xf00000000+n*k+m))
	}
	return ids
}

func invented(k, n int) string {
	items := make([]string, 0, n)
	for m, id := range inventedIDs(k, n) {
		items = append(items, fmt.Sprintf(`{"tag":%d,"content":%q}`, m+1, id))
	}
	return `{"DeleteFlowLogsRequest":{"FlowLogId":[` + strings.Join(items, ",") + `]}}`
}

// bring puts the record of somebody's call on the queue.
func (h *house) bring(k int, account, service, event, request string) {
	h.t.Helper()
	now := time.Now().UTC().Format(time.RFC3339)
	detail := fmt.Sprintf(`{"eventVersion":"1.11","eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true,"eventTime":%q,"eventSource":"%s.amazonaws.com","eventName":%q,`+
		`"awsRegion":%q,"recipientAccountId":%q,"eventID":"6f0c0000-0000-4000-8000-%012d","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/nobody","accountId":"111122223333"},"requestParameters":%s}`,
		now, service, event, region, account, k, request)
	body := fmt.Sprintf(`{"version":"0","id":"e-%d","detail-type":"AWS API Call via CloudTrail","source":"aws.%s","account":%q,"time":%q,"region":%q,"detail":%s}`, k, service, account, now, region, detail)
	if err := h.world.Send(h.queue, body); err != nil {
		h.t.Fatal(err)
	}
}

// TestI7I12AFloodBeforeADeletion: a principal without permissions calls with a thousand
// invented IDs each time, another one makes dry runs and then deletes. The records go through
// the real watcher, and the sinks are slow.
func TestI7I12AFloodBeforeADeletion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sinks := h.withSlowSinks()
	id := h.plant(region, "vpc-1")
	h.refreshed()
	const calls = 100
	floods["refused calls and dry runs"](h, id, calls)
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

// TestI7I12NoFloodDelaysADeletion: 300 calls that anybody can repeat, and then a real
// deletion. Within three seconds it is restored, and each sink has its alert, though each post
// takes 50 ms.
func TestI7I12NoFloodDelaysADeletion(t *testing.T) {
	t.Parallel()
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				sinks := h.withSlowSinks()
				h.daemon.Config.Inventory.Schedule = "@every 5m"
				id := h.plant(region, "vpc-1")
				ctx, cancel := context.WithCancel(t.Context())
				d := h.connected(ctx)
				done := make(chan error, 1)
				go func() { done <- d.loops(ctx) }()
				time.Sleep(2 * time.Minute) // it is refreshed, and AWS shows what there is
				if !h.scopeDone(home) {
					t.Fatal("not refreshed")
				}
				before, err := os.Stat(d.Config.State.Path)
				if err != nil {
					t.Fatal(err)
				}
				const calls = 300
				flood(h, id, calls)
				h.strike(id)
				begun := time.Now()
				for !sinks[0].hasDeletion(id) || !sinks[1].hasDeletion(id) || h.on(region, "vpc-1") != 1 {
					if time.Since(begun) > 3*time.Second {
						t.Errorf("after 3 s: alerted %v and %v, %d flow logs are there", sinks[0].hasDeletion(id), sinks[1].hasDeletion(id), h.on(region, "vpc-1"))
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(6 * time.Minute)
				after, err := os.Stat(d.Config.State.Path)
				if err != nil {
					t.Fatal(err)
				}
				if grew := after.Size() - before.Size(); grew > 64<<20 {
					t.Errorf("the state file grew by %d KB", grew>>10)
				}
				if left, flying := h.world.QueueDepth(h.queue); left+flying > 0 {
					t.Errorf("%d messages are left", left+flying)
				}
				n := len(h.pager.of(alert.Attempt)) + len(h.pager.of(alert.Tamper)) + len(h.pager.of(alert.Deletion))
				if most := 12; n > most && !strings.Contains(name, "foreign") {
					t.Errorf("%d alerts", n)
				}
				t.Logf("%d alerts, %d KB", n, (after.Size()-before.Size())>>10)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
