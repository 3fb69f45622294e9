package contract_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const defaultFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

func createCases() []contractCase {
	return append([]contractCase{
		{"create/defaults", createDefaults},
		{"create/log group by ARN", createByARN},
		{"create/log group by ARN delivers", createByARNDelivers},
		{"create/destination options", createOptions},
		{"create/S3 prefix", createPrefix},
	}, createMatrix()...)
}

// createMatrix has a case for each resource type with each destination type: DescribeFlowLogs shows every
// setting and tag of the create.
func createMatrix() []contractCase {
	var cases []contractCase
	for _, r := range []struct {
		name string
		kind types.FlowLogsResourceType
		of   func(network) string
	}{
		{"VPC", types.FlowLogsResourceTypeVpc, func(n network) string { return n.vpc }},
		{"subnet", types.FlowLogsResourceTypeSubnet, func(n network) string { return n.subnet }},
		{"network interface", types.FlowLogsResourceTypeNetworkInterface, func(n network) string { return n.eni }},
	} {
		cases = append(cases,
			contractCase{"create/" + r.name + " to CloudWatch Logs", func(t *testing.T, e *env) {
				e.logGroup(t, e, "group/a.b")
				createdAsSent(t, e, toGroup(e, r.of(e.network(t, e)), r.kind, "group/a.b"))
			}},
			contractCase{"create/" + r.name + " to S3", func(t *testing.T, e *env) {
				createdAsSent(t, e, toBucket(r.of(e.network(t, e)), r.kind, e.newBucket(t)))
			}})
	}
	return cases
}

func createdAsSent(t *testing.T, e *env, in *ec2.CreateFlowLogsInput) {
	t.Helper()
	got := describeOne(t, e, create(t, e, in))
	wantEqual(t, "resource", aws.ToString(got.ResourceId), in.ResourceIds[0])
	wantEqual(t, "traffic type", got.TrafficType, in.TrafficType)
	wantEqual(t, "destination type", got.LogDestinationType, in.LogDestinationType)
	wantEqual(t, "log group", aws.ToString(got.LogGroupName), aws.ToString(in.LogGroupName))
	if in.LogGroupName == nil { // else AWS may show the ARN of the log group, too
		wantEqual(t, "destination", aws.ToString(got.LogDestination), aws.ToString(in.LogDestination))
	}
	wantEqual(t, "role", aws.ToString(got.DeliverLogsPermissionArn), aws.ToString(in.DeliverLogsPermissionArn))
	wantEqual(t, "format", aws.ToString(got.LogFormat), aws.ToString(in.LogFormat))
	wantEqual(t, "interval", aws.ToInt32(got.MaxAggregationInterval), aws.ToInt32(in.MaxAggregationInterval))
	wantEqual(t, "tags", tagMap(got.Tags), tagMap(in.TagSpecifications[0].Tags))
	wantEqual(t, "status", aws.ToString(got.FlowLogStatus), "ACTIVE")
	if got.CreationTime == nil || got.CreationTime.IsZero() {
		t.Error("no creation time")
	}
}

// createDefaults: DescribeFlowLogs shows AWS's default for a setting that the create leaves out.
func createDefaults(t *testing.T, e *env) {
	e.logGroup(t, e, "defaults")
	in := toGroup(e, e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, "defaults")
	in.LogFormat, in.MaxAggregationInterval, in.TagSpecifications, in.LogDestinationType = nil, nil, nil, ""
	got := describeOne(t, e, create(t, e, in))
	wantEqual(t, "format", aws.ToString(got.LogFormat), defaultFormat)
	wantEqual(t, "interval", aws.ToInt32(got.MaxAggregationInterval), 600)
	wantEqual(t, "destination type", got.LogDestinationType, types.LogDestinationTypeCloudWatchLogs)
	wantEqual(t, "number of tags", len(got.Tags), 0)
}

func byARN(t *testing.T, e *env) (*ec2.CreateFlowLogsInput, string) {
	t.Helper()
	e.logGroup(t, e, "by-arn")
	in := toGroup(e, e.network(t, e).subnet, types.FlowLogsResourceTypeSubnet, "")
	in.LogGroupName = nil
	in.LogDestination = aws.String("arn:aws:logs:" + region + ":" + e.account + ":log-group:by-arn")
	return in, *in.LogDestination
}

func createByARN(t *testing.T, e *env) {
	in, arn := byARN(t, e)
	got := describeOne(t, e, create(t, e, in))
	wantEqual(t, "destination", aws.ToString(got.LogDestination), arn)
}

func createByARNDelivers(t *testing.T, e *env) {
	in, _ := byARN(t, e)
	got := describeOne(t, e, create(t, e, in))
	if s := aws.ToString(got.DeliverLogsStatus); s == "FAILED" {
		t.Errorf("delivery %s: %s", s, aws.ToString(got.DeliverLogsErrorMessage))
	}
}

// createOptions: DescribeFlowLogs shows the defaults of destination options that the create leaves out.
func createOptions(t *testing.T, e *env) {
	in := toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t))
	in.DestinationOptions = &types.DestinationOptionsRequest{
		FileFormat: types.DestinationFileFormatParquet, PerHourPartition: aws.Bool(true),
	}
	got := describeOne(t, e, create(t, e, in)).DestinationOptions
	if got == nil {
		t.Fatal("no destination options described")
	}
	wantEqual(t, "file format", got.FileFormat, types.DestinationFileFormatParquet)
	wantEqual(t, "per hour", aws.ToBool(got.PerHourPartition), true)
	if got.HiveCompatiblePartitions == nil || *got.HiveCompatiblePartitions {
		t.Errorf("Hive-compatible is %v, want a described false", got.HiveCompatiblePartitions)
	}
}

func createPrefix(t *testing.T, e *env) {
	in := toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t)+"/some/prefix/")
	got := describeOne(t, e, create(t, e, in))
	wantEqual(t, "destination", aws.ToString(got.LogDestination), aws.ToString(in.LogDestination))
}
