package fakeaws

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// defaultFormat is what AWS writes where a create names no format.
const defaultFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

// kind of resource: the type, its ID's prefix, and the error when it is missing.
type kind struct{ name, prefix, missing string }

// Longer prefixes come first.
var kinds = []kind{
	{"TransitGatewayAttachment", "tgw-attach-", "InvalidTransitGatewayAttachmentID.NotFound"},
	{"TransitGateway", "tgw-", "InvalidTransitGatewayID.NotFound"},
	{"VPC", "vpc-", "InvalidVpcID.NotFound"},
	{"Subnet", "subnet-", "InvalidSubnetID.NotFound"},
	{"NetworkInterface", "eni-", "InvalidNetworkInterfaceID.NotFound"},
	{"RegionalNatGateway", "nat-", "NatGatewayNotFound"},
}

type createResult struct {
	answered
	ClientToken  string         `xml:"clientToken"`
	IDs          []string       `xml:"flowLogIdSet>item"`
	Unsuccessful []unsuccessful `xml:"unsuccessful>item"`
}

// createFlowLogs checks the parameters, then the dry run, then the ClientToken,
// and creates.
func (s *ec2Scope) createFlowLogs(p params) (reply, error) {
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
	ids, done, err := s.repeated(p)
	if err != nil {
		return reply{}, err
	}
	if !done {
		if ids, result.Unsuccessful, err = s.createEach(proto, resources); err != nil {
			return reply{}, err
		}
		if t := result.ClientToken; t != "" && len(result.Unsuccessful) == 0 {
			s.tokens[t] = token{p, ids}
		}
	}
	result.IDs = ids
	return reply{&result, ids}, nil
}

// repeated answers a ClientToken that was used before: the same parameters
// get the first result again, even if that flow log is gone by now.
func (s *ec2Scope) repeated(p params) (ids []string, done bool, err error) {
	t, used := s.tokens[p.text("ClientToken")]
	if used && !reflect.DeepEqual(t.params, p) {
		return nil, false, Errorf("IdempotentParameterMismatch", "The client token has been used with other parameters")
	}
	return t.ids, used, nil
}

// parseCreate reads and checks everything but the resources.
func parseCreate(p params) (f FlowLog, err error) {
	f = FlowLog{
		TrafficType: p.text("TrafficType"), LogDestinationType: cmp.Or(p.text("LogDestinationType"), "cloud-watch-logs"), LogDestination: p.text("LogDestination"),
		LogGroupName: p.text("LogGroupName"), DeliverLogsPermissionARN: p.text("DeliverLogsPermissionArn"),
		DeliverCrossAccountRole: p.text("DeliverCrossAccountRole"), LogFormat: cmp.Or(p.text("LogFormat"), defaultFormat), MaxAggregationInterval: 600,
	}
	if err := f.checkTraffic(p); err != nil {
		return f, err
	}
	if err := f.checkDestination(p); err != nil {
		return f, err
	}
	for _, t := range numbered[params](p, "TagFieldSpecification") {
		f.TagFields = append(f.TagFields, TagField{t.text("ResourceType"), numbered[string](t, "TagKey")})
	}
	for _, t := range numbered[params](p, "TagSpecification") {
		if t.text("ResourceType") != "vpc-flow-log" {
			return f, Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", t.text("ResourceType"))
		}
		f.Tags = tagsOf(t)
	}
	return f, checkTags(f.Tags)
}

// checkTraffic: transit gateways have no traffic type and 60 seconds.
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

// checkDestination: exactly one destination, that fits its type.
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

// checkOptions: S3 only; AWS describes defaults that nobody set.
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

// checkResources: 300 a call, 25 of transit gateways, all of one type.
func checkResources(kind string, ids []string) error {
	most := 300
	if strings.HasPrefix(kind, "TransitGateway") {
		most = 25
	}
	if len(ids) == 0 || len(ids) > most {
		return Errorf("InvalidParameterValue", "1 to %d resources a call", most)
	}
	for _, id := range ids {
		if got := kindOf(id); got.name != kind {
			return Errorf("InvalidParameterValue", "Invalid resource ID %s for ResourceType %s", id, kind)
		}
	}
	return nil
}

// kindOf an ID; empty if its prefix is unknown.
func kindOf(id string) kind {
	for _, k := range kinds {
		if strings.HasPrefix(id, k.prefix) {
			return k
		}
	}
	return kind{}
}

// createEach makes a flow log on each resource. Real failures come back as
// unsuccessful, with a code that says little, often "400".
func (s *ec2Scope) createEach(proto FlowLog, resources []string) (ids []string, failed []unsuccessful, err error) {
	for _, id := range resources {
		if !s.resources[id] {
			return nil, nil, Errorf(kindOf(id).missing, "The %s ID '%s' does not exist", strings.ToLower(kindOf(id).name), id)
		}
	}
	for _, id := range resources {
		f := proto
		f.ResourceID, f.CreatedAt, f.DeliverStatus = id, s.now(), "SUCCESS"
		f.Tags = maps.Clone(proto.Tags)
		if code, message := s.refusal(f); code != "" {
			failed = append(failed, unsuccessful{code, message, id})
			continue
		}
		f.ID = s.newFlowLogID()
		s.add(&flowLog{FlowLog: f})
		ids = append(ids, f.ID)
	}
	return ids, failed, nil
}

// refusal is why a flow log can't be created; without a code it can.
func (s *ec2Scope) refusal(f FlowLog) (code, message string) {
	bucket, _, _ := strings.Cut(f.LogDestination, "/")
	switch {
	case f.LogDestinationType == "s3" && !s.exists[bucket]:
		return "400", "LogDestination: " + strings.TrimPrefix(bucket, "arn:aws:s3:::") + " does not exist"
	case f.LogDestinationType == "kinesis-data-firehose" && !s.exists[f.LogDestination]:
		return "400", "LogDestination: " + f.LogDestination + " is undeliverable"
	case f.DeliverLogsPermissionARN != "" && !s.exists[f.DeliverLogsPermissionARN]:
		return "400", "Unable to assume given IAM role"
	}
	for _, other := range s.byResource[f.ResourceID] {
		if !s.settings.Duplicates && other.LogDestination == f.LogDestination && other.LogGroupName == f.LogGroupName {
			return "FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination."
		}
	}
	return "", ""
}
