package doctor

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

// TestUnanswered: if AWS does not answer, a check says unknown, why, and what to do. For example, if DNS finds no host,
// the Region is probably misspelled: the error of the resolver alone would not tell people that.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	call := func(err error) error {
		return &smithy.OperationError{ServiceID: "EC2", OperationName: "DescribeFlowLogs", Err: err}
	}
	for _, c := range []struct {
		name      string
		err       error
		text, fix string
	}{
		{"no such host", call(&net.DNSError{Err: "no such host", Name: "ec2.us-eats-1.amazonaws.com", IsNotFound: true}), "finds no host ec2.us-eats-1.amazonaws.com", "inventory.regions"},
		{"the resolver does not answer", call(&net.DNSError{Err: "i/o timeout", Name: "ec2.us-east-1.amazonaws.com", IsTimeout: true}), "ec2:DescribeFlowLogs was answered with", ""},
		{"denied", call(&smithy.GenericAPIError{Code: "UnauthorizedOperation"}), "ec2:DescribeFlowLogs is not allowed", "allow ec2:DescribeFlowLogs"},
		{"not an error of a call to AWS", errors.New("broken"), "can't tell: broken", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if f := unanswered(c.err); f.status != Unknown || !strings.Contains(f.detail, c.text) || !strings.Contains(f.fix, c.fix) || c.fix == "" && f.fix != "" {
				t.Errorf("%+v", f)
			}
		})
	}
}
