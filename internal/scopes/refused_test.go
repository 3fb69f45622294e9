package scopes

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

func TestRefused(t *testing.T) {
	t.Parallel()
	key, session := aws.Credentials{AccessKeyID: "AKIA"}, aws.Credentials{AccessKeyID: "ASIA", SessionToken: "t"}
	for _, c := range []struct {
		code, message string
		used          aws.Credentials
		want          bool
	}{
		{"AuthFailure", "AWS was not able to validate the provided access credentials", key, true},
		{"AuthFailure", "", aws.Credentials{}, false}, // signed with none of ours
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
		err := fmt.Errorf("call: %w", &smithy.GenericAPIError{Code: c.code, Message: c.message})
		if got := Refused(err, c.used); got != c.want {
			t.Errorf("%s %q: %v", c.code, c.message, got)
		}
	}
	if Refused(nil, key) || Refused(context.DeadlineExceeded, key) {
		t.Error("no answer is no refusal")
	}
}
