package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/inventory"
)

// RestoredFrom is the tag that a replacement carries: its value is the lost
// flow log's ID. It has no time in it, so that a retry is the same call.
const RestoredFrom = "flowkeeper:restored-from"

const maxTags = 50 // of one AWS resource

// Token is the ClientToken of an incident's create: the same for every try
// and every daemon, so that AWS makes one flow log of them all (I4). 64 ASCII
// characters, the most that AWS takes.
func Token(scope inventory.Scope, lostID string, generation int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "flowkeeper\n%s\n%s\n%d", scope, lostID, generation))
	return hex.EncodeToString(sum[:])
}

// CreateInput is the one call that puts an incident's flow log back. It is a
// pure function of what is frozen in the incident (I2). AWS describes some settings that
// CreateFlowLogs does not take, and the other way round: see docs/aws.md, "Describing
// flow logs".
func CreateInput(i Incident) *ec2.CreateFlowLogsInput {
	s := i.Frozen
	in := &ec2.CreateFlowLogsInput{
		ClientToken:             aws.String(Token(i.Scope, i.FlowLogID, i.Generation)),
		ResourceIds:             []string{s.ResourceID},
		ResourceType:            resourceType(s.ResourceID),
		LogDestinationType:      types.LogDestinationType(s.LogDestinationType),
		TrafficType:             types.TrafficType(s.TrafficType),
		LogFormat:               text(s.LogFormat),
		DeliverCrossAccountRole: text(s.DeliverCrossAccountRole),
	}
	if in.LogDestinationType == "" {
		in.LogDestinationType = types.LogDestinationTypeCloudWatchLogs
	}
	if s.LogDestination != "" {
		in.LogDestination = aws.String(strings.TrimSuffix(s.LogDestination, ":*"))
	} else {
		in.LogGroupName = text(s.LogGroupName)
	}
	if in.LogDestinationType == types.LogDestinationTypeS3 {
		if o := s.DestinationOptions; o != nil {
			in.DestinationOptions = &types.DestinationOptionsRequest{
				FileFormat:               types.DestinationFileFormat(o.FileFormat),
				HiveCompatiblePartitions: aws.Bool(o.HiveCompatiblePartitions),
				PerHourPartition:         aws.Bool(o.PerHourPartition),
			}
		}
	} else {
		in.DeliverLogsPermissionArn = text(s.DeliverLogsPermissionARN) // S3 refuses it
	}
	if s.MaxAggregationInterval != 0 {
		in.MaxAggregationInterval = aws.Int32(s.MaxAggregationInterval)
	}
	if s.TransitGateway() {
		in.TrafficType, in.MaxAggregationInterval = "", aws.Int32(60)
	}
	for _, t := range s.TagFieldSpecifications {
		in.TagFieldSpecifications = append(in.TagFieldSpecifications, types.TagFieldSpecificationRequest{
			ResourceType: types.TaggableResourceType(t.ResourceType), TagKeys: slices.Clone(t.TagKeys),
		})
	}
	if tags := createTags(i); len(tags) > 0 {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: tags}}
	}
	return in
}

// createTags are the lost flow log's own, sorted, and ours where there is
// room. Tags that AWS reserves (aws:…) can't be set.
func createTags(i Incident) []types.Tag {
	tags := map[string]string{}
	for k, v := range i.Frozen.Tags {
		if !strings.HasPrefix(k, "aws:") && k != RestoredFrom {
			tags[k] = v
		}
	}
	if !i.Untagged && len(tags) < maxTags {
		tags[RestoredFrom] = i.FlowLogID
	}
	out := make([]types.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}

// Replacement are the settings of the flow log that a create answered: what was asked
// for, until a refresh shows how AWS describes it.
func Replacement(i Incident) inventory.Settings {
	s := i.Frozen
	s.Tags = map[string]string{}
	for _, t := range createTags(i) {
		s.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return s
}

// resourceType follows from the ID alone, because DescribeFlowLogs does not show it.
func resourceType(id string) types.FlowLogsResourceType {
	for _, t := range []struct {
		prefix string
		kind   types.FlowLogsResourceType
	}{
		{"vpc-", types.FlowLogsResourceTypeVpc},
		{"subnet-", types.FlowLogsResourceTypeSubnet},
		{"eni-", types.FlowLogsResourceTypeNetworkInterface},
		{"tgw-attach-", types.FlowLogsResourceTypeTransitGatewayAttachment},
		{"tgw-", types.FlowLogsResourceTypeTransitGateway},
		{"nat-", types.FlowLogsResourceTypeRegionalNatGateway},
	} {
		if strings.HasPrefix(id, t.prefix) {
			return t.kind
		}
	}
	return types.FlowLogsResourceTypeVpc // AWS will say what it thinks of it
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
