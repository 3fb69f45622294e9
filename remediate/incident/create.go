package incident

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/inventory"
)

// RestoredFrom is the tag that a replacement carries: its value is the lost
// flow log's ID, or the event's ID if one call made several. It contains no time, so
// that a retry is the same call.
const RestoredFrom = "flowkeeper:restored-from"

// CreateInput is the one call that puts an incident's flow log back, with a ClientToken
// (see [TokenKey.Token]). It is a pure function of what is frozen in the incident (I2). AWS
// describes some settings that CreateFlowLogs does not take, and the other way round: see
// docs/aws.md, "Describing flow logs".
func CreateInput(i Incident, token string) *ec2.CreateFlowLogsInput {
	s := i.Frozen
	in := &ec2.CreateFlowLogsInput{
		ClientToken:             aws.String(token),
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
	in.TagSpecifications = tagSpecifications(createTags(i))
	return in
}

// createTags are the lost flow log's own, and ours where there is room.
func createTags(i Incident) map[string]string {
	tags := ownTags(i.Frozen.Tags)
	if !i.Untagged && len(tags) < inventory.MostTags {
		tags[RestoredFrom] = i.FlowLogID
	}
	return tags
}

// Tags are tags as AWS's calls take them, sorted.
func Tags(tags map[string]string) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}

func tagSpecifications(tags map[string]string) []types.TagSpecification {
	if len(tags) == 0 {
		return nil
	}
	return []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: Tags(tags)}}
}

// Replacement are the settings of the flow log whose ID a create answered: those of the
// request, until a refresh shows how AWS describes the flow log.
func Replacement(i Incident) inventory.Settings {
	s := i.Frozen
	s.Tags = createTags(i)
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
	return types.FlowLogsResourceTypeVpc // AWS will refuse it
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
