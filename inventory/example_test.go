package inventory_test

import (
	"fmt"

	"flowkeeper/inventory"
)

// A flow log that AWS describes with its defaults filled in, and with other tags, does
// the same as one that leaves them out. One that records rejected traffic alone
// does less.
func ExampleEquivalent() {
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	lost := inventory.Settings{
		ResourceID: "vpc-0aaaaaaaaaaaaaaa1", TrafficType: "ALL",
		LogDestinationType: "s3", LogDestination: "arn:aws:s3:::flow-logs",
		Tags: map[string]string{"owner": "net"},
	}

	same := inventory.FlowLog{ID: "fl-0bbbbbbbbbbbbbbb2", Status: "ACTIVE", Settings: lost}
	same.MaxAggregationInterval, same.Tags = 600, nil

	decoy := same
	decoy.ID, decoy.TrafficType = "fl-0ccccccccccccccc3", "REJECT"

	fmt.Println(inventory.Equivalent(scope, lost, same))
	fmt.Println(inventory.Equivalent(scope, lost, decoy), inventory.Differences(scope, lost, decoy.Settings))
	// Output:
	// true
	// false [traffic_type: "REJECT" instead of "ALL"]
}

// A log group that is given by its name has the same destination as one that is given by
// its ARN.
func ExampleSettings_Destination() {
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	fmt.Println(inventory.Settings{LogGroupName: "/vpc/flow-logs"}.Destination(scope))
	fmt.Println(inventory.Settings{LogDestination: "arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow-logs:*"}.Destination(scope))
	// Output:
	// arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow-logs
	// arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow-logs
}
