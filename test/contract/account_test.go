package contract_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func accountCases() []contractCase {
	return []contractCase{
		{"account/caller identity", func(t *testing.T, e *env) {
			wantEqual(t, "account", callerAccount(t, e), e.account)
		}},
		{"account/assumed role acts in its account", assumeRole},
		{"account/Regions are apart", regionsApart},
	}
}

func callerAccount(t *testing.T, e *env) string {
	t.Helper()
	out, err := e.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	must(t, err)
	return aws.ToString(out.Account)
}

func assumeRole(t *testing.T, e *env) {
	mine := create(t, e, toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t)))
	account := newAccount()
	role := "arn:aws:iam::" + account + ":role/flowkeeper"
	e.assumable(t, role, "external")
	out, err := e.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: aws.String("flowkeeper"), ExternalId: aws.String("external"),
	})
	must(t, err)
	c := out.Credentials
	if c.Expiration == nil || aws.ToString(c.SessionToken) == "" {
		t.Error("credentials without expiration or session token")
	}
	other := clientsFor(e.backend, credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken))
	other.account = account
	wantEqual(t, "account", callerAccount(t, other), account)

	wantEqual(t, "flow logs of a new account", ids(describe(t, other, &ec2.DescribeFlowLogsInput{})), setOf())
	theirs := create(t, other, toBucket(other.network(t, other).vpc, types.FlowLogsResourceTypeVpc, other.newBucket(t)))
	wantEqual(t, "theirs", ids(describe(t, other, &ec2.DescribeFlowLogsInput{})), setOf(theirs))
	wantEqual(t, "mine", ids(describe(t, e, &ec2.DescribeFlowLogsInput{})), setOf(mine))
}

func regionsApart(t *testing.T, e *env) {
	id := create(t, e, toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t)))
	elsewhere := func(o *ec2.Options) { o.Region = "us-east-1" }
	out, err := e.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{FlowLogIds: []string{id}}, elsewhere)
	must(t, err)
	wantEqual(t, "flow logs elsewhere", ids(out.FlowLogs), setOf())
}
