package exportfile

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"flowkeeper/inventory"
)

// The forms of a flow log's settings. AWS may allow more one day, and our own export must not
// be refused then: these refuse only what no flow log ever had.
var (
	flowLogID    = regexp.MustCompile(`^fl-[0-9a-f]{8,32}$`)
	accountID    = regexp.MustCompile(`^[0-9]{12}$`)
	regionID     = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
	resourceID   = regexp.MustCompile(`^(vpc|subnet|eni|tgw|nat)-[0-9a-z-]+$`)
	flowLogState = regexp.MustCompile(`^(live|gone)$`)
	trafficType  = regexp.MustCompile(`^(ALL|ACCEPT|REJECT|)$`) // a transit gateway's flow log has none
	logFormat    = regexp.MustCompile(`\$\{[a-z0-9-]+\}|^$`)
	fileFormat   = regexp.MustCompile(`^(plain-text|parquet|)$`)
	roleARN      = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.|^$`)

	destinations = map[string]string{"": "", "cloud-watch-logs": "logs", "s3": "s3", "kinesis-data-firehose": "firehose"}
)

// check refuses an object that can't be a flow log, or could not be created.
func (f FlowLog) check() error {
	const anID = "it looks like fl-0123456789abcdef0"
	var options inventory.DestinationOptions
	if f.DestinationOptions != nil {
		options = *f.DestinationOptions
	}
	for _, x := range []struct {
		key, value string
		form       *regexp.Regexp
		fix        string
	}{
		{"flow_log_id", f.FlowLogID, flowLogID, anID},
		{"root_flow_log_id", cmp.Or(f.RootFlowLogID, f.FlowLogID), flowLogID, anID},
		{"account", f.Account, accountID, "twelve digits"},
		{"region", f.Region, regionID, "it looks like eu-west-1"},
		{"resource_id", f.ResourceID, resourceID, "it begins with one of vpc-, subnet-, eni-, tgw-, nat-"},
		{"state", string(f.State), flowLogState, "live or gone"},
		{"traffic_type", f.TrafficType, trafficType, "one of ALL, ACCEPT, REJECT"},
		{"log_format", f.LogFormat, logFormat, "fields such as ${srcaddr} with spaces between"},
		{"destination_options: file_format", options.FileFormat, fileFormat, "plain-text or parquet"},
		{"deliver_logs_permission_arn", f.DeliverLogsPermissionARN, roleARN, "it is a role's ARN"},
		{"deliver_cross_account_role", f.DeliverCrossAccountRole, roleARN, "it is a role's ARN"},
	} {
		if !x.form.MatchString(x.value) {
			return fmt.Errorf("%s %q: %s", x.key, x.value, x.fix)
		}
	}
	if n := f.MaxAggregationInterval; n < 0 || n > 3600 {
		return fmt.Errorf("max_aggregation_interval %d: seconds, 60 or 600", n)
	}
	return f.checkDestination()
}

// checkDestination refuses a destination that is not of the flow log's type.
func (f FlowLog) checkDestination() error {
	service, known := destinations[f.LogDestinationType]
	if !known {
		return fmt.Errorf("log_destination_type %q: one of cloud-watch-logs, s3, kinesis-data-firehose", f.LogDestinationType)
	}
	if f.LogDestination == "" {
		if f.LogGroupName == "" || service != "" && service != "logs" {
			return fmt.Errorf("neither log_destination nor log_group_name: it could not be created")
		}
		return nil
	}
	a, err := arn.Parse(f.LogDestination)
	ofAnother := service != "" && a.Service != service
	if err != nil || a.Resource == "" || ofAnother {
		return fmt.Errorf("log_destination %q: not the ARN of a destination of type %s", f.LogDestination, f.LogDestinationType)
	}
	return nil
}
