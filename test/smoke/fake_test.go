package smoke

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

// stopper ends the run before one of its creates is answered.
type stopper struct {
	EC2
	left int
	stop func()
}

func (s *stopper) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, o ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error) {
	out, err := s.EC2.CreateFlowLogs(ctx, in, o...)
	if s.left--; s.left == 0 {
		s.stop()
		return nil, context.Canceled
	}
	return out, err
}

// TestTheFakeIsAsked: every question has an answer of the AWS in this repository, and
// nothing is left of the run, also when a person stops it in the middle of a create; what
// somebody else has stays.
func TestTheFakeIsAsked(t *testing.T) {
	t.Parallel()
	const questions = 23
	for _, stopAt := range []int{0, 1, 2, 5, 9, 14, 17} {
		w := fakeawstest.New(fakeawstest.Options{})
		w.AddDestination("arn:aws:s3:::flow-logs")
		const role = "arn:aws:iam::111122223333:role/delivery"
		w.AddDestination(role)
		user := w.User("111122223333", "person", true)
		theirs := w.Plant("111122223333", "eu-west-1", fakeaws.FlowLog{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::flow-logs"})
		for _, id := range []string{"subnet-1", "subnet-2"} {
			f := w.Plant("111122223333", "eu-west-1", fakeaws.FlowLog{ResourceID: id, TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::flow-logs"})
			w.Remove("111122223333", "eu-west-1", f)
		}
		ctx, stop := context.WithCancel(t.Context())
		client := ec2.New(ec2.Options{Region: "eu-west-1", HTTPClient: w.HTTPClient(), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, "")})
		rows, err := Ask(ctx, &stopper{client, stopAt, stop}, Options{Run: "r1", VPC: "vpc-1", BucketARN: "arn:aws:s3:::flow-logs", Resources: []string{"subnet-1", "subnet-2"},
			LogGroup: "group", Role: role, BadTag: "owner=", Patience: 50 * time.Millisecond, Every: time.Millisecond, Say: t.Logf})
		stop()
		if stopped := stopAt > 0; (err != nil) != stopped || stopped == (len(rows) == questions) {
			t.Errorf("stopped at create %d: %d rows, %v", stopAt, len(rows), err)
		}
		if left := w.FlowLogs("111122223333", "eu-west-1"); len(left) != 1 || left[0].ID != theirs {
			t.Errorf("stopped at create %d, left: %+v", stopAt, left)
		}
		if stopAt > 0 {
			continue
		}
		text := Table(rows)
		for _, want := range []string{"its restore", "equivalent; tags", "the same flow log", "IdempotentParameterMismatch", "FlowLogAlreadyExists", "in the order of the resources", "NotFound"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in:\n%s", want, text)
			}
		}
	}
}
