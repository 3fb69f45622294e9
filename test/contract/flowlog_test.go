package contract_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const customFormat = "${version} ${vpc-id} ${subnet-id} ${interface-id} ${srcaddr} ${dstaddr} ${action}"

// toGroup asks for a flow log to a log group, given by its name.
func toGroup(e *env, resource string, kind types.FlowLogsResourceType, group string) *ec2.CreateFlowLogsInput {
	return &ec2.CreateFlowLogsInput{
		ResourceIds: []string{resource}, ResourceType: kind, TrafficType: types.TrafficTypeAll,
		LogDestinationType: types.LogDestinationTypeCloudWatchLogs, LogGroupName: &group,
		DeliverLogsPermissionArn: aws.String(e.role()),
		LogFormat:                aws.String(customFormat), MaxAggregationInterval: aws.Int32(60),
		TagSpecifications: tagged("team", "net", "Owner", "Zoë & <co>"),
	}
}

// toBucket asks for a flow log to S3.
func toBucket(resource string, kind types.FlowLogsResourceType, bucket string) *ec2.CreateFlowLogsInput {
	return &ec2.CreateFlowLogsInput{
		ResourceIds: []string{resource}, ResourceType: kind, TrafficType: types.TrafficTypeReject,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::" + bucket),
		LogFormat: aws.String(customFormat), MaxAggregationInterval: aws.Int32(600),
		TagSpecifications: tagged("team", "net"),
	}
}

func tagged(pairs ...string) []types.TagSpecification {
	var tags []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: tags}}
}

// create makes one flow log and returns its ID.
func create(t *testing.T, e *env, in *ec2.CreateFlowLogsInput) string {
	t.Helper()
	out, err := e.ec2.CreateFlowLogs(t.Context(), in)
	must(t, err)
	if len(out.FlowLogIds) != 1 || len(out.Unsuccessful) != 0 {
		t.Fatalf("created %v, unsuccessful %+v; want one flow log", out.FlowLogIds, out.Unsuccessful)
	}
	return out.FlowLogIds[0]
}

func describe(t *testing.T, e *env, in *ec2.DescribeFlowLogsInput) []types.FlowLog {
	t.Helper()
	out, err := e.ec2.DescribeFlowLogs(t.Context(), in)
	must(t, err)
	return out.FlowLogs
}

func describeOne(t *testing.T, e *env, id string) types.FlowLog {
	t.Helper()
	got := describe(t, e, &ec2.DescribeFlowLogsInput{FlowLogIds: []string{id}})
	if len(got) != 1 {
		t.Fatalf("describing %s shows %d flow logs, want 1", id, len(got))
	}
	return got[0]
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

func ids(logs []types.FlowLog) map[string]bool {
	set := map[string]bool{}
	for _, l := range logs {
		set[aws.ToString(l.FlowLogId)] = true
	}
	return set
}

func setOf(ids ...string) map[string]bool {
	set := map[string]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return set
}

func tagMap(tags []types.Tag) map[string]string {
	m := map[string]string{}
	for _, tag := range tags {
		m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return m
}
