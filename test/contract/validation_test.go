package contract_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// validationCases are creates that AWS refuses. Each differs in one setting from a create that it accepts, and
// none may leave a flow log behind. A code that ends in * stands for all codes that begin so: AWS's exact code
// is not known.
func validationCases() []contractCase {
	cases := []contractCase{
		{"create/dry run", createDryRun},
		{"create/missing bucket is 200 and Unsuccessful", createMissingBucket},
		{"create/already exists", createTwice},
		{"create/same destination, other resource", createElsewhere},
	}
	for _, v := range []struct {
		name, code string
		change     func(in *ec2.CreateFlowLogsInput)
	}{
		{"log group and destination", "InvalidParameter", func(in *ec2.CreateFlowLogsInput) {
			in.LogDestination = aws.String("arn:aws:logs:" + region + ":111122223333:log-group:other")
		}},
		{"interval of 61 s", "InvalidParameter", func(in *ec2.CreateFlowLogsInput) { in.MaxAggregationInterval = aws.Int32(61) }},
		{"no role", "InvalidParameter", func(in *ec2.CreateFlowLogsInput) { in.DeliverLogsPermissionArn = nil }},
		{"no destination", "InvalidParameter", func(in *ec2.CreateFlowLogsInput) { in.LogGroupName = nil }},
		{"no such VPC", "InvalidVpcID.NotFound", func(in *ec2.CreateFlowLogsInput) { in.ResourceIds = []string{"vpc-0123456789abcdef0"} }},
		{"no such subnet", "InvalidSubnetID.NotFound", func(in *ec2.CreateFlowLogsInput) {
			in.ResourceIds, in.ResourceType = []string{"subnet-0123456789abcdef0"}, types.FlowLogsResourceTypeSubnet
		}},
		{"no such network interface", "InvalidNetworkInterfaceID.NotFound", func(in *ec2.CreateFlowLogsInput) {
			in.ResourceIds, in.ResourceType = []string{"eni-0123456789abcdef0"}, types.FlowLogsResourceTypeNetworkInterface
		}},
		{"tags for another type", "InvalidParameter*", func(in *ec2.CreateFlowLogsInput) {
			in.TagSpecifications[0].ResourceType = types.ResourceTypeVpc
		}},
		{"tag of AWS's own", "InvalidParameter*", func(in *ec2.CreateFlowLogsInput) {
			in.TagSpecifications = tagged("aws:createdBy", "someone")
		}},
		{"role for S3", "InvalidParameter*", func(in *ec2.CreateFlowLogsInput) {
			in.LogGroupName, in.LogDestinationType = nil, types.LogDestinationTypeS3
			in.LogDestination = aws.String("arn:aws:s3:::flow-logs-" + account(in))
		}},
	} {
		cases = append(cases, contractCase{"refused/" + v.name, func(t *testing.T, e *env) {
			e.logGroup(t, e, "refused")
			e.newBucket(t)
			in := toGroup(e, e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, "refused")
			v.change(in)
			_, err := e.ec2.CreateFlowLogs(t.Context(), in)
			wantCode(t, err, v.code)
			wantEqual(t, "flow logs left behind", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf())
		}})
	}
	return cases
}

// account of the delivery role in the request.
func account(in *ec2.CreateFlowLogsInput) string {
	return strings.Split(aws.ToString(in.DeliverLogsPermissionArn), ":")[4]
}

func createDryRun(t *testing.T, e *env) {
	in := toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t))
	in.DryRun = aws.Bool(true)
	_, err := e.ec2.CreateFlowLogs(t.Context(), in)
	wantCode(t, err, "DryRunOperation")
	wantEqual(t, "flow logs after a dry run", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf())
}

// createMissingBucket has the form of most real failures: HTTP 200, no ID, a code that says nothing, and a
// message with the cause.
func createMissingBucket(t *testing.T, e *env) {
	vpc := e.network(t, e).vpc
	out, err := e.ec2.CreateFlowLogs(t.Context(), toBucket(vpc, types.FlowLogsResourceTypeVpc, "no-such-bucket-"+e.account))
	must(t, err)
	if len(out.FlowLogIds) != 0 || len(out.Unsuccessful) != 1 {
		t.Fatalf("created %v, unsuccessful %+v; want one unsuccessful", out.FlowLogIds, out.Unsuccessful)
	}
	u := out.Unsuccessful[0]
	wantEqual(t, "resource", aws.ToString(u.ResourceId), vpc)
	wantEqual(t, "code", aws.ToString(u.Error.Code), "400")
	if m := aws.ToString(u.Error.Message); !strings.HasPrefix(m, "LogDestination") || !strings.Contains(m, "does not exist") {
		t.Errorf("message %q, want that the LogDestination does not exist", m)
	}
}

// createTwice: AWS refuses the second create with an error, or with an answer of 200. Both were seen.
func createTwice(t *testing.T, e *env) {
	in := toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t))
	id := create(t, e, in)
	out, err := e.ec2.CreateFlowLogs(t.Context(), in)
	if err != nil {
		wantCode(t, err, "FlowLogAlreadyExists")
	} else {
		if len(out.Unsuccessful) != 1 {
			t.Fatalf("created %v, unsuccessful %+v; want one unsuccessful", out.FlowLogIds, out.Unsuccessful)
		}
		wantEqual(t, "code", aws.ToString(out.Unsuccessful[0].Error.Code), "FlowLogAlreadyExists")
		wantEqual(t, "resource", aws.ToString(out.Unsuccessful[0].ResourceId), in.ResourceIds[0])
	}
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(id))
}

func createElsewhere(t *testing.T, e *env) {
	n, bucket := e.network(t, e), e.newBucket(t)
	a := create(t, e, toBucket(n.vpc, types.FlowLogsResourceTypeVpc, bucket))
	b := create(t, e, toBucket(n.subnet, types.FlowLogsResourceTypeSubnet, bucket))
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(a, b))
}
