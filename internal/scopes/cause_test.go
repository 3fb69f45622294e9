package scopes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/smithy-go"
)

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
		"nobody allows it":  {refusal("UnauthorizedOperation", denied+"because no identity-based policy allows the ec2:DescribeFlowLogs action"), Denied},
		"an SCP denies it":  {refusal("UnauthorizedOperation", denied+"with an explicit deny in a service control policy"), DeniedBySCP},
		"no SCP allows it":  {refusal("UnauthorizedOperation", denied+"because no service control policy allows the ec2:DescribeFlowLogs action"), DeniedBySCP},
		"a disabled Region": {refusal("AuthFailure", "AWS was not able to validate the provided access credentials"), OtherRefusal},
		"something else":    {errors.New("the same NextToken twice"), OtherRefusal},
	} {
		if got := CauseOf(c.err); got != c.want || !slices.Contains(Causes, got) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
