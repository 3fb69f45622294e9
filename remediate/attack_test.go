package remediate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// TestI12AGraverCallIsNotHeldByALongFlood: however long a principal has repeated
// what does less, that a destination is gone is alerted at once.
func TestI12AGraverCallIsNotHeldByALongFlood(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for window := range 6 {
		for k := range 15 {
			s.hear(s.tampering("cloudtrail", "StopLogging", fmt.Sprintf("trail-%d-%d", window, k), nil))
		}
		s.pass(5*time.Minute + time.Second)
		s.work()
	}
	s.hear(s.tampering("s3", "DeleteBucket", "flow-logs", nil))
	if all := s.alerts(alert.Tamper); all[len(all)-1].Level != alert.Critical {
		t.Error("a destination is gone, and that is held")
	}
}

// TestI12AGraverCallIsNotHeldByMany: nor where so many bursts are remembered that
// no other can be.
func TestI12AGraverCallIsNotHeldByMany(t *testing.T) {
	t.Parallel()
	s := dependent(t)
	for k := range 800 {
		s.hear(s.tampering("s3", "PutBucketPolicy", "flow-logs", func(r *cloudtrail.Record) { r.Account = fmt.Sprintf("%012d", k) }))
	}
	for _, who := range []string{account, "999988887777"} {
		s.hear(s.tampering("s3", "DeleteBucket", "flow-logs", func(r *cloudtrail.Record) { r.Account = who }))
		if all := s.alerts(alert.Tamper); all[len(all)-1].Level != alert.Critical {
			t.Errorf("a destination is gone, by a record of %s, and that is held", who)
		}
	}
}

// TestI9ForgedRecordsOfOthersDelayNoRestore: records name flow logs that are there,
// older than the one that is gone: the observations of these take turns with others,
// however slow the machine is.
func TestI9ForgedRecordsOfOthersDelayNoRestore(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(450)
	young := s.plant("vpc-young", nil)
	s.learn()
	s.hear(s.decoded(nobody, "", "", ids...))
	for range 16 { // each of the forged ones was observed, and is due again
		s.step()
		s.now = s.now.Add(5 * time.Second)
	}
	s.hear(s.attack(young))
	for range 2 {
		s.step()
		s.now = s.now.Add(5 * time.Second)
	}
	s.restored("vpc-young")
}

// TestI12AMessageOfManyRecordsHoldsNoOther: a message has room for records without
// end; each commit of it is short.
func TestI12AMessageOfManyRecordsHoldsNoOther(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	var fs []detection.Finding
	for k := range 6 {
		fs = append(fs, s.decoded(nobody, "", "", madeUpIDs(400, 400*k)...))
	}
	counting := &countingStore{Store: s.store.Remediation()}
	s.r.Store = counting
	s.hear(fs...)
	if counting.most != 800 || counting.all != 2400 {
		t.Errorf("%d incidents, %d of them in one transaction", counting.all, counting.most)
	}
}

// countingStore counts the incidents that its transactions write: all, and those of
// the one with the most.
type countingStore struct {
	remediate.Store
	all, most int
}

func (c *countingStore) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	return c.Store.Update(ctx, func(tx remediate.Tx) error {
		counting := &countingTx{Tx: tx}
		err := fn(counting)
		c.all, c.most = c.all+counting.incidents, max(c.most, counting.incidents)
		return err
	})
}

type countingTx struct {
	remediate.Tx
	incidents int
}

func (c *countingTx) SaveCase(of *incident.Case) error {
	_, incidents := of.Changes()
	c.incidents += len(incidents)
	return c.Tx.SaveCase(of)
}
