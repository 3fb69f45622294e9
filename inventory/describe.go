package inventory

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// FromEC2 is the flow log that AWS described, with its status and every setting
// that a create can set (docs/aws.md, "Describing flow logs").
func FromEC2(scope Scope, d types.FlowLog) FlowLog {
	f := FlowLog{
		ID:    aws.ToString(d.FlowLogId),
		Scope: scope,
		Settings: Settings{
			ResourceID:               aws.ToString(d.ResourceId),
			TrafficType:              string(d.TrafficType),
			LogDestinationType:       string(d.LogDestinationType),
			LogDestination:           aws.ToString(d.LogDestination),
			LogGroupName:             aws.ToString(d.LogGroupName),
			DeliverLogsPermissionARN: aws.ToString(d.DeliverLogsPermissionArn),
			DeliverCrossAccountRole:  aws.ToString(d.DeliverCrossAccountRole),
			LogFormat:                aws.ToString(d.LogFormat),
			MaxAggregationInterval:   aws.ToInt32(d.MaxAggregationInterval),
		},
		Status:                  aws.ToString(d.FlowLogStatus),
		DeliverLogsStatus:       aws.ToString(d.DeliverLogsStatus),
		DeliverLogsErrorMessage: aws.ToString(d.DeliverLogsErrorMessage),
		CreatedAt:               aws.ToTime(d.CreationTime),
	}
	if o := d.DestinationOptions; o != nil {
		f.DestinationOptions = &DestinationOptions{
			FileFormat:               string(o.FileFormat),
			HiveCompatiblePartitions: aws.ToBool(o.HiveCompatiblePartitions),
			PerHourPartition:         aws.ToBool(o.PerHourPartition),
		}
	}
	for _, t := range d.TagFieldSpecifications {
		f.TagFieldSpecifications = append(f.TagFieldSpecifications, TagFieldSpecification{
			ResourceType: string(t.ResourceType), TagKeys: t.TagKeys,
		})
	}
	for _, t := range d.Tags {
		if f.Tags == nil {
			f.Tags = make(map[string]string, len(d.Tags))
		}
		f.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return f
}

// Failing reports whether AWS says that it can't deliver. It says so up to ten
// minutes late (docs/aws.md, "Delivery").
func (f FlowLog) Failing() bool { return f.DeliverLogsStatus == "FAILED" }
