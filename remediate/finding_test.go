package remediate

import (
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
)

func finding(eventID string, ids ...string) detection.Finding {
	return detection.Finding{Kind: detection.Deleted, Deleted: ids, Record: cloudtrail.Record{
		EventID: eventID, EventName: "DeleteFlowLogs", EventSource: "ec2.amazonaws.com", EventTime: noon, Account: scope.Account, Region: scope.Region, FlowLogIDs: ids,
	}}
}
