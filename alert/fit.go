package alert

import (
	"encoding/json"
	"fmt"
)

// fit encodes the alert, leaving out flow logs from the end of its lists until
// it is at most limit bytes long; Omitted and the text then say how many. What
// else is in an alert is bounded by Write.
func fit(a Alert, limit int) (string, error) {
	text := a.Text
	for {
		data, err := json.Marshal(a)
		if err != nil || len(data) <= limit || len(a.FlowLogs)+len(a.FailedFlowLogs) == 0 {
			return string(data), err
		}
		gone, failed := len(a.FlowLogs)*3/4, len(a.FailedFlowLogs)*3/4
		a.Omitted += len(a.FlowLogs) - gone + len(a.FailedFlowLogs) - failed
		a.FlowLogs, a.FailedFlowLogs = a.FlowLogs[:gone], a.FailedFlowLogs[:failed]
		a.Text = fmt.Sprintf("%s\n%d flow logs are left out of this message's data: `flowkeeper incidents list` has all.", text, a.Omitted)
	}
}
