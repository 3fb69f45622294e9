package scopes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestSaid: AWS's code and message are what is left of an error of the SDK.
func TestSaid(t *testing.T) {
	t.Parallel()
	call := func(service, operation string, err error) error {
		return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: err}
	}
	answer := func(code, message string) error {
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 403}}, Err: &smithy.GenericAPIError{Code: code, Message: message}}
	}
	for want, err := range map[string]error{
		"AccessDenied: not authorized to perform: sts:AssumeRole": call("EC2", "DescribeFlowLogs", fmt.Errorf("get identity: get credentials: failed to refresh cached credentials, %w",
			call("STS", "AssumeRole", answer("AccessDenied", "not authorized to perform: sts:AssumeRole")))),
		"UnauthorizedOperation":                            call("EC2", "DescribeFlowLogs", answer("UnauthorizedOperation", "")),
		"Throttling":                                       call("EC2", "DescribeFlowLogs", answer("Throttling", "Throttling")),
		"no answer in time":                                call("EC2", "DescribeFlowLogs", context.DeadlineExceeded),
		"something that is no answer of AWS's":             call("EC2", "DescribeFlowLogs", &smithy.DeserializationError{Err: errors.New("<html>")}),
		"dial tcp: connection refused":                     call("EC2", "DescribeFlowLogs", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}),
		NoCredentialsText:                                  call("STS", "GetCallerIdentity", errors.New("no EC2 IMDS role found")),
		(&WrongAccountError{Want: "1", Have: "2"}).Error(): fmt.Errorf("verify: %w", &WrongAccountError{Want: "1", Have: "2"}),
		"something else":                                   errors.New("something else"),
	} {
		if got := Said(err); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}
