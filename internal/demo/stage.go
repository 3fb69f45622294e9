package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/scopes"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
)

// stage is the AWS account that is attacked.
type stage struct {
	world    *fakeaws.World
	url      string
	stop     func() error
	queueARN string
	aws      aws.Config  // the daemon's
	attacker *ec2.Client // an administrator's leaked access key, without MFA
	intern   *ec2.Client // may not delete flow logs
	admin    *ec2.Client // creates the flow logs, and describes them before and after
}

// newStage starts the AWS and creates what is to be protected. The caller stops it.
func newStage(ctx context.Context) (*stage, error) {
	s := &stage{world: fakeaws.New(time.Now)}
	url, stop, err := s.world.Listen()
	if err != nil {
		return nil, fmt.Errorf("start the AWS in this process: %w", err)
	}
	s.url, s.stop = url, stop
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, stop())
	}
	return s, nil
}

// config is the daemon's configuration, with short waits: this AWS is never slow.
func (s *stage) config(state string) configs.Config {
	c := configs.Default()
	c.Queue.URL, c.Queue.WaitTime = s.url+"/queue/"+region+"/"+account+"/flowkeeper", time.Second
	c.AWS.Region, c.AWS.EndpointURL = region, s.url
	c.Inventory.Schedule, c.Inventory.Settle = "@every 1s", 300*time.Millisecond
	c.Remediate.DriftWait, c.Remediate.VerifyAfter = 500*time.Millisecond, time.Second
	c.State.Path, c.HTTP.Listen = state, ""
	return c
}

const (
	roleARN   = "arn:aws:iam::" + account + ":role/flow-logs"
	groupARN  = "arn:aws:logs:" + region + ":" + account + ":log-group:/vpc/flow-logs"
	bucketARN = "arn:aws:s3:::example-flow-logs"
	streamARN = "arn:aws:firehose:" + region + ":" + account + ":deliverystream/flow-logs"
)

var resources = []struct {
	id   string
	kind types.FlowLogsResourceType
}{
	{"vpc-0a11ce00000000001", types.FlowLogsResourceTypeVpc},
	{"subnet-0a11ce00000000002", types.FlowLogsResourceTypeSubnet},
	{"eni-0a11ce00000000003", types.FlowLogsResourceTypeNetworkInterface},
	{"tgw-0a11ce00000000004", types.FlowLogsResourceTypeTransitGateway},
	{"tgw-attach-0a11ce00000000005", types.FlowLogsResourceTypeTransitGatewayAttachment},
	{"nat-0a11ce00000000006", types.FlowLogsResourceTypeRegionalNatGateway},
}

// build makes the queue, the users, the resources of all six types, and two
// flow logs on each, to all three kinds of destination.
func (s *stage) build(ctx context.Context) (err error) {
	w := s.world
	_, s.queueARN = w.CreateQueue(account, region, "flowkeeper", nil)
	for _, target := range []string{roleARN, groupARN, bucketARN, streamARN} {
		w.SetDeliveryTarget(target, true)
	}
	user := func(name string, mfa bool) aws.Config {
		c := w.User(account, name, mfa)
		cfg, failed := scopes.Base(ctx, scopes.Options{Region: region, EndpointURL: s.url,
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")})
		err = errors.Join(err, failed)
		return cfg
	}
	s.aws = user("flowkeeper", true)
	s.admin, s.attacker, s.intern = ec2.NewFromConfig(user("platform", true)), ec2.NewFromConfig(user("mallory", false)), ec2.NewFromConfig(user("intern", false))
	if err != nil {
		return err
	}
	for n, r := range resources {
		w.AddResource(account, region, r.id)
		for m := range 2 {
			out, err := s.admin.CreateFlowLogs(ctx, example(n, m))
			if err == nil && len(out.FlowLogIds) != 1 {
				err = fmt.Errorf("AWS made %d", len(out.FlowLogIds))
			}
			if err != nil {
				return fmt.Errorf("set up a flow log of %s: %w", r.id, err)
			}
		}
	}
	w.TrailWith(func(body string) error { return w.Send(s.queueARN, body) })
	return nil
}

// example is a flow log with settings unlike any other's.
func example(n, m int) *ec2.CreateFlowLogsInput {
	r := resources[n]
	in := &ec2.CreateFlowLogsInput{
		ClientToken: aws.String(fmt.Sprintf("demo-%d-%d", n, m)), ResourceIds: []string{r.id}, ResourceType: r.kind,
		TrafficType:            []types.TrafficType{types.TrafficTypeAll, types.TrafficTypeReject, types.TrafficTypeAccept}[n%3],
		MaxAggregationInterval: aws.Int32([]int32{60, 600}[m]),
		LogFormat:              aws.String([]string{"${version} ${vpc-id} ${srcaddr} ${dstaddr} ${action}", "${version} ${account-id} ${pkt-srcaddr} ${pkt-dstaddr} ${flow-direction}"}[m]),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: []types.Tag{
			{Key: aws.String("Name"), Value: aws.String(fmt.Sprintf("%s-%d", r.kind, m+1))},
			{Key: aws.String("owner"), Value: aws.String("platform@example.com")},
		}}},
	}
	switch (n + m) % 3 {
	case 0:
		in.LogDestinationType, in.LogDestination, in.DeliverLogsPermissionArn = types.LogDestinationTypeCloudWatchLogs, aws.String(groupARN), aws.String(roleARN)
	case 1:
		in.LogDestinationType, in.LogDestination = types.LogDestinationTypeS3, aws.String(bucketARN)
		in.DestinationOptions = &types.DestinationOptionsRequest{FileFormat: types.DestinationFileFormatParquet, HiveCompatiblePartitions: aws.Bool(true), PerHourPartition: aws.Bool(m == 0)}
	case 2:
		in.LogDestinationType, in.LogDestination = types.LogDestinationTypeKinesisDataFirehose, aws.String(streamARN)
	}
	if r.kind == types.FlowLogsResourceTypeTransitGateway || r.kind == types.FlowLogsResourceTypeTransitGatewayAttachment {
		in.TrafficType, in.MaxAggregationInterval = "", aws.Int32(60)
		in.LogFormat = aws.String("${version} ${tgw-id} ${tgw-attachment-id} ${srcaddr} ${dstaddr}")
	}
	return in
}

// describe is what AWS has now.
func (s *stage) describe(ctx context.Context) ([]types.FlowLog, error) {
	out, err := s.admin.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{})
	if err != nil {
		return nil, err
	}
	return out.FlowLogs, nil
}
