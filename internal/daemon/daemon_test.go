package daemon

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
)

func TestDeletedIsAlertedAndRestored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	h.await("its alerts", func() bool { return len(h.pager.of(alert.Restored)) == 1 && len(h.pager.of(alert.Closed)) == 1 })
	if a := h.pager.of(alert.Deletion); len(a) != 1 || a[0].Actor == nil || !strings.HasSuffix(a[0].Actor.ARN, "user/mallory") {
		t.Errorf("%+v", a)
	}
	h.await("the queue to be empty", func() bool { v, f := h.world.QueueDepth(h.queue); return v+f == 0 })
	h.halt()
}

// TestI10StopsInTheMiddle: a stop while creates are refused and the alert sink
// hangs ends the daemon with nil, and the next start finishes the work.
func TestI10StopsInTheMiddle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.Throttle("CreateFlowLogs", 1)
	h.strike(id)
	h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) == 1 })
	h.halt()
	h.again()
	h.awaitBack(region, "vpc-1")
}

// TestUnknownIsAlertedAndNotCreated: the deletion of a flow log that the snapshot never had is
// alerted, and no flow log is created.
func TestUnknownIsAlertedAndNotCreated(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	h.world.MuteTrail(true)
	id := h.plant(region, "vpc-1")
	h.world.MuteTrail(false)
	h.strike(id)
	h.await("the alerts", func() bool {
		return len(h.pager.of(alert.Deletion)) == 1 && strings.Contains(h.log.String(), `"kind":"closed"`)
	})
	if n := len(h.world.Calls("CreateFlowLogs")); n != 0 {
		t.Errorf("%d creates of what nobody knows", n)
	}
	if n := len(h.pager.of(alert.Closed)); n != 0 {
		t.Error("the pager is resolved at once: it is to ring for five minutes")
	}
}

// TestCreatedIsLearnedAtOnce: a flow log that is created and deleted between two refreshes is
// in the snapshot.
func TestCreatedIsLearnedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Inventory.Schedule = "@every 1h"
	h.world.AddResource(account, region, "vpc-1")
	h.plant(region, "vpc-2") // to the same bucket, or the new one would be held
	h.refreshed()
	out, err := h.attacker.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
		ResourceIds: []string{"vpc-1"}, ResourceType: "VPC", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: aws.String(bucket),
	})
	if err != nil || len(out.FlowLogIds) != 1 {
		t.Fatalf("%v %v", out, err)
	}
	h.await("the record to be taken", func() bool { return h.world.Deleted(h.queue) > 0 })
	h.strike(out.FlowLogIds...)
	h.await("the flow log to be back", func() bool { return len(h.world.FlowLogs(account, region)) == 2 })
}

// TestDriftAlone: the trail is stopped, and the refresh finds the loss.
func TestDriftAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.MuteTrail(true)
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) == 1 })
	if a := h.pager.of(alert.Deletion)[0]; a.Actor != nil {
		t.Errorf("nobody knows who it was: %+v", a.Actor)
	}
}
