package answer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"flowkeeper/remediate/incident"
)

// TestI9EveryAnswerHasAClass: the answers of docs/aws.md, "Creating flow logs".
func TestI9EveryAnswerHasAClass(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, message string
		class         incident.Class
		reason        string
	}{
		{"FlowLogAlreadyExists", "There is an existing Flow Log with the same configuration and log destination.", incident.AlreadyThere, ""},
		{"IdempotentParameterMismatch", "", incident.TokenMismatch, ""},
		{"RequestLimitExceeded", "Request limit exceeded.", incident.TryAgain, ""},
		{"Throttling", "Rate exceeded", incident.TryAgain, ""},
		{"InternalError", "An internal error has occurred", incident.TryAgain, ""},
		{"TagLimitExceeded", "", incident.TagRefused, ""},
		{"400", "Unable to assume given IAM role", incident.RoleSlow, incident.Role},
		{"InvalidParameterValue", "Unable to assume given IAM role arn:…", incident.RoleSlow, incident.Role},
		{"UnauthorizedOperation", "You are not authorized to perform this operation.", incident.NeedsPerson, incident.Permission},
		{"UnauthorizedOperation", "not authorized to perform: iam:PassRole on resource", incident.NeedsPerson, incident.Permission},
		{"400", "User: x is not authorized to perform: logs:CreateLogDelivery", incident.NeedsPerson, incident.Permission},
		{"400", "Access Denied for LogDestination: bucket. Please check LogDestination permission", incident.NeedsPerson, incident.Destination},
		{"400", "LogDestination: bucket does not exist", incident.NeedsPerson, incident.Destination},
		{"400", "LogDestination: stream is undeliverable", incident.NeedsPerson, incident.Destination},
		{"FlowLogsLimitExceeded", "", incident.NeedsPerson, incident.Limit},
		{"InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist", incident.ResourceAbsent, ""},
		{"InvalidVpcId.NotFound", "", incident.ResourceAbsent, ""},
		{"InvalidSubnetID.NotFound", "", incident.ResourceAbsent, ""},
		{"InvalidNetworkInterfaceID.NotFound", "", incident.ResourceAbsent, ""},
		{"InvalidTransitGatewayID.NotFound", "", incident.ResourceAbsent, ""},
		{"InvalidTransitGatewayAttachmentID.NotFound", "", incident.ResourceAbsent, ""},
		{"NatGatewayNotFound", "", incident.ResourceAbsent, ""},
		{"InvalidParameter", "LogFormat is not valid", incident.NeedsPerson, incident.Invalid},
		{"AuthFailure", "", incident.NeedsPerson, incident.Credentials},
		{"SomethingNew", "", incident.NeedsPerson, incident.Refused},
	} {
		if a := classify(c.code, c.message); a.Class != c.class || a.Reason != c.reason {
			t.Errorf("%s %q: class %s %q, want %s %q", c.code, c.message, a.Class, a.Reason, c.class, c.reason)
		} else if a.Class == incident.NeedsPerson && a.Advice == "" {
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
		class incident.Class
	}{
		"created":          {&ec2.CreateFlowLogsOutput{FlowLogIds: []string{"fl-1"}}, nil, incident.Created},
		"unsuccessful":     {&ec2.CreateFlowLogsOutput{Unsuccessful: []types.UnsuccessfulItem{item}}, nil, incident.NeedsPerson},
		"neither":          {&ec2.CreateFlowLogsOutput{}, nil, incident.TryAgain},
		"no answer":        {nil, fmt.Errorf("send: %w", context.DeadlineExceeded), incident.TryAgain},
		"connection reset": {nil, errors.New("connection reset by peer"), incident.TryAgain},
		"another account":  {nil, fmt.Errorf("sign: %w", wrong{}), incident.NeedsPerson},
		"a 503 with any code": {nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 503}},
			Err: &smithy.GenericAPIError{Code: "InvalidSomething"}}, incident.TryAgain},
	} {
		if a := OfCreate(c.out, c.err); a.Class != c.class {
			t.Errorf("%s: class %s, want %s", name, a.Class, c.class)
		}
	}
}

type wrong struct{}

func (wrong) Error() string      { return "another account" }
func (wrong) WrongAccount() bool { return true }
