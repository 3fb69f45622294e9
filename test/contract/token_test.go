package contract_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func tokenCases() []contractCase {
	return []contractCase{
		{"token/repeated answers with the first result", tokenRepeated},
		{"token/with other parameters is refused", tokenMismatch},
		{"token/repeated for several resources", tokenOfSeveral},
		{"token/with one resource more is refused", tokenOneMore},
	}
}

func withToken(t *testing.T, e *env) *ec2.CreateFlowLogsInput {
	t.Helper()
	in := toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t))
	in.ClientToken = aws.String("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	return in
}

func tokenRepeated(t *testing.T, e *env) {
	in := withToken(t, e)
	first := create(t, e, in)
	wantEqual(t, "second answer", create(t, e, in), first)
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(first))
}

func tokenMismatch(t *testing.T, e *env) {
	in := withToken(t, e)
	first := create(t, e, in)
	in.MaxAggregationInterval = aws.Int32(60)
	_, err := e.ec2.CreateFlowLogs(t.Context(), in)
	wantCode(t, err, "IdempotentParameterMismatch")
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(first))
}

// withTokenFor asks for a flow log on each of several VPCs, with a token.
func withTokenFor(t *testing.T, e *env) *ec2.CreateFlowLogsInput {
	t.Helper()
	in := withToken(t, e)
	in.ResourceIds = append(in.ResourceIds, e.network(t, e).vpc)
	return in
}

func tokenOfSeveral(t *testing.T, e *env) {
	in := withTokenFor(t, e)
	first := createAll(t, e, in)
	wantEqual(t, "second answer", createAll(t, e, in), first)
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), first)
}

func tokenOneMore(t *testing.T, e *env) {
	in := withTokenFor(t, e)
	first := createAll(t, e, in)
	in.ResourceIds = append(in.ResourceIds, e.network(t, e).vpc)
	_, err := e.ec2.CreateFlowLogs(t.Context(), in)
	wantCode(t, err, "IdempotentParameterMismatch")
	wantEqual(t, "flow logs", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), first)
}
