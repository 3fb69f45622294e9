package remediate

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/retry"
)

// sparingPause is how long a sparing client waits before it asks its bucket again: in that time it gets a token.
const sparingPause = 100 * time.Millisecond

// sparing is a client that makes at most half of the DescribeFlowLogs calls that AWS allows in a scope. They also take
// tokens from the bucket that restores use.
type sparing struct{ client }

// DescribeFlowLogs waits until it may call.
func (s sparing) DescribeFlowLogs(ctx context.Context, in *ec2.DescribeFlowLogsInput, opts ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	for !s.pace.refreshes.allow(s.now()) {
		if !retry.Sleep(ctx, sparingPause) {
			return nil, ctx.Err()
		}
	}
	s.pace.describes.reserve(s.now())
	out, err := s.client.DescribeFlowLogs(ctx, in, opts...)
	s.recordThrottle(s.pace.describes, err)
	s.recordThrottle(s.pace.refreshes, err)
	return out, err
}
