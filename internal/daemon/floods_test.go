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

// slowSink is a sink that takes 50 ms for each alert. It keeps the alerts in the order in which they came.
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

// before counts the alerts that came before the first alert of a kind; -1: there is none of that kind yet.
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

// floods cause n records, or n pairs of them, of calls that anybody can make; by the kind of call.
var floods = map[string]func(h *house, id string, n int){
	"refused calls and dry runs": func(h *house, id string, n int) {
		nobody := ec2.New(ec2.Options{Region: region, HTTPClient: h.world.HTTPClient(), Credentials: h.user("nobody")})
		h.world.Deny("nobody", "DeleteFlowLogs")
		for k := range n {
			if _, err := nobody.DeleteFlowLogs(h.t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: inventedIDs(k, 1000)}); err == nil {
				h.t.Fatal("the deletion was not refused")
			}
			if _, err := h.attacker.DeleteFlowLogs(h.t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}, DryRun: aws.Bool(true)}); err == nil {
				h.t.Fatal("the call was no dry run")
			}
		}
	},
	"tampering with different parameters": func(h *house, _ string, n int) {
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

// bring puts the record of a call by user nobody into the queue; k makes its event ID.
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

// TestI7I12AFloodBeforeADeletion: a principal without permissions tries to delete a thousand invented IDs again and
// again, and another principal makes dry runs and then deletes. Although the sinks are slow, the alert of the deletion
// comes after at most ten others.
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
		h.await("the alert of the deletion", func() bool { return s.before(alert.Deletion) >= 0 })
		if posts := s.before(alert.Deletion); posts > 10 {
			t.Errorf("sink %d got %d alerts before that of the deletion", n, posts)
		}
	}
	h.await("all records to be acknowledged", func() bool { return h.world.Deleted(h.queue) >= 2*calls+1 })
	if n := len(h.pager.of(alert.Attempt)); n < 2 || n > 10 {
		t.Errorf("%d alerts of %d attempts, want 2 to 10", n, 2*calls)
	}
	if d := h.daemon.store.Dropped(); d.Rows > 0 {
		t.Errorf("rows were dropped: %+v", d)
	}
}

// TestI7I12NoFloodDelaysADeletion: an attacker makes 300 calls that anybody can make, and then deletes a flow log.
// Within three seconds the flow log is restored and each sink has the alert, although a sink takes 50 ms for each
// alert.
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
				time.Sleep(2 * time.Minute) // until the scope is refreshed, and the flow log is old enough to count as lost
				if !h.isRefreshed(home) {
					t.Fatal("the scope is not refreshed")
				}
				before, err := os.Stat(d.Config.State.Path)
				if err != nil {
					t.Fatal(err)
				}
				const calls = 300
				flood(h, id, calls)
				h.strike(id)
				begun := time.Now()
				for !sinks[0].hasDeletion(id) || !sinks[1].hasDeletion(id) || h.countOn(region, "vpc-1") != 1 {
					if time.Since(begun) > 3*time.Second {
						t.Errorf("after 3 s: alerted %v and %v, %d flow logs are there", sinks[0].hasDeletion(id), sinks[1].hasDeletion(id), h.countOn(region, "vpc-1"))
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
				if visible, hidden := h.world.QueueDepth(h.queue); visible+hidden > 0 {
					t.Errorf("%d messages are left in the queue", visible+hidden)
				}
				n := len(h.pager.of(alert.Attempt)) + len(h.pager.of(alert.Tamper)) + len(h.pager.of(alert.Deletion))
				if most := 12; n > most && !strings.Contains(name, "foreign") {
					t.Errorf("%d alerts, want %d at most", n, most)
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
