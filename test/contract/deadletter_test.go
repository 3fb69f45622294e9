package contract_test

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func deadLetterCases() []contractCase {
	return []contractCase{{"queue/redrive after too many receives", redrive}}
}

// redrive: a message that was received maxReceiveCount times and not deleted moves to the dead-letter queue at
// the next receive, with its ID and body.
func redrive(t *testing.T, e *env) {
	dead, arn := newQueue(t, e, "dead", nil)
	policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": arn, "maxReceiveCount": 2})
	must(t, err)
	url, _ := newQueue(t, e, "source", map[string]string{"RedrivePolicy": string(policy)})
	send(t, e, url, "poison")
	var id string
	for range 2 {
		m := receiveOne(t, e, url, 30)
		id = aws.ToString(m.MessageId)
		show(t, e, url, m)
	}
	wantEqual(t, "messages in the queue", len(receive(t, e, url, 1, 30)), 0)
	m := receiveOne(t, e, dead, 30)
	wantEqual(t, "body", aws.ToString(m.Body), "poison")
	wantEqual(t, "ID", aws.ToString(m.MessageId), id)
}
