package remediate_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/tamper"
)

// fleet has the EC2 clients of some scopes.
type fleet map[inventory.Scope]remediate.EC2

func (f fleet) EC2(s inventory.Scope) (remediate.EC2, bool) { api, ok := f[s]; return api, ok }

// calls is an EC2 client for which a test answers some calls itself. It counts the calls; n is the number of a
// call, from 1. If the test's function returns neither an answer nor an error, the fake AWS answers.
type calls struct {
	remediate.EC2
	create   func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error)
	describe func(n int, in *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error)

	creates, describes atomic.Int32
}

// answering replaces the EC2 client of the scene's Flowkeeper by c.
func (s *scene) answering(c *calls) *calls {
	c.EC2 = s.api
	s.r.Fleet = fleet{scope: c}
	return c
}

// answered returns a function that gives the same answer to every create.
func answered(out *ec2.CreateFlowLogsOutput, err error) func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
	return func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) { return out, err }
}

func (c *calls) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, o ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error) {
	if n := int(c.creates.Add(1)); c.create != nil {
		if out, err := c.create(n, in); out != nil || err != nil {
			return out, err
		}
	}
	return c.EC2.CreateFlowLogs(ctx, in, o...)
}

func (c *calls) DescribeFlowLogs(ctx context.Context, in *ec2.DescribeFlowLogsInput, o ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	if n := int(c.describes.Add(1)); c.describe != nil {
		if out, err := c.describe(n, in); out != nil || err != nil {
			return out, err
		}
	}
	return c.EC2.DescribeFlowLogs(ctx, in, o...)
}

// full is a store that can't commit.
type full struct{ remediate.Store }

var errFull = errors.New("no space left on device")

// fullTampering is a store of package tamper that can't commit.
type fullTampering struct{ tamper.Store }

// fillDisk makes the stores of the remediator fail as on a full disk. emptyDisk ends that.
func (s *scene) fillDisk() {
	s.r.Store, s.r.Tampering = full{s.store.Remediation()}, s.tamperHandler(fullTampering{s.store.Tampering()})
}

func (s *scene) emptyDisk() {
	s.r.Store, s.r.Tampering = s.store.Remediation(), s.tamperHandler(s.store.Tampering())
}

// slow is an EC2 client whose creates take some time. It answers other calls at once.
type slow struct {
	remediate.EC2
	takes time.Duration
}

func (a slow) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, opts ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error) {
	if !retry.Sleep(ctx, a.takes) {
		return nil, ctx.Err()
	}
	return a.EC2.CreateFlowLogs(ctx, in, opts...)
}

// heartbeats notes the longest time between two calls of note.
type heartbeats struct {
	mu      sync.Mutex
	last    time.Time
	silence time.Duration
}

func (b *heartbeats) note() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silence, b.last = max(b.silence, time.Since(b.last)), time.Now()
}

// longest is the longest time without a call of note, until now.
func (b *heartbeats) longest() time.Duration {
	b.note()
	return b.silence
}

func (full) Update(context.Context, func(remediate.Tx) error) error { return errFull }

func (fullTampering) Update(context.Context, func(tamper.Tx) error) error { return errFull }
