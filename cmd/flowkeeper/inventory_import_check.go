package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"flowkeeper/inventory"
)

// watchedScopes are the accounts and Regions of a snapshot: flow logs of others would never
// be refreshed.
type watchedScopes struct{ accounts, regions []string }

func (w watchedScopes) check(f flowLogJSON) error {
	switch {
	case len(w.accounts) > 0 && !slices.Contains(w.accounts, f.Account):
		return fmt.Errorf("account %s is not watched here (%s): add it under accounts first", f.Account, strings.Join(w.accounts, ", "))
	case len(w.regions) > 0 && !slices.Contains(w.regions, f.Region):
		return fmt.Errorf("region %s is not watched here (%s): add it under inventory.regions first", f.Region, strings.Join(w.regions, ", "))
	}
	return nil
}

// What a flow log can be. AWS may allow more one day, and our own export must not be
// refused then: these refuse only what no flow log ever was.
var (
	flowLogID = regexp.MustCompile(`^fl-[0-9a-f]{8,32}$`)
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	regionID  = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
	logFormat = regexp.MustCompile(`\$\{[a-z0-9-]+\}`)
	roleARN   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.`)

	resources    = []string{"vpc-", "subnet-", "eni-", "tgw-", "nat-"}
	traffic      = []string{"", "ALL", "ACCEPT", "REJECT"} // none: of a transit gateway
	fileFormats  = []string{"", "plain-text", "parquet"}
	destinations = map[string]string{"": "", "cloud-watch-logs": "logs", "s3": "s3", "kinesis-data-firehose": "firehose"}
)

// check refuses an object that can't be a flow log, or could not be created.
func (f flowLogJSON) check() error {
	switch {
	case !flowLogID.MatchString(f.FlowLogID):
		return fmt.Errorf("flow_log_id %q: it looks like fl-0123456789abcdef0", f.FlowLogID)
	case f.RootFlowLogID != "" && !flowLogID.MatchString(f.RootFlowLogID):
		return fmt.Errorf("root_flow_log_id %q: it looks like fl-0123456789abcdef0", f.RootFlowLogID)
	case !accountID.MatchString(f.Account):
		return fmt.Errorf("account %q: twelve digits", f.Account)
	case !regionID.MatchString(f.Region):
		return fmt.Errorf("region %q: it looks like eu-west-1", f.Region)
	case !slices.ContainsFunc(resources, func(p string) bool { return strings.HasPrefix(f.ResourceID, p) }):
		return fmt.Errorf("resource_id %q: it begins with one of %s", f.ResourceID, strings.Join(resources, ", "))
	case f.State != inventory.Live && f.State != inventory.Gone:
		return fmt.Errorf("state %q: live or gone", f.State)
	case !slices.Contains(traffic, f.TrafficType):
		return fmt.Errorf("traffic_type %q: one of ALL, ACCEPT, REJECT", f.TrafficType)
	case f.MaxAggregationInterval < 0 || f.MaxAggregationInterval > 3600:
		return fmt.Errorf("max_aggregation_interval %d: seconds, 60 or 600", f.MaxAggregationInterval)
	case f.LogFormat != "" && !logFormat.MatchString(f.LogFormat):
		return fmt.Errorf("log_format %q: fields such as ${srcaddr} with spaces between", f.LogFormat)
	case f.DestinationOptions != nil && !slices.Contains(fileFormats, f.DestinationOptions.FileFormat):
		return fmt.Errorf("destination_options: file_format %q: plain-text or parquet", f.DestinationOptions.FileFormat)
	}
	if err := f.checkDestination(); err != nil {
		return err
	}
	for _, r := range [][2]string{{"deliver_logs_permission_arn", f.DeliverLogsPermissionARN}, {"deliver_cross_account_role", f.DeliverCrossAccountRole}} {
		if r[1] != "" && !roleARN.MatchString(r[1]) {
			return fmt.Errorf("%s %q: it is a role's ARN", r[0], r[1])
		}
	}
	return nil
}

// checkDestination refuses a destination that is not of the flow log's type.
func (f flowLogJSON) checkDestination() error {
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
	if a, err := arn.Parse(f.LogDestination); err != nil || a.Resource == "" || service != "" && a.Service != service {
		return fmt.Errorf("log_destination %q: not the ARN of a destination of type %s", f.LogDestination, f.LogDestinationType)
	}
	return nil
}
