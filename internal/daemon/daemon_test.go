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
	h.await("the alerts of the restore and of the end", func() bool { return len(h.pager.of(alert.Restored)) == 1 && len(h.pager.of(alert.Closed)) == 1 })
	if a := h.pager.of(alert.Deletion); len(a) != 1 || a[0].Actor == nil || !strings.HasSuffix(a[0].Actor.ARN, "user/mallory") {
		t.Errorf("%+v", a)
	}
	h.await("the queue to be empty", func() bool { v, f := h.world.QueueDepth(h.queue); return v+f == 0 })
	h.halt()
}

// TestI10StopsInTheMiddle: a daemon that is stopped after AWS has throttled its create ends without an error, and the
// next daemon restores the flow log.
func TestI10StopsInTheMiddle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.Throttle("CreateFlowLogs", 1)
	h.strike(id)
	h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) == 1 })
	h.halt()
	h.restart()
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
		t.Errorf("%d creates of a flow log whose settings are unknown", n)
	}
	if n := len(h.pager.of(alert.Closed)); n != 0 {
		t.Error("the pager's incident is resolved at once: it must stay open for five minutes")
	}
}

// TestCreatedIsLearnedAtOnce: a flow log is created and deleted between two refreshes. The record of its creation has
// brought it into the snapshot, so that it is restored.
func TestCreatedIsLearnedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Inventory.Schedule = "@every 1h"
	h.world.AddResource(account, region, "vpc-1")
	h.plant(region, "vpc-2") // to the same bucket: otherwise the new flow log would be held
	h.refreshed()
	out, err := h.attacker.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
		ResourceIds: []string{"vpc-1"}, ResourceType: "VPC", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: aws.String(bucket),
	})
	if err != nil || len(out.FlowLogIds) != 1 {
		t.Fatalf("%v %v", out, err)
	}
	h.await("the record to be acknowledged", func() bool { return h.world.Deleted(h.queue) > 0 })
	h.strike(out.FlowLogIds...)
	h.await("the flow log to be back", func() bool { return len(h.world.FlowLogs(account, region)) == 2 })
}

// TestDriftAlone: the trail is stopped, so that no record reports the deletion. A refresh finds the loss, and the flow
// log is restored.
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
		t.Errorf("the alert names an actor, and no record did: %+v", a.Actor)
	}
}
