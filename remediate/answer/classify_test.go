package answer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
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
		reason        incident.Reason
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
		{"400", "FlowLogAlreadyExists", incident.AlreadyThere, ""},
		{"400", "There is an existing Flow Log with the same configuration and log destination.", incident.AlreadyThere, ""},
		{"InvalidVpcID.Malformed", "", incident.NeedsPerson, incident.Invalid},
		{"InvalidFlowLogId.NotFound", "", incident.NeedsPerson, incident.Invalid},
		{"TagPolicyViolation", "", incident.TagRefused, ""},
		{"400", "The tag policy does not allow this", incident.TagRefused, ""},
		{"InvalidTagKey.Malformed", "", incident.TagRefused, ""},
		{"400", "There are too many tags", incident.TagRefused, ""},
		{"UnauthorizedOperation", "", incident.NeedsPerson, incident.Permission},
		{"AccessDeniedException", "", incident.NeedsPerson, incident.Permission},
		{"400", "You are not authorized to do this", incident.NeedsPerson, incident.Permission},
		{"400", "The bucket b does not exist", incident.NeedsPerson, incident.Destination},
		{"400", "LogDestination: b does not exist", incident.NeedsPerson, incident.Destination},
		{"MissingParameter", "", incident.NeedsPerson, incident.Invalid},
		{"MalformedQueryString", "", incident.NeedsPerson, incident.Invalid},
		{"UnsupportedOperation", "", incident.NeedsPerson, incident.Invalid},
		{"UnknownParameter", "", incident.NeedsPerson, incident.Invalid},
		{"ValidationError", "", incident.NeedsPerson, incident.Invalid},
		{"SomethingNew", "", incident.NeedsPerson, incident.Refused},
	} {
		t.Run(c.code+" "+c.message, func(t *testing.T) {
			t.Parallel()
			if a := classify(c.code, c.message); a.Class != c.class || a.Reason != c.reason {
				t.Errorf("class %s %q, want %s %q", a.Class, a.Reason, c.class, c.reason)
			} else if a.Class == incident.NeedsPerson && a.Advice == "" {
				t.Error("no advice")
			}
		})
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
		"created":          {&ec2.CreateFlowLogsOutput{FlowLogIds: []string{"fl-1"}}, nil, incident.Succeeded},
		"unsuccessful":     {&ec2.CreateFlowLogsOutput{Unsuccessful: []types.UnsuccessfulItem{item}}, nil, incident.NeedsPerson},
		"neither":          {&ec2.CreateFlowLogsOutput{}, nil, incident.TryAgain},
		"no answer":        {nil, fmt.Errorf("send: %w", context.DeadlineExceeded), incident.TryAgain},
		"connection reset": {nil, errors.New("connection reset by peer"), incident.TryAgain},
		"another account":  {nil, fmt.Errorf("sign: %w", wrongAccount{}), incident.NeedsPerson},
		"a 503 with any code": {nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 503}},
			Err: &smithy.GenericAPIError{Code: "InvalidSomething"}}, incident.TryAgain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a := OfCreate(c.out, c.err); a.Class != c.class {
				t.Errorf("class %s, want %s", a.Class, c.class)
			}
		})
	}
}

// TestI9WhetherARefusalHadAnEffect: only if AWS itself has refused the call, it has made nothing for certain. After a
// 5xx, or without an answer, it may have made the flow log even so (I4).
func TestI9WhetherARefusalHadAnEffect(t *testing.T) {
	t.Parallel()
	status := func(n int, code, message string) error {
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: n}}, Err: &smithy.GenericAPIError{Code: code, Message: message}}
	}
	for name, c := range map[string]struct {
		err  error
		want incident.Answer
	}{
		"refused": {status(400, "InvalidSomething", "no"), incident.Answer{Class: incident.NeedsPerson, Reason: incident.Invalid, Message: "InvalidSomething: no", NoEffect: true}},
		"refused for its rate": {status(400, "RequestLimitExceeded", "slow down"),
			incident.Answer{Class: incident.TryAgain, Message: "RequestLimitExceeded: slow down", NoEffect: true, Throttled: true}},
		"500":                    {status(500, "InternalError", "sorry"), incident.Answer{Class: incident.TryAgain, Message: "InternalError: sorry"}},
		"503 for its rate":       {status(503, "RequestLimitExceeded", "slow down"), incident.Answer{Class: incident.TryAgain, Message: "RequestLimitExceeded: slow down", NoEffect: true, Throttled: true}},
		"429":                    {status(429, "InvalidSomething", "no"), incident.Answer{Class: incident.TryAgain, Message: "InvalidSomething: no"}},
		"499":                    {status(499, "InvalidSomething", "no"), incident.Answer{Class: incident.NeedsPerson, Reason: incident.Invalid, Message: "InvalidSomething: no", NoEffect: true}},
		"no answer":              {fmt.Errorf("send: %w", context.DeadlineExceeded), incident.Answer{Class: incident.TryAgain, Message: "AWS did not answer in time"}},
		"the connection is gone": {errors.New("connection reset by peer"), incident.Answer{Class: incident.TryAgain, Message: "connection reset by peer"}},
		"I13: another account":   {fmt.Errorf("sign: %w", wrongAccount{}), incident.Answer{Class: incident.NeedsPerson, Reason: incident.Credentials, Message: "sign: another account"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := OfError(c.err)
			if needsPerson := c.want.Class == incident.NeedsPerson; needsPerson != (got.Advice != "") {
				t.Errorf("the advice is %q", got.Advice)
			}
			if got.Advice = ""; !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestOfCreation: the answer to a call for several incidents says for each resource why AWS made no flow log on it. If
// AWS made nothing and named no resource, the whole call counts as refused.
func TestOfCreation(t *testing.T) {
	t.Parallel()
	item := func(resource, code string) types.UnsuccessfulItem {
		return types.UnsuccessfulItem{ResourceId: aws.String(resource), Error: &types.UnsuccessfulItemError{Code: aws.String(code)}}
	}
	a, ids := OfCreation(&ec2.CreateFlowLogsOutput{FlowLogIds: []string{"fl-1", "fl-2"},
		Unsuccessful: []types.UnsuccessfulItem{item("vpc-3", "InvalidVpcID.NotFound"), item("vpc-4", "FlowLogsLimitExceeded"), item("", "InternalError")}}, nil)
	if a.Refused != nil || !slices.Equal(ids, []string{"fl-1", "fl-2"}) {
		t.Errorf("refused: %+v, made %v", a.Refused, ids)
	}
	if len(a.Items) != 2 || a.Items["vpc-3"].Class != incident.ResourceAbsent || a.Items["vpc-4"].Reason != incident.Limit || !a.Items["vpc-4"].NoEffect {
		t.Errorf("not made: %+v", a.Items)
	}
	if a, ids := OfCreation(&ec2.CreateFlowLogsOutput{Unsuccessful: []types.UnsuccessfulItem{item("vpc-3", "InternalError")}}, nil); a.Refused != nil || len(ids) > 0 || a.Items["vpc-3"].Class != incident.TryAgain {
		t.Errorf("nothing was made: %+v", a)
	}
	if a, ids := OfCreation(&ec2.CreateFlowLogsOutput{FlowLogIds: []string{"fl-1"}}, nil); a.Refused != nil || len(ids) != 1 || len(a.Items) > 0 {
		t.Errorf("all was made: %+v", a)
	}
	for name, c := range map[string]struct {
		out *ec2.CreateFlowLogsOutput
		err error
	}{
		"refused":                         {nil, &smithy.GenericAPIError{Code: "RequestLimitExceeded"}},
		"neither a flow log nor an error": {&ec2.CreateFlowLogsOutput{}, nil},
	} {
		if a, ids := OfCreation(c.out, c.err); a.Refused == nil || a.Refused.Class != incident.TryAgain || a.Refused.Message == "" || len(ids) > 0 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// wrongAccount is the error of a client whose credentials are another account's.
type wrongAccount struct{}

func (wrongAccount) Error() string      { return "another account" }
func (wrongAccount) WrongAccount() bool { return true }
