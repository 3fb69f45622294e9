package contract_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func deleteCases() []contractCase {
	return []contractCase{
		{"delete/several", deleteSeveral},
		{"delete/partly unknown deletes the known", deletePartly},
		{"delete/partly unknown names the unknown", deletePartlyAnswer},
		{"delete/dry run", deleteDryRun},
		{"delete/of the network takes its flow logs along", deleteNetwork},
		{"delete/makes room for another", deleteAndCreate},
	}
}

func deleteSeveral(t *testing.T, e *env) {
	three := threeLogs(t, e)
	out, err := e.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{three.ofVPC, three.ofENI}})
	must(t, err)
	wantEqual(t, "unsuccessful", len(out.Unsuccessful), 0)
	wantEqual(t, "flow logs left", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(three.ofSubnet))
	gone := describe(t, e, &ec2.DescribeFlowLogsInput{FlowLogIds: []string{three.ofVPC}})
	wantEqual(t, "deleted, by ID", ids(gone), setOf())
}

// deletePartly: the known flow logs of a call are deleted. Backends answer such a call differently (see the
// next case).
func deletePartly(t *testing.T, e *env) {
	three := threeLogs(t, e)
	_, err := e.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{three.ofVPC, unknownID}})
	if err != nil {
		wantCode(t, err, "InvalidFlowLogId.NotFound")
	}
	wantEqual(t, "flow logs left", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(three.ofSubnet, three.ofENI))
}

func deletePartlyAnswer(t *testing.T, e *env) {
	three := threeLogs(t, e)
	out, err := e.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{three.ofVPC, unknownID}})
	must(t, err)
	if len(out.Unsuccessful) != 1 {
		t.Fatalf("unsuccessful %+v, want one", out.Unsuccessful)
	}
	wantEqual(t, "unsuccessful", aws.ToString(out.Unsuccessful[0].ResourceId), unknownID)
	wantEqual(t, "code", aws.ToString(out.Unsuccessful[0].Error.Code), "InvalidFlowLogId.NotFound")
}

func deleteDryRun(t *testing.T, e *env) {
	three := threeLogs(t, e)
	_, err := e.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{three.ofVPC}, DryRun: aws.Bool(true)})
	wantCode(t, err, "DryRunOperation")
	describeOne(t, e, three.ofVPC)
}

// deleteAndCreate: the replacement of a deleted flow log has another ID, because AWS does not use IDs again.
func deleteAndCreate(t *testing.T, e *env) {
	in := toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t))
	first := create(t, e, in)
	_, err := e.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{first}})
	must(t, err)
	second := create(t, e, in)
	if first == second {
		t.Errorf("the replacement has the ID of the deleted flow log, %s", first)
	}
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(second))
}

// deleteNetwork: AWS itself removes the flow logs of a deleted resource.
func deleteNetwork(t *testing.T, e *env) {
	three := threeLogs(t, e)
	e.removeNetwork(t, e, three.network)
	wantEqual(t, "flow logs left", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf())
}
