package doctor

import (
	"encoding/json"
	"time"

	"flowkeeper/inventory"
)

// sample is an event as EventBridge gets it from CloudTrail.
type sample struct {
	name string
	must bool // without it Flowkeeper does not hear of deletions or rehearsals
	body string
}

// samples of one scope, in the full envelope that TestEventPattern wants.
func samples(s inventory.Scope, at time.Time) []sample {
	const noID = `"FlowLogId":{"tag":1,"content":"fl-00000000000000000"}`
	return []sample{
		{"a deletion", true, event(s, at, "ec2", "DeleteFlowLogs", `{"DeleteFlowLogsRequest":{`+noID+`}}`, `{"DeleteFlowLogsResponse":{"unsuccessful":""}}`, "")},
		{"a refused deletion", true, event(s, at, "ec2", "DeleteFlowLogs", `{"DeleteFlowLogsRequest":{`+noID+`}}`, "", "Client.UnauthorizedOperation")},
		{"a rehearsal", true, event(s, at, "ec2", "CreateFlowLogs", `{"CreateFlowLogsRequest":{"DryRun":true,"ResourceId":{"tag":1,"content":"vpc-00000000000000000"},"ClientToken":"flowkeeper-rehearsal-sample"}}`, "", "Client.DryRunOperation")},
		{"a creation", true, event(s, at, "ec2", "CreateFlowLogs", `{"CreateFlowLogsRequest":{"ResourceId":{"tag":1,"content":"vpc-00000000000000000"}}}`, `{"CreateFlowLogsResponse":{"unsuccessful":"","flowLogIdSet":{"item":"fl-00000000000000000"}}}`, "")},
		{"the end of a VPC", false, event(s, at, "ec2", "DeleteVpc", `{"vpcId":"vpc-00000000000000000"}`, `{"_return":true}`, "")},
		{"a stopped trail", false, event(s, at, "cloudtrail", "StopLogging", `{"name":"sample"}`, "", "")},
	}
}

func event(s inventory.Scope, at time.Time, service, name, request, response, errorCode string) string {
	when := at.UTC().Format(time.RFC3339)
	const id = "00000000-0000-4000-8000-000000000000"
	record := map[string]any{
		"eventVersion": "1.10", "eventTime": when, "eventSource": service + ".amazonaws.com", "eventName": name,
		"awsRegion": s.Region, "recipientAccountId": s.Account, "eventID": id, "requestID": id, "readOnly": false,
		"eventType": "AwsApiCall", "managementEvent": true, "eventCategory": "Management",
		"sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.17.0",
		"userIdentity": map[string]any{"type": "IAMUser", "accountId": s.Account, "userName": "sample",
			"arn": "arn:" + inventory.Partition(s.Region) + ":iam::" + s.Account + ":user/sample"},
		"requestParameters": json.RawMessage(request), "responseElements": nil,
	}
	if response != "" {
		record["responseElements"] = json.RawMessage(response)
	}
	if errorCode != "" {
		record["errorCode"], record["errorMessage"] = errorCode, "sample"
	}
	b, err := json.Marshal(map[string]any{
		"version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail", "source": "aws." + service,
		"account": s.Account, "time": when, "region": s.Region, "resources": []string{}, "detail": record,
	})
	if err != nil {
		panic("doctor: a sample is plain JSON: " + err.Error())
	}
	return string(b)
}
