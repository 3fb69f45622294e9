package remediate_test

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// fleet has clients for some scopes.
type fleet map[inventory.Scope]remediate.EC2

func (f fleet) EC2(s inventory.Scope) (remediate.EC2, bool) { api, ok := f[s]; return api, ok }

// calls is AWS, where a test answers some calls itself, and counts them. n is the number of
// the call, from 1. AWS answers where the test returns neither an answer nor an error.
type calls struct {
	remediate.EC2
	create   func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error)
	describe func(n int, in *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error)

	creates, describes atomic.Int32
}

// answering makes a test answer the calls of the scene's Flowkeeper.
func (s *scene) answering(c *calls) *calls {
	c.EC2 = s.api
	s.r.Fleet = fleet{scope: c}
	return c
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
