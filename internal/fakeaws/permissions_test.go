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
	for name, c := range map[string]struct {
		denied string
		create func(*ec2.CreateFlowLogsInput)
		first  bool // only the first such flow log of the account asks for it
	}{
		"ECS clusters":            {"ecs:ListClusters", ecs, false},
		"ECS container instances": {"ecs:ListContainerInstances", ecs, false},
		"ECS services":            {"ecs:ListServices", ecs, false},
		"ECS task definitions":    {"ecs:ListTaskDefinitions", ecs, false},
		"ECS tasks":               {"ecs:ListTasks", ecs, false},
		"tags of instances":       {"ec2:DescribeTags", tags, false},
		"tags of groups":          {"autoscaling:DescribeTags", tags, false},
		"role for tags":           {"iam:CreateServiceLinkedRole", tags, true},
		"tags of a stream":        {"firehose:TagDeliveryStream", firehose, false},
		"role for Firehose":       {"iam:CreateServiceLinkedRole", firehose, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, api, _ := testWorld(t)
			w.AddDestination(stream)
			refused := func(resource string, change func(*ec2.CreateFlowLogsInput)) bool {
				_, err := api.CreateFlowLogs(t.Context(), toBucket(resource, change))
				if err != nil && !strings.HasSuffix(err.Error(), "is not authorized to perform: "+c.denied) {
					t.Error(err)
				}
				return err != nil
			}
			w.Deny("mallory", c.denied)
			if refused("vpc-1", nil) {
				t.Error("a plain flow log does not need it")
			}
			if !refused("subnet-1", c.create) {
				t.Error("not asked for")
			}
			w.Allow("mallory", c.denied)
			if refused("subnet-1", c.create) {
				t.Error("allowed, and refused")
			}
			w.Deny("mallory", c.denied)
			if refused("vpc-2", c.create) == c.first {
				t.Error("the second one")
			}
			if w.RemoveServiceLinkedRoles(acct); !refused("eni-1", c.create) {
				t.Error("with the roles gone")
			}
		})
	}
}
