package system_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
)

// restoredFrom is the only tag of a replacement that the lost flow log did not have.
const restoredFrom = "flowkeeper:restored-from"

// settings is what must be restored, as AWS describes it. It is defined here once more, so that the test
// notices mistakes in the product's own comparison.
type settings struct {
	Resource, TrafficType, DestinationType, Destination, LogGroup, Role, Format string
	Interval                                                                    int32
	Tags                                                                        map[string]string
}

// key differs for each flow log of this test.
func (s settings) key() string { return s.Resource + " " + s.DestinationType }

type flowLog struct {
	id           string
	restoredFrom string
	settings     settings
}

// flowLogs are the flow logs before the attack, by their names in this test.
type flowLogs map[string]flowLog

func (f flowLogs) ids() []string {
	var ids []string
	for _, l := range f {
		ids = append(ids, l.id)
	}
	return ids
}

// createFlowLogs makes a flow log of each resource type and destination, all with different settings. It gives
// the log group by name: LocalStack shows FAILED for a log group given by ARN; on AWS both work.
func (w *world) createFlowLogs(t *testing.T) flowLogs {
	t.Helper()
	must(t, w.inst.CreateLogGroup(t.Context(), w.account, region, "flow/logs"))
	bucket := "flow-logs-" + w.account
	w.newBucket(t, bucket)
	made := flowLogs{}
	for name, r := range w.newResources(t) {
		base := ec2.CreateFlowLogsInput{ResourceIds: []string{r.id}, ResourceType: r.kind}

		logs := base
		logs.LogGroupName = aws.String("flow/logs")
		logs.DeliverLogsPermissionArn = aws.String("arn:aws:iam::" + w.account + ":role/" + name)
		logs.TrafficType, logs.MaxAggregationInterval = types.TrafficTypeAll, aws.Int32(60)
		logs.LogFormat = aws.String("${version} ${" + name + "-id} ${srcaddr} ${action}")
		logs.TagSpecifications = tags("team", "net", "Owner", "Zoë & <"+name+">", "empty", "")
		made[name+" to logs"] = w.createFlowLog(t, &logs)

		s3 := base
		s3.LogDestinationType, s3.LogDestination = types.LogDestinationTypeS3, aws.String("arn:aws:s3:::"+bucket+"/"+name+"/")
		s3.TrafficType, s3.MaxAggregationInterval = types.TrafficTypeReject, aws.Int32(600)
		s3.TagSpecifications = tags("number", "0600", "yes", "true")
		made[name+" to s3"] = w.createFlowLog(t, &s3)
	}
	return made
}

type resource struct {
	id   string
	kind types.FlowLogsResourceType
}

func (w *world) newResources(t *testing.T) map[string]resource {
	t.Helper()
	vpc, err := w.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	must(t, err)
	subnet, err := w.ec2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.0.1.0/24")})
	must(t, err)
	eni, err := w.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: subnet.Subnet.SubnetId})
	must(t, err)
	return map[string]resource{
		"vpc":    {*vpc.Vpc.VpcId, types.FlowLogsResourceTypeVpc},
		"subnet": {*subnet.Subnet.SubnetId, types.FlowLogsResourceTypeSubnet},
		"eni":    {*eni.NetworkInterface.NetworkInterfaceId, types.FlowLogsResourceTypeNetworkInterface},
	}
}

func tags(pairs ...string) []types.TagSpecification {
	var list []types.Tag
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, types.Tag{Key: &pair[0], Value: &pair[1]})
	}
	return []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: list}}
}

func (w *world) createFlowLog(t *testing.T, in *ec2.CreateFlowLogsInput) flowLog {
	t.Helper()
	out, err := w.ec2.CreateFlowLogs(t.Context(), in)
	must(t, err)
	if len(out.FlowLogIds) != 1 {
		t.Fatalf("created %v, unsuccessful %+v; want one", out.FlowLogIds, out.Unsuccessful)
	}
	shown, err := w.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{FlowLogIds: out.FlowLogIds})
	must(t, err)
	if len(shown.FlowLogs) != 1 {
		t.Fatalf("describing %v shows %d flow logs, want one", out.FlowLogIds, len(shown.FlowLogs))
	}
	return plain(shown.FlowLogs[0])
}

func (w *world) delete(t *testing.T, ids ...string) {
	t.Helper()
	_, err := w.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	must(t, err)
}

// now are the flow logs that AWS has, by settings.key.
func (w *world) now(t *testing.T) map[string][]flowLog {
	t.Helper()
	out, err := w.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
	must(t, err)
	have := map[string][]flowLog{}
	for _, l := range out.FlowLogs {
		p := plain(l)
		have[p.settings.key()] = append(have[p.settings.key()], p)
	}
	return have
}

func plain(l types.FlowLog) flowLog {
	all := map[string]string{}
	for _, tag := range l.Tags {
		all[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	p := flowLog{id: aws.ToString(l.FlowLogId), restoredFrom: all[restoredFrom]}
	own := maps.Clone(all)
	delete(own, restoredFrom)
	p.settings = settings{
		Resource: aws.ToString(l.ResourceId), TrafficType: string(l.TrafficType), DestinationType: string(l.LogDestinationType),
		Destination: aws.ToString(l.LogDestination), LogGroup: aws.ToString(l.LogGroupName),
		Role: aws.ToString(l.DeliverLogsPermissionArn), Format: aws.ToString(l.LogFormat),
		Interval: aws.ToInt32(l.MaxAggregationInterval), Tags: own,
	}
	return p
}

// restored returns an error unless each flow log of before has exactly one equal now, and none of the lost IDs
// is there.
func (w *world) restored(t *testing.T, before flowLogs, lost []string) error {
	t.Helper()
	have := w.now(t)
	for name, b := range before {
		now := have[b.settings.key()]
		if len(now) != 1 {
			return fmt.Errorf("%s: %d flow logs, want 1", name, len(now))
		}
		if slices.Contains(lost, now[0].id) {
			return fmt.Errorf("%s: %s is still there", name, now[0].id)
		}
		if diff := cmp.Diff(b.settings, now[0].settings); diff != "" {
			return fmt.Errorf("%s (-before +now):\n%s", name, diff)
		}
	}
	return nil
}

// checkExactlyOne is called after the daemon has ended: every flow log must be there once, and
// no other (I4).
func (w *world) checkExactlyOne(t *testing.T, before flowLogs) {
	t.Helper()
	if err := w.restored(t, before, nil); err != nil {
		t.Error(err)
	}
	if n := len(w.now(t)); n != len(before) {
		t.Errorf("%d kinds of flow logs, want %d", n, len(before))
	}
}
