package fakeaws_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestPermissionsOfACreate: AWS requires more permissions of the caller, depending on what the
// flow log records and where it delivers; that to create a service-linked role only while the
// account has none.
func TestPermissionsOfACreate(t *testing.T) {
	t.Parallel()
	const stream = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/s"
	ecs := func(in *ec2.CreateFlowLogsInput) { in.LogFormat = aws.String("${version} ${ecs-cluster-arn}") }
	tags := func(in *ec2.CreateFlowLogsInput) {
		in.TagFieldSpecifications = []types.TagFieldSpecificationRequest{{ResourceType: "instance", TagKeys: []string{"Name"}}}
	}
	firehose := func(in *ec2.CreateFlowLogsInput) {
		in.LogDestinationType, in.LogDestination = "kinesis-data-firehose", aws.String(stream)
	}
	for _, c := range []struct {
		denied string
		create func(*ec2.CreateFlowLogsInput)
		first  bool // only the first such flow log of the account asks for it
	}{
		{"ecs:ListClusters", ecs, false}, {"ecs:ListContainerInstances", ecs, false}, {"ecs:ListServices", ecs, false},
		{"ecs:ListTaskDefinitions", ecs, false}, {"ecs:ListTasks", ecs, false},
		{"ec2:DescribeTags", tags, false}, {"autoscaling:DescribeTags", tags, false}, {"iam:CreateServiceLinkedRole", tags, true},
		{"firehose:TagDeliveryStream", firehose, false}, {"iam:CreateServiceLinkedRole", firehose, true},
	} {
		w, api, _ := testWorld(t)
		w.AddDestination(stream)
		refused := func(resource string, change func(*ec2.CreateFlowLogsInput)) bool {
			_, err := api.CreateFlowLogs(t.Context(), toBucket(resource, change))
			if err != nil && !strings.HasSuffix(err.Error(), "is not authorized to perform: "+c.denied) {
				t.Errorf("%s: %v", c.denied, err)
			}
			return err != nil
		}
		w.Deny("mallory", c.denied)
		if refused("vpc-1", nil) {
			t.Errorf("%s: a plain flow log does not need it", c.denied)
		}
		if !refused("subnet-1", c.create) {
			t.Errorf("%s: not asked for", c.denied)
		}
		w.Allow("mallory", c.denied)
		if refused("subnet-1", c.create) {
			t.Errorf("%s: allowed, and refused", c.denied)
		}
		w.Deny("mallory", c.denied)
		if refused("vpc-2", c.create) == c.first {
			t.Errorf("%s: the second one", c.denied)
		}
		if w.RemoveServiceLinkedRoles(acct); !refused("eni-1", c.create) {
			t.Errorf("%s: with the roles gone", c.denied)
		}
	}
}
