package scopes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestSaid: Said reduces an error of the SDK to what AWS said: its code and message.
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
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := Said(err); got != want {
				t.Errorf("%q instead of %q", got, want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	key, session := aws.Credentials{AccessKeyID: "AKIA"}, aws.Credentials{AccessKeyID: "ASIA", SessionToken: "t"}
	for _, c := range []struct {
		code, message string
		used          aws.Credentials
		want          bool
	}{
		{"AuthFailure", "AWS was not able to validate the provided access credentials", key, true},
		{"AuthFailure", "", aws.Credentials{}, false}, // the call was signed without credentials of this process
		{"InvalidSignatureException", "Signature expired: 20260301T120000Z is now earlier than 20260301T121000Z", key, false},
		{"SignatureDoesNotMatch", "Signature not yet current", key, false},
		{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided", key, true},
		{"RequestExpired", "Request has expired.", key, false},
		{"RequestExpired", "Request has expired.", session, true},
		{"AccessDenied", "The security token included in the request is invalid", session, true},
		{"AccessDenied", "User: x is not authorized to perform: sqs:ReceiveMessage", session, false},
		{"UnauthorizedOperation", "… is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in an identity-based policy", session, true},
		{"UnauthorizedOperation", "… is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in an identity-based policy", key, false},
		{"UnauthorizedOperation", "… is not authorized to perform: ec2:DescribeFlowLogs with an explicit deny in a service control policy", session, false},
		{"RequestLimitExceeded", "", key, false},
	} {
		t.Run(c.used.AccessKeyID+" "+c.code+" "+c.message, func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("call: %w", &smithy.GenericAPIError{Code: c.code, Message: c.message})
			if got := Refused(err, c.used); got != c.want {
				t.Error(got)
			}
		})
	}
	if Refused(nil, key) || Refused(context.DeadlineExceeded, key) {
		t.Error("a call without an error, or without an answer, counts as refused")
	}
}

func TestCauseOf(t *testing.T) {
	t.Parallel()
	refusal := func(code, text string) error {
		return fmt.Errorf("list flow logs: %w", &smithy.GenericAPIError{Code: code, Message: text})
	}
	const denied = "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/flowkeeper/s is not authorized to perform: ec2:DescribeFlowLogs "
	for name, c := range map[string]struct {
		err  error
		want Cause
	}{
		"no answer":         {context.DeadlineExceeded, Unanswered},
		"throttled":         {refusal("RequestLimitExceeded", ""), Unanswered},
		"no policy allows":  {refusal("UnauthorizedOperation", denied+"because no identity-based policy allows the ec2:DescribeFlowLogs action"), Denied},
		"an SCP denies it":  {refusal("UnauthorizedOperation", denied+"with an explicit deny in a service control policy"), DeniedBySCP},
		"no SCP allows it":  {refusal("UnauthorizedOperation", denied+"because no service control policy allows the ec2:DescribeFlowLogs action"), DeniedBySCP},
		"a disabled Region": {refusal("AuthFailure", "AWS was not able to validate the provided access credentials"), OtherRefusal},
		"something else":    {errors.New("the same NextToken twice"), OtherRefusal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := CauseOf(c.err); got != c.want || !slices.Contains(Causes, got) {
				t.Errorf("%q", got)
			}
		})
	}
}
