// Package system_test runs the real binary against LocalStack, as a user would:
// with a YAML file, with the rule's real pattern, and with flow logs that somebody
// deletes. The tests play CloudTrail, which LocalStack does not have.
package system_test

import (
	"os"
	"syscall"
	"testing"

	"flowkeeper/test/localstack"
)

// shared is the LocalStack of this test process.
var shared localstack.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// TestRestores: deleted flow logs come back exactly once, with every setting and tag, if their record comes by
// EventBridge or SNS, and again if the replacement is deleted, too (I4, I6).
func TestRestores(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shared.Get(t))
	hook := newWebhook(t)
	before := w.createFlowLogs(t)

	d := startDaemon(t, w, hook)
	d.waitFor(t, "the snapshot holds every flow log", func() error { return d.knows(t, before.ids()) })

	vpcGroup, subnetBucket, eniGroup := before["vpc to logs"], before["subnet to s3"], before["eni to logs"]
	deletedAtOnce := deletion(w, vpcGroup.id, subnetBucket.id, eniGroup.id)
	w.delete(t, vpcGroup.id, subnetBucket.id, eniGroup.id)
	w.putEvent(t, deletedAtOnce)
	d.checkRestored(t, w, hook, before, deletedAtOnce)

	eniBucket := before["eni to s3"]
	bySNS := deletion(w, eniBucket.id)
	w.delete(t, eniBucket.id)
	w.publish(t, bySNS)
	d.checkRestored(t, w, hook, before, bySNS)

	replacement := w.now(t)[vpcGroup.settings.key()][0]
	again := deletion(w, replacement.id)
	w.delete(t, replacement.id)
	w.putEvent(t, again)
	d.checkRestored(t, w, hook, before, again)

	d.waitFor(t, "the queue is empty", func() error { return w.queuesEmpty(t) })
	d.stop(t, syscall.SIGTERM)
	w.checkExactlyOne(t, before)
	d.checkLog(t, hook)
}
