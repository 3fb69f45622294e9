package remediate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

const evil = "arn:aws:s3:::mallory"

func toEvil(f *fakeaws.FlowLog) { f.LogDestination = evil + "/a" }

// withHeldFlowLog returns a scene with a protected flow log, and one that appeared later and delivers to a
// bucket of mallory's: the ID is that of the second.
func withHeldFlowLog(t *testing.T) (s *scene, id string) {
	t.Helper()
	s = newScene(t)
	s.world.AddDestination(evil)
	s.protect(1)
	id = s.plant("vpc-2", toEvil)
	s.deliver(s.recordOfCreate(id))
	return s, id
}

// TestAHeldFlowLogIsNotRestored: an attacker's flow log is alerted, with the command that approves its
// destination. It is not restored, whether a record or a refresh shows its loss, unless a person asks for it.
func TestAHeldFlowLogIsNotRestored(t *testing.T) {
	t.Parallel()
	for name, byRecord := range map[string]bool{"by a record": true, "by a refresh": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := withHeldFlowLog(t)
			if r := s.row(id); !r.Held || r.Protected {
				t.Fatalf("%+v", r)
			}
			a := s.alerts(alert.Destination)
			if len(a) != 1 || a[0].Level != alert.High || a[0].FlowLogs[0].FlowLogID != id || !strings.Contains(a[0].Advice, "it is held") ||
				!strings.Contains(a[0].Text, "`flowkeeper inventory approve "+evil+"`") || !strings.Contains(a[0].Text, "made by "+mallory) {
				t.Fatalf("%+v", a)
			}
			s.now = s.now.Add(time.Hour)
			deletion := s.attack(id)
			if byRecord {
				s.deliver(deletion)
			} else {
				s.refresh()
			}
			s.advance(time.Hour)
			s.wantState(id, incident.Closed, incident.Held)
			s.wantAlertCounts(map[alert.Kind]int{alert.Destination: 1, alert.Deletion: 1, alert.Closed: 1})
			if d := s.alerts(alert.Deletion)[0]; d.Level == alert.Informational || !strings.Contains(d.Text, "its destination is held") {
				t.Errorf("%+v", d)
			}
			_, err := s.r.Approve(t.Context(), []string{evil})
			s.must(err)
			s.advance(time.Hour)
			s.wantState(id, incident.Closed, incident.Held)
			if n := s.creates(); n != 0 {
				t.Errorf("%d creates", n)
			}
			i, _, err := s.r.RestoreByHand(t.Context(), scope, id)
			s.must(err)
			if i.State != incident.Restored || !s.row(i.NewID).Protected {
				t.Errorf("%+v, %+v", i, s.row(i.NewID))
			}
		})
	}
}

// TestWhatIsHeld: a flow log is held if it delivers to a bucket, or to the log groups or streams of an account,
// to which no protected flow log delivers; the prefix of a bucket does not matter. It is not held if the first
// refresh finds it, or if the protected flow logs that deliver there are lost at the moment.
func TestWhatIsHeld(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	group := func(account, name string) func(*fakeaws.FlowLog) {
		return func(f *fakeaws.FlowLog) {
			f.LogDestinationType, f.FileFormat = "cloud-watch-logs", ""
			f.LogDestination = "arn:aws:logs:" + region + ":" + account + ":log-group:" + name
		}
	}
	to := func(arn string) func(*fakeaws.FlowLog) {
		return func(f *fakeaws.FlowLog) { f.LogDestination = arn }
	}
	ids := []string{s.plant("vpc-1", nil), s.plant("vpc-2", toEvil), s.plant("vpc-3", group(account, "a"))}
	s.refresh()
	for _, id := range ids {
		if !s.row(id).Protected {
			t.Errorf("%s, which the first refresh found, is not protected", id)
		}
	}
	s.now = s.now.Add(time.Hour)
	s.deliver(s.attack(ids[1])) // it stays lost during the test
	for name, c := range map[string]struct {
		change func(*fakeaws.FlowLog)
		held   bool
	}{
		"a bucket in use, another prefix":  {to(bucket + "/other"), false},
		"the bucket of a lost flow log":    {to(evil + "/b"), false},
		"another bucket":                   {to("arn:aws:s3:::another"), true},
		"a bucket with the same beginning": {to(bucket + "-2"), true},
		"another log group of the account": {group(account, "b"), false},
		"a log group of another account":   {group("999988887777", "a"), true},
		"a stream of an account in use": {func(f *fakeaws.FlowLog) {
			f.LogDestinationType, f.LogDestination = "kinesis-data-firehose", "arn:aws:firehose:"+region+":"+account+":deliverystream/x"
		}, false},
		"a stream of another account": {func(f *fakeaws.FlowLog) {
			f.LogDestinationType, f.LogDestination = "kinesis-data-firehose", "arn:aws:firehose:"+region+":999988887777:deliverystream/x"
		}, true},
	} {
		id := s.plant("vpc-9", c.change)
		s.refresh()
		if r := s.row(id); r.Held != c.held || r.Protected == c.held {
			t.Errorf("%s: %+v", name, r)
		}
		s.world.Remove(account, region, id)
		s.refresh()
	}
}

// TestApprove: every flow log that delivers to an approved bucket is protected, also one that appears later. A
// flow log that is held for another bucket stays held.
func TestApprove(t *testing.T) {
	t.Parallel()
	s, id := withHeldFlowLog(t)
	other := s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })
	s.refresh()
	if _, err := s.r.Approve(t.Context(), []string{evil, "arn:aws:s3:::nobody"}); err == nil || !strings.Contains(err.Error(), "the bucket nobody") {
		t.Errorf("%v", err)
	}
	if !s.row(id).Held {
		t.Error("an approval that failed changed something")
	}
	rows, err := s.r.Approve(t.Context(), []string{evil + "/a"})
	s.must(err)
	if len(rows) != 1 || rows[0].ID != id || !s.row(id).Protected || !s.row(other).Held {
		t.Errorf("%+v", rows)
	}
	s.world.Remove(account, region, id)
	s.deliver(s.record(id))
	s.advance(time.Hour)
	s.wantState(id, incident.Verified, "")
	if rows, err := s.r.Approve(t.Context(), []string{evil}); err != nil || len(rows) != 0 {
		t.Errorf("the second time: %+v, %v", rows, err)
	}
	s.crash()
	third := s.plant("vpc-3", func(f *fakeaws.FlowLog) { f.LogDestination = evil + "/b" })
	s.refresh()
	if !s.row(third).Protected {
		t.Errorf("%+v", s.row(third))
	}
}

// TestListedIsNotHeld: after the next start, a held flow log is protected if inventory.destinations names its
// destination. It stays protected if the setting is removed.
func TestListedIsNotHeld(t *testing.T) {
	t.Parallel()
	s, id := withHeldFlowLog(t)
	s.policy.Destinations = []string{bucket + "*", evil + "*"}
	s.crash()
	s.refresh()
	if r := s.row(id); r.Held || !r.Protected {
		t.Errorf("%+v", r)
	}
	s.policy.Destinations = nil
	s.crash()
	s.refresh()
	if r := s.row(id); r.Held || !r.Protected {
		t.Errorf("%+v", r)
	}
}

// TestTheLimitNamesWhoHoldsThePlaces: AWS refuses the restore because the VPC has its maximum of flow logs, some
// of an attacker. The alert names them, says which one is not protected, and how to delete it.
func TestTheLimitNamesWhoHoldsThePlaces(t *testing.T) {
	t.Parallel()
	s, id := withHeldFlowLog(t)
	lost := s.plant("vpc-2", nil)
	ours := s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/other" })
	s.refresh()
	s.now = s.now.Add(time.Hour)
	s.world.Fail("CreateFlowLogs", 100, "FlowLogsLimitExceeded", 400)
	s.deliver(s.attack(lost))
	s.advance(time.Minute)
	i := s.wantState(lost, incident.Blocked, incident.Limit)
	for _, part := range []string{id + " (to " + evil + "/a, not protected: its destination is held, made by " + mallory + ")", ours + " (to " + bucket + "/other, protected: release it before)",
		"`aws ec2 delete-flow-logs --region " + region + " --flow-log-ids " + id + "`"} {
		if !strings.Contains(i.Advice, part) {
			t.Errorf("%q is not in %q", part, i.Advice)
		}
	}
	if a := s.alerts(alert.Blocked); len(a) != 1 || !strings.Contains(a[0].Text, id+" (to "+evil) {
		t.Errorf("%+v", a)
	}
}

// TestALateRegionTrustsNobody: an attacker enables a Region and makes a flow log there, to a
// destination of his own. The Region's first refresh does not trust that destination. While
// the account is being installed, what a Region's first refresh finds is trusted.
func TestALateRegionTrustsNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		later time.Duration
		held  bool
	}{"at the installation": {time.Hour, false}, "later": {25 * time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := protectedOne(t)
			s.sleep(c.later)
			other := inventory.Scope{Account: account, Region: "us-east-1"}
			s.world.AddDestination("arn:aws:s3:::evil")
			far := s.world.Plant(account, other.Region, fakeaws.FlowLog{ResourceID: "vpc-far", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::evil",
				LogFormat: "${version}", MaxAggregationInterval: 60, FileFormat: "parquet", CreatedAt: s.now})
			options := s.api.Options()
			options.Region = other.Region
			s.r.Fleet = fleet{scope: s.api, other: ec2.New(options)}
			_, err := s.r.Refresh(t.Context(), other)
			s.must(err)
			near := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::evil" })
			s.refresh()
			for _, id := range []string{far, near} {
				if row := s.row(id); row.Held != c.held || row.Protected == c.held {
					t.Errorf("%s is held: %t, protected: %t", id, row.Held, row.Protected)
				}
			}
		})
	}
}
