package alert

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ptr[T any](v T) *T { return &v }

func at(s string) Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return Time{t}
}

// deletion is a full alert as remediate makes it, not yet written.
func deletion() Alert {
	return Alert{
		ID: ID("test", "deletion"), DedupKey: DedupKey("111122223333/eu-west-1", "e1"),
		Time: at("2026-03-01T12:02:28Z"), Kind: Deletion, Level: High,
		Rule:    &Rule{ID: "0f5c", Title: "AWS VPC Flow Logs Deleted"},
		Account: "111122223333", Region: "eu-west-1", EventID: "e1", Source: "event",
		DeletedAt: ptr(at("2026-03-01T12:02:26Z")),
		Actor: &Actor{
			Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/mallory", AccessKeyID: "AKIAEXAMPLE",
			MFA: ptr(false), SourceIP: "198.51.100.7", UserAgent: "aws-cli/2.17",
		},
		FlowLogs: []FlowLog{{
			FlowLogID: "fl-0aaaaaaaaaaaaaaa1", ResourceID: "vpc-0aaa", State: "open",
			Destination: "arn:aws:s3:::flow-logs", Tags: map[string]string{"team": "net"},
		}},
	}
}

// describe is what Write says of an alert.
func describe(a Alert) (title, text string) {
	a.Write()
	return a.Title, a.Text
}
