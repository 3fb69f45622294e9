package contract_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// severalCases are creates of flow logs on several resources in one call.
func severalCases() []contractCase {
	return []contractCase{
		{"create/several resources", createSeveral},
		{"create/several, of which one has it already", createSeveralOneThere},
		{"create/several, of which one does not exist", createSeveralOneGone},
		{"create/several, to a missing bucket", createSeveralNoBucket},
	}
}

// onTwo asks for a flow log on each of two VPCs.
func onTwo(t *testing.T, e *env, bucket string) *ec2.CreateFlowLogsInput {
	t.Helper()
	in := toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, bucket)
	in.ResourceIds = append(in.ResourceIds, e.network(t, e).vpc)
	return in
}

// createAll makes a flow log on each resource and returns their IDs.
func createAll(t *testing.T, e *env, in *ec2.CreateFlowLogsInput) map[string]bool {
	t.Helper()
	out, err := e.ec2.CreateFlowLogs(t.Context(), in)
	must(t, err)
	made := setOf(out.FlowLogIds...)
	if len(made) != len(in.ResourceIds) || len(out.Unsuccessful) != 0 {
		t.Fatalf("created %v, unsuccessful %+v; want %d flow logs", out.FlowLogIds, out.Unsuccessful, len(in.ResourceIds))
	}
	return made
}

// createSeveral: each resource gets one of the flow logs. Only a description says which ID is whose.
func createSeveral(t *testing.T, e *env) {
	in := onTwo(t, e, e.newBucket(t))
	got := map[string]bool{}
	for id := range createAll(t, e, in) {
		f := describeOne(t, e, id)
		got[aws.ToString(f.ResourceId)] = true
		wantEqual(t, "tags", tagMap(f.Tags), tagMap(in.TagSpecifications[0].Tags))
	}
	wantEqual(t, "resources", got, setOf(in.ResourceIds...))
}

// createSeveralOneThere: one of the resources has such a flow log. AWS answers either with an error, and makes
// none, or with 200, and makes the others.
func createSeveralOneThere(t *testing.T, e *env) {
	in := onTwo(t, e, e.newBucket(t))
	one := *in
	one.ResourceIds = in.ResourceIds[1:]
	want := setOf(create(t, e, &one))
	out, err := e.ec2.CreateFlowLogs(t.Context(), in)
	if err != nil {
		wantCode(t, err, "FlowLogAlreadyExists")
	} else {
		if len(out.FlowLogIds) != 1 || len(out.Unsuccessful) != 1 {
			t.Fatalf("created %v, unsuccessful %+v; want one each", out.FlowLogIds, out.Unsuccessful)
		}
		wantEqual(t, "unsuccessful", aws.ToString(out.Unsuccessful[0].ResourceId), in.ResourceIds[1])
		wantEqual(t, "code", aws.ToString(out.Unsuccessful[0].Error.Code), "FlowLogAlreadyExists")
		wantEqual(t, "resource", aws.ToString(describeOne(t, e, out.FlowLogIds[0]).ResourceId), in.ResourceIds[0])
		want[out.FlowLogIds[0]] = true
	}
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), want)
}

func createSeveralOneGone(t *testing.T, e *env) {
	in := onTwo(t, e, e.newBucket(t))
	in.ResourceIds = append(in.ResourceIds, "vpc-0123456789abcdef0")
	_, err := e.ec2.CreateFlowLogs(t.Context(), in)
	wantCode(t, err, "InvalidVpcID.NotFound")
	wantEqual(t, "flow logs left behind", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf())
}

func createSeveralNoBucket(t *testing.T, e *env) {
	in := onTwo(t, e, "no-such-bucket-"+e.account)
	out, err := e.ec2.CreateFlowLogs(t.Context(), in)
	must(t, err)
	failed := map[string]bool{}
	for _, u := range out.Unsuccessful {
		failed[aws.ToString(u.ResourceId)] = true
	}
	wantEqual(t, "unsuccessful", failed, setOf(in.ResourceIds...))
	wantEqual(t, "flow logs left behind", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf())
}
