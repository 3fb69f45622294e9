package fakeaws

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// DefaultFormat is the LogFormat of a flow log if its create names none.
const DefaultFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

// kind of resource: the type, its ID's prefix, the error when it is missing, and the type
// as DescribeTags names it.
type kind struct{ name, prefix, missing, tagged string }

// Longer prefixes come first.
var kinds = []kind{
	{"TransitGatewayAttachment", "tgw-attach-", "InvalidTransitGatewayAttachmentID.NotFound", "transit-gateway-attachment"},
	{"TransitGateway", "tgw-", "InvalidTransitGatewayID.NotFound", "transit-gateway"},
	{"VPC", "vpc-", "InvalidVpcID.NotFound", "vpc"},
	{"Subnet", "subnet-", "InvalidSubnetID.NotFound", "subnet"},
	{"NetworkInterface", "eni-", "InvalidNetworkInterfaceID.NotFound", "network-interface"},
	{"RegionalNatGateway", "nat-", "NatGatewayNotFound", "natgateway"},
}

type createResult struct {
	answered
	ClientToken  string         `xml:"clientToken"`
	IDs          []string       `xml:"flowLogIdSet>item"`
	Unsuccessful []unsuccessful `xml:"unsuccessful>item"`
}

// createFlowLogs checks the parameters, then the dry run, then the ClientToken,
// and creates.
func (s *Scope) createFlowLogs(p params) (reply, error) {
	proto, err := parseCreate(p)
	if err != nil {
		return reply{}, err
	}
	resources := numbered[string](p, "ResourceId")
	if err := checkResources(p.text("ResourceType"), resources); err != nil {
		return reply{}, err
	}
	result := createResult{ClientToken: p.text("ClientToken")}
	if len(result.ClientToken) > 64 {
		return reply{}, Errorf("InvalidParameterValue", "the client token is longer than 64 characters")
	}
	if err := dryRun(p); err != nil {
		return reply{}, err
	}
	t, err := s.createOnce(p, proto, resources)
	if err != nil {
		return reply{}, err
	}
	result.IDs, result.Unsuccessful = t.ids(resources), t.failed
	if n := len(result.IDs); n > 0 && s.ec2.settings.MixedIDs {
		result.IDs = append(result.IDs[1:n:n], result.IDs[0])
	}
	return reply{&result, result.IDs}, nil
}

// parseCreate reads and checks all parameters except the resources.
func parseCreate(p params) (f FlowLog, err error) {
	f = FlowLog{
		TrafficType: p.text("TrafficType"), LogDestinationType: cmp.Or(p.text("LogDestinationType"), "cloud-watch-logs"), LogDestination: p.text("LogDestination"),
		LogGroupName: p.text("LogGroupName"), DeliverLogsPermissionARN: p.text("DeliverLogsPermissionArn"),
		DeliverCrossAccountRole: p.text("DeliverCrossAccountRole"), LogFormat: cmp.Or(p.text("LogFormat"), DefaultFormat), MaxAggregationInterval: 600,
	}
	if err := cmp.Or(f.checkTraffic(p), f.checkDestination(p)); err != nil {
		return f, err
	}
	for _, t := range numbered[params](p, "TagFieldSpecification") {
		f.TagFields = append(f.TagFields, TagField{t.text("ResourceType"), numbered[string](t, "TagKey")})
	}
	for _, t := range numbered[params](p, "TagSpecification") {
		if t.text("ResourceType") != "vpc-flow-log" {
			return f, Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", t.text("ResourceType"))
		}
		if f.Tags, err = parseTags(t); err != nil {
			return f, err
		}
	}
	return f, nil
}

// checkTraffic checks the traffic type and the interval: transit gateways have no traffic type, and
// always 60 seconds.
func (f *FlowLog) checkTraffic(p params) error {
	if v := p.text("MaxAggregationInterval"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n != 60 && n != 600 {
			return Errorf("InvalidParameter", "Invalid Flow Log Max Aggregation Interval")
		}
		f.MaxAggregationInterval = n
	}
	if strings.HasPrefix(p.text("ResourceType"), "TransitGateway") {
		if f.TrafficType != "" {
			return Errorf("InvalidParameter", "TrafficType is not supported for transit gateways")
		}
		if p.text("MaxAggregationInterval") == "600" {
			return Errorf("InvalidParameter", "MaxAggregationInterval must be 60 for transit gateways")
		}
		f.MaxAggregationInterval = 60
		return nil
	}
	if !slices.Contains([]string{"ALL", "ACCEPT", "REJECT"}, f.TrafficType) {
		return Errorf("InvalidParameter", "TrafficType must be one of ALL, ACCEPT, REJECT")
	}
	return nil
}

// checkDestination checks that there is exactly one destination, which fits its type.
func (f *FlowLog) checkDestination(p params) error {
	if f.LogGroupName != "" && f.LogDestination != "" {
		return Errorf("InvalidParameter", "Please only provide LogGroupName or only provide LogDestination.")
	}
	prefix := map[string]string{"cloud-watch-logs": "arn:aws:logs:", "s3": "arn:aws:s3:::", "kinesis-data-firehose": "arn:aws:firehose:"}[f.LogDestinationType]
	switch {
	case prefix == "":
		return Errorf("InvalidParameter", "Invalid LogDestinationType: %s", f.LogDestinationType)
	case f.LogDestination == "" && (f.LogGroupName == "" || f.LogDestinationType != "cloud-watch-logs"):
		return Errorf("InvalidParameter", "LogDestination can't be empty.")
	case f.LogDestination != "" && (!strings.HasPrefix(f.LogDestination, prefix) || strings.HasSuffix(f.LogDestination, ":*")):
		return Errorf("InvalidParameter", "LogDestination: %s is not a valid destination for %s", f.LogDestination, f.LogDestinationType)
	case f.LogDestinationType == "cloud-watch-logs" && f.DeliverLogsPermissionARN == "":
		return Errorf("InvalidParameter", "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")
	case f.LogDestinationType == "s3" && f.DeliverLogsPermissionARN != "":
		return Errorf("InvalidParameter", "DeliverLogsPermissionArn is not applicable for s3.")
	}
	return f.checkOptions(p)
}

// checkOptions checks DestinationOptions, which are for S3 only. Options that were not set get their
// defaults, which AWS shows in a Describe.
func (f *FlowLog) checkOptions(p params) error {
	options, given := p["DestinationOptions"].(params)
	if f.LogDestinationType != "s3" {
		if given {
			return Errorf("InvalidParameter", "DestinationOptions are only supported for s3.")
		}
		return nil
	}
	f.FileFormat = cmp.Or(options.text("FileFormat"), "plain-text")
	if f.FileFormat != "plain-text" && f.FileFormat != "parquet" {
		return Errorf("InvalidParameter", "FileFormat must be plain-text or parquet")
	}
	f.HiveCompatiblePartitions = options.text("HiveCompatiblePartitions") == "true"
	f.PerHourPartition = options.text("PerHourPartition") == "true"
	return nil
}

// checkResources checks the resources of a call: at most 300, or 25 transit gateways, all of one
// type, each once.
func checkResources(kind string, ids []string) error {
	most := 300
	if strings.HasPrefix(kind, "TransitGateway") {
		most = 25
	}
	if len(ids) == 0 || len(ids) > most {
		return Errorf("InvalidParameterValue", "1 to %d resources a call", most)
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if got := kindOf(id); got.name != kind {
			return Errorf("InvalidParameterValue", "Invalid resource ID %s for ResourceType %s", id, kind)
		}
		if seen[id] {
			return Errorf("InvalidParameterValue", "Duplicate resource ID %s", id) // what AWS does is not known
		}
		seen[id] = true
	}
	return nil
}

// kindOf returns the kind of a resource by its ID; zero if the prefix is unknown.
func kindOf(id string) kind {
	for _, k := range kinds {
		if strings.HasPrefix(id, k.prefix) {
			return k
		}
	}
	return kind{}
}
