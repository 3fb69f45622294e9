package fakeaws_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestPermissionsOfACreate: depending on the fields and the destination of a flow log, the caller needs more
// permissions to create it. The permission to create a service-linked role is needed only while the account does not
// have the role.
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
		first  bool // only the first such flow log of the account needs the permission
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
				t.Error("a plain flow log is refused, and does not need the permission")
			}
			if !refused("subnet-1", c.create) {
				t.Error("a create without the permission is not refused")
			}
			w.Allow("mallory", c.denied)
			if refused("subnet-1", c.create) {
				t.Error("a create with the permission is refused")
			}
			w.Deny("mallory", c.denied)
			if refused("vpc-2", c.create) == c.first {
				t.Errorf("the second create without the permission: refused is %v, want %v", c.first, !c.first)
			}
			if w.RemoveServiceLinkedRoles(acct); !refused("eni-1", c.create) {
				t.Error("a create without the permission is not refused after the service-linked roles were removed")
			}
		})
	}
}
