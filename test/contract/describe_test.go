package contract_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const unknownID = "fl-0123456789abcdef0"

func describeCases() []contractCase {
	return []contractCase{
		{"describe/filter by resource", func(t *testing.T, e *env) {
			three := threeLogs(t, e)
			wantFound(t, e, filter("resource-id", three.vpc), three.ofVPC)
			wantFound(t, e, filter("resource-id", three.vpc, three.eni, "vpc-0123456789abcdef0"), three.ofVPC, three.ofENI)
			wantFound(t, e, filter("resource-id", "vpc-0123456789abcdef0"))
		}},
		{"describe/filter by ID", func(t *testing.T, e *env) {
			three := threeLogs(t, e)
			wantFound(t, e, filter("flow-log-id", three.ofSubnet, unknownID), three.ofSubnet)
		}},
		{"describe/filters narrow each other", func(t *testing.T, e *env) {
			three := threeLogs(t, e)
			both := append(filter("resource-id", three.vpc, three.subnet), filter("traffic-type", "ALL")...)
			wantFound(t, e, both, three.ofSubnet)
		}},
		{"describe/filter by log group and destination type", func(t *testing.T, e *env) {
			three := threeLogs(t, e)
			wantFound(t, e, filter("log-group-name", "three"), three.ofSubnet)
			wantFound(t, e, filter("log-destination-type", "s3"), three.ofVPC, three.ofENI)
		}},
		{"describe/unknown ID is an empty list", func(t *testing.T, e *env) {
			got := describe(t, e, &ec2.DescribeFlowLogsInput{FlowLogIds: []string{unknownID}})
			wantEqual(t, "flow logs", ids(got), setOf())
		}},
		{"describe/known and unknown ID", func(t *testing.T, e *env) {
			three := threeLogs(t, e)
			got := describe(t, e, &ec2.DescribeFlowLogsInput{FlowLogIds: []string{three.ofVPC, unknownID}})
			wantEqual(t, "flow logs", ids(got), setOf(three.ofVPC))
		}},
		{"describe/pages", describePages},
		{"describe/dry run", func(t *testing.T, e *env) {
			_, err := e.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{DryRun: aws.Bool(true)})
			wantCode(t, err, "DryRunOperation")
		}},
	}
}

// three is a flow log on each resource of a network.
type three struct {
	network
	ofVPC, ofSubnet, ofENI string
}

func threeLogs(t *testing.T, e *env) three {
	t.Helper()
	n, bucket := e.network(t, e), e.newBucket(t)
	e.logGroup(t, e, "three")
	return three{
		network:  n,
		ofVPC:    create(t, e, toBucket(n.vpc, types.FlowLogsResourceTypeVpc, bucket)),
		ofSubnet: create(t, e, toGroup(e, n.subnet, types.FlowLogsResourceTypeSubnet, "three")),
		ofENI:    create(t, e, toBucket(n.eni, types.FlowLogsResourceTypeNetworkInterface, bucket)),
	}
}

func wantFound(t *testing.T, e *env, filters []types.Filter, want ...string) {
	t.Helper()
	got := describe(t, e, &ec2.DescribeFlowLogsInput{Filter: filters})
	wantEqual(t, "flow logs found", ids(got), setOf(want...))
}

// describePages: a page has at most MaxResults flow logs, and all pages together show each flow log once.
func describePages(t *testing.T, e *env) {
	three := threeLogs(t, e)
	seen := map[string]bool{}
	in := &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(1)}
	for page := 1; ; page++ {
		out, err := e.ec2.DescribeFlowLogs(t.Context(), in)
		must(t, err)
		if len(out.FlowLogs) > 1 || page > 4 {
			t.Fatalf("page %d has %d flow logs, want at most 1 on at most 4 pages", page, len(out.FlowLogs))
		}
		for id := range ids(out.FlowLogs) {
			if seen[id] {
				t.Errorf("%s is on two pages", id)
			}
			seen[id] = true
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	wantEqual(t, "flow logs", seen, setOf(three.ofVPC, three.ofSubnet, three.ofENI))
}
