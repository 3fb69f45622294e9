package incident_test

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// The call comes from the incident's frozen settings alone, so that a repeat is the same
// call. Tags that AWS reserves can't be set again; a tag says which flow log was lost.
func ExampleCreateInput() {
	lost := incident.Incident{
		Scope:     inventory.Scope{Account: "111122223333", Region: "eu-west-1"},
		FlowLogID: "fl-0aaaaaaaaaaaaaaa1",
		Frozen: inventory.Settings{
			ResourceID: "vpc-0aaaaaaaaaaaaaaa1", TrafficType: "ALL",
			LogDestinationType: "s3", LogDestination: "arn:aws:s3:::flow-logs",
			MaxAggregationInterval: 60,
			Tags:                   map[string]string{"owner": "net", "aws:cloudformation:stack-name": "network"},
		},
	}
	key := incident.SharedTokenKey("a secret of this Flowkeeper")
	in := incident.CreateInput(lost, key.Token(lost))

	fmt.Println(in.ResourceType, in.ResourceIds)
	fmt.Println(in.TrafficType, in.LogDestinationType, aws.ToString(in.LogDestination), aws.ToInt32(in.MaxAggregationInterval))
	for _, t := range in.TagSpecifications[0].Tags {
		fmt.Println(aws.ToString(t.Key), aws.ToString(t.Value))
	}
	fmt.Println("the same token again:", key.Token(lost) == aws.ToString(in.ClientToken))
	// Output:
	// VPC [vpc-0aaaaaaaaaaaaaaa1]
	// ALL s3 arn:aws:s3:::flow-logs 60
	// flowkeeper:restored-from fl-0aaaaaaaaaaaaaaa1
	// owner net
	// the same token again: true
}
