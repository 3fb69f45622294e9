package s3region

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// elsewhere is S3's answer that the bucket is in another Region.
func elsewhere(region string) error {
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{
		StatusCode: http.StatusMovedPermanently, Header: http.Header{"X-Amz-Bucket-Region": {region}}}}, Err: errors.New("PermanentRedirect")}
}

// TestCall: if S3 answers that the bucket is in another Region, Call sends the call there, once, and later calls begin
// there. Each row is one call with the answers of S3, one for each Region that is asked.
func TestCall(t *testing.T) {
	t.Parallel()
	var r Region
	for _, c := range []struct {
		name    string
		answers []error
		asked   []string
		ok      bool
	}{
		{"no answer of S3", []error{errors.New("silence")}, []string{"eu-west-1"}, false},
		{"another Region", []error{elsewhere("us-east-1"), nil}, []string{"eu-west-1", "us-east-1"}, true},
		{"the Region is remembered", []error{nil}, []string{"us-east-1"}, true},
		{"the Region that was asked", []error{elsewhere("us-east-1")}, []string{"us-east-1"}, false},
		{"one Region after another", []error{elsewhere("us-east-2"), elsewhere("us-west-1")}, []string{"us-east-1", "us-east-2"}, false},
	} {
		var asked []string
		_, err := Call(t.Context(), &r, func(_ context.Context, in *s3.GetObjectInput, options ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
			o := s3.Options{Region: "eu-west-1"}
			for _, option := range options {
				option(&o)
			}
			asked = append(asked, o.Region)
			return &s3.GetObjectOutput{}, c.answers[len(asked)-1]
		}, &s3.GetObjectInput{})
		if (err == nil) != c.ok || !slices.Equal(asked, c.asked) {
			t.Errorf("%s: asked %v, want %v; %v", c.name, asked, c.asked, err)
		}
	}
}
