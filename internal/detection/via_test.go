package detection

import (
	"fmt"
	"testing"

	"flowkeeper/internal/cloudtrail"
)

func TestVia(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		record cloudtrail.Record
		want   string
	}{
		{cloudtrail.Record{UserAgent: "aws-cli/2.17.9 md/awscrt#0.20 ua/2.0 os/linux"}, "CLI"},
		{cloudtrail.Record{UserAgent: "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) aws-sdk-go-v2/1.30.3"}, "Terraform"},
		{cloudtrail.Record{UserAgent: "Boto3/1.35 md/Botocore#1.35"}, "SDK for Python"},
		{cloudtrail.Record{UserAgent: "console.ec2.amazonaws.com"}, "console"},
		{cloudtrail.Record{UserAgent: "Mozilla/5.0 (X11; Linux x86_64)"}, "console"},
		{cloudtrail.Record{UserAgent: "aws-cli/2.17", Identity: cloudtrail.Identity{Console: true}}, "console"},
		{cloudtrail.Record{UserAgent: "cloudformation.amazonaws.com", SourceIP: "cloudformation.amazonaws.com", Identity: cloudtrail.Identity{InvokedBy: "cloudformation.amazonaws.com"}}, "cloudformation.amazonaws.com"},
		{cloudtrail.Record{UserAgent: "config.amazonaws.com"}, "config.amazonaws.com"},
		{cloudtrail.Record{UserAgent: "curl/8"}, ""},
		{cloudtrail.Record{}, ""},
	} {
		t.Run(fmt.Sprintf("%q", c.record.UserAgent), func(t *testing.T) {
			t.Parallel()
			if got := via(c.record); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
