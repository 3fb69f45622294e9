package contract_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"flowkeeper/test/localstack"
)

type localStackBackend struct {
	inst   *localstack.Instance
	client *http.Client
}

func newLocalStackBackend(inst *localstack.Instance) *localStackBackend {
	return &localStackBackend{inst: inst, client: &http.Client{}}
}

func (b *localStackBackend) endpoint() string         { return b.inst.Endpoint }
func (b *localStackBackend) httpClient() *http.Client { return b.client }

func (b *localStackBackend) network(t *testing.T, e *env) network {
	t.Helper()
	vpc, err := e.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	must(t, err)
	n := network{vpc: *vpc.Vpc.VpcId}
	subnet, err := e.ec2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &n.vpc, CidrBlock: aws.String("10.0.1.0/24")})
	must(t, err)
	n.subnet = *subnet.Subnet.SubnetId
	eni, err := e.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &n.subnet})
	must(t, err)
	n.eni = *eni.NetworkInterface.NetworkInterfaceId
	return n
}

func (b *localStackBackend) removeNetwork(t *testing.T, e *env, n network) {
	t.Helper()
	_, err := e.ec2.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &n.eni})
	must(t, err)
	_, err = e.ec2.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: &n.subnet})
	must(t, err)
	_, err = e.ec2.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{VpcId: &n.vpc})
	must(t, err)
}

// logGroup makes no role: LocalStack does not check that it exists.
func (b *localStackBackend) logGroup(t *testing.T, e *env, name string) {
	t.Helper()
	must(t, b.inst.CreateLogGroup(t.Context(), e.account, region, name))
}

func (b *localStackBackend) bucket(t *testing.T, e *env, name string) {
	t.Helper()
	_, err := e.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket:                    &name,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region},
	})
	must(t, err)
}

// assumable does nothing: in LocalStack every role may be assumed.
func (b *localStackBackend) assumable(*testing.T, string, string) {}
