package watcher_test

import (
	"fmt"

	"flowkeeper/watcher"
)

// Unwrap takes the record out of its envelopes: here it came in an event of EventBridge, through an SNS topic.
func ExampleUnwrap() {
	body := `{"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:events",
		"Message": "{\"detail-type\": \"AWS API Call via CloudTrail\", \"detail\": {\"eventName\": \"DeleteFlowLogs\"}}"}`
	c, err := watcher.Unwrap([]byte(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s\n", c.Kind, c.Records[0])
	// Output:
	// eventbridge: {"eventName": "DeleteFlowLogs"}
}

// A body that is no known envelope is an error, and the message stays in the queue.
func ExampleUnwrap_unknown() {
	_, err := watcher.Unwrap([]byte(`{"hello": "world"}`))
	fmt.Println(err)
	// Output:
	// not understood: none of the known envelopes
}
