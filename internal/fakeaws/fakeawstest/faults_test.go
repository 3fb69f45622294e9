package fakeawstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/fakeaws"
)

func staticOf(c fakeaws.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")
}

// TestMeet: a function that Meet sets sees who makes each call and with which parameters, and can refuse it. A refused
// call has no effect, and is not among the calls.
func TestMeet(t *testing.T) {
	t.Parallel()
	w := New(Options{})
	c := ec2.New(ec2.Options{Region: "eu-west-1", HTTPClient: w.HTTPClient(), Credentials: staticOf(w.User("111122223333", "u", true)), RetryMaxAttempts: 1})
	id := w.Plant("111122223333", "eu-west-1", fakeaws.FlowLog{ResourceID: "vpc-1"})
	w.Meet(func(r *fakeaws.Request) Refusal {
		if r.Service == "ec2" && r.Operation == "DeleteFlowLogs" && r.Region == "eu-west-1" && r.ARN == "arn:aws:iam::111122223333:user/u" && r.Form.Get("FlowLogId.1") == id {
			return Refusal{Code: "RequestLimitExceeded", Message: "slow down", Status: 503}
		}
		return Refusal{}
	})
	_, err := c.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "RequestLimitExceeded" || api.ErrorMessage() != "slow down" {
		t.Errorf("%v", err)
	}
	if len(w.FlowLogs("111122223333", "eu-west-1")) != 1 || len(w.Calls("")) != 0 {
		t.Error("the refused call had an effect, or is among the calls")
	}
	w.Meet(nil)
	if _, err := c.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}}); err != nil {
		t.Error(err)
	}
}

// TestHanging: a call that hangs ends at its deadline. With PassDeadlines it ends at once, as if the deadline had
// passed.
func TestHanging(t *testing.T) {
	t.Parallel()
	w := New(Options{})
	w.Meet(func(*fakeaws.Request) Refusal { return Refusal{Hangs: true} })
	c := ec2.New(ec2.Options{Region: "eu-west-1", HTTPClient: w.HTTPClient(), Credentials: staticOf(w.User("111122223333", "u", true))})
	ask := func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		_, err := c.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{})
		return err
	}
	if err := ask(10 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	var passed []time.Duration
	w.PassDeadlines(func(d time.Duration) { passed = append(passed, d.Round(time.Minute)) })
	if err := ask(time.Hour); !errors.Is(err, context.DeadlineExceeded) || len(passed) != 1 || passed[0] != time.Hour {
		t.Errorf("%v after %v", err, passed)
	}
}
