package answer_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/remediate/answer"
)

// unavailable answers each request with an error that the SDK would try again, and counts the requests.
type unavailable struct{ requests int }

func (u *unavailable) Do(r *http.Request) (*http.Response, error) {
	u.requests++
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Request: r, Body: io.NopCloser(strings.NewReader("<Response><Errors><Error><Code>Unavailable</Code></Error></Errors></Response>"))}, nil
}

func TestOneAttempt(t *testing.T) {
	t.Parallel()
	u := &unavailable{}
	api := ec2.New(ec2.Options{Region: "eu-west-1", HTTPClient: u, Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "any", "")})
	if _, err := api.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{ResourceIds: []string{"vpc-1"}, ResourceType: "VPC"}, answer.OneAttempt); err == nil || u.requests != 1 {
		t.Errorf("%d requests: %v", u.requests, err)
	}
}
