package remediate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"pgregory.net/rapid"
)

// TestI9EveryAnswerHasAClass: the answers of docs/aws.md, "Creating flow logs".
func TestI9EveryAnswerHasAClass(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, message string
		class         class
		reason        string
	}{
		{"FlowLogAlreadyExists", "There is an existing Flow Log with the same configuration and log destination.", exists, ""},
		{"IdempotentParameterMismatch", "", mismatch, ""},
		{"RequestLimitExceeded", "Request limit exceeded.", retry, ""},
		{"Throttling", "Rate exceeded", retry, ""},
		{"InternalError", "An internal error has occurred", retry, ""},
		{"TagLimitExceeded", "", tagRefused, ""},
		{"400", "Unable to assume given IAM role", roleSlow, Role},
		{"InvalidParameterValue", "Unable to assume given IAM role arn:…", roleSlow, Role},
		{"UnauthorizedOperation", "You are not authorized to perform this operation.", blocked, Permission},
		{"UnauthorizedOperation", "not authorized to perform: iam:PassRole on resource", blocked, Permission},
		{"400", "User: x is not authorized to perform: logs:CreateLogDelivery", blocked, Permission},
		{"400", "Access Denied for LogDestination: bucket. Please check LogDestination permission", blocked, Destination},
		{"400", "LogDestination: bucket does not exist", blocked, Destination},
		{"400", "LogDestination: stream is undeliverable", blocked, Destination},
		{"FlowLogsLimitExceeded", "", blocked, Limit},
		{"InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist", noResource, ""},
		{"InvalidVpcId.NotFound", "", noResource, ""},
		{"InvalidSubnetID.NotFound", "", noResource, ""},
		{"InvalidNetworkInterfaceID.NotFound", "", noResource, ""},
		{"InvalidTransitGatewayID.NotFound", "", noResource, ""},
		{"InvalidTransitGatewayAttachmentID.NotFound", "", noResource, ""},
		{"NatGatewayNotFound", "", noResource, ""},
		{"InvalidParameter", "LogFormat is not valid", blocked, Invalid},
		{"AuthFailure", "", blocked, Credentials},
		{"SomethingNew", "", blocked, Refused},
	} {
		if a := classify(c.code, c.message); a.class != c.class || a.reason != c.reason {
			t.Errorf("%s %q: class %d %q, want %d %q", c.code, c.message, a.class, a.reason, c.class, c.reason)
		} else if a.class == blocked && a.advice == "" {
			t.Errorf("%s %q: no advice", c.code, c.message)
		}
	}
}

func TestI9AnswersThatAreNoErrors(t *testing.T) {
	t.Parallel()
	item := types.UnsuccessfulItem{Error: &types.UnsuccessfulItemError{Code: aws.String("400"), Message: aws.String("LogDestination: x does not exist")}}
	for name, c := range map[string]struct {
		out   *ec2.CreateFlowLogsOutput
		err   error
		class class
	}{
		"created":          {&ec2.CreateFlowLogsOutput{FlowLogIds: []string{"fl-1"}}, nil, created},
		"unsuccessful":     {&ec2.CreateFlowLogsOutput{Unsuccessful: []types.UnsuccessfulItem{item}}, nil, blocked},
		"neither":          {&ec2.CreateFlowLogsOutput{}, nil, retry},
		"no answer":        {nil, fmt.Errorf("send: %w", context.DeadlineExceeded), retry},
		"connection reset": {nil, errors.New("connection reset by peer"), retry},
		"another account":  {nil, fmt.Errorf("sign: %w", wrong{}), blocked},
		"a 503 with any code": {nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 503}},
			Err: &smithy.GenericAPIError{Code: "InvalidSomething"}}, retry},
	} {
		if a := read(c.out, c.err); a.class != c.class {
			t.Errorf("%s: class %d, want %d", name, a.class, c.class)
		}
	}
}

type wrong struct{}

func (wrong) Error() string      { return "another account" }
func (wrong) WrongAccount() bool { return true }

// TestI12Bound: foreign words are short, valid and without control characters.
func TestI12Bound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := bound(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		if !utf8.ValidString(s) || len(s) > 510 || strings.ContainsAny(s, "\x00\n\r\x1b\x7f") {
			t.Fatalf("%q", s)
		}
	})
}
