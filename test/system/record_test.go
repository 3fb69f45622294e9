package system_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// record is one CloudTrail record of a successful DeleteFlowLogs.
type record struct {
	eventID string
	lost    []string
	json    string
}

const attacker = "mallory"

// deletion has the form of EC2's records, which are XML turned into JSON: one ID is an object, several IDs are
// a list, and an empty element is "".
func deletion(w *world, ids ...string) record {
	r := record{eventID: rand.Text(), lost: ids}
	var named []map[string]any
	for i, id := range ids {
		named = append(named, map[string]any{"tag": i + 1, "content": id})
	}
	var flowLogID any = named
	if len(named) == 1 {
		flowLogID = named[0]
	}
	text, err := json.Marshal(map[string]any{
		"eventVersion": "1.09", "eventTime": time.Now().UTC().Format(time.RFC3339), "eventID": r.eventID,
		"eventSource": "ec2.amazonaws.com", "eventName": "DeleteFlowLogs", "eventType": "AwsApiCall",
		"awsRegion": region, "recipientAccountId": w.account, "readOnly": false,
		"managementEvent": true, "eventCategory": "Management",
		"sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.17",
		"userIdentity": map[string]any{
			"type": "IAMUser", "arn": w.attackerARN(), "accountId": w.account,
			"accessKeyId": "AKIAEXAMPLEEXAMPLE00", "userName": attacker,
		},
		"requestParameters": map[string]any{"DeleteFlowLogsRequest": map[string]any{"FlowLogId": flowLogID}},
		"responseElements": map[string]any{"DeleteFlowLogsResponse": map[string]any{
			"xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/", "requestId": rand.Text(), "unsuccessful": "",
		}},
	})
	if err != nil {
		panic(err) // impossible: maps and texts can always be encoded
	}
	r.json = string(text)
	return r
}

func (w *world) attackerARN() string {
	return fmt.Sprintf("arn:aws:iam::%s:user/%s", w.account, attacker)
}
