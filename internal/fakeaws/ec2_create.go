package fakeaws

import (
	"cmp"
	"maps"
	"net/url"
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

// createFlowLogs checks the parameters, then the dry run, then the ClientToken,
// and creates.
func (s *ec2Scope) createFlowLogs(form url.Values) (reply, error) {
	proto, err := parseCreate(form)
	if err != nil {
		return reply{}, err
	}
	resources := numbered(form, "ResourceId")
	if err := checkResources(form.Get("ResourceType"), resources); err != nil {
		return reply{}, err
	}
	if len(form.Get("ClientToken")) > 64 {
		return reply{}, Errorf("InvalidParameterValue", "the client token is longer than 64 characters")
	}
	if err := dryRun(form); err != nil {
		return reply{}, err
	}
	ids, done, err := s.repeated(form)
	if err != nil {
		return reply{}, err
	}
	var failed []unsuccessful
	if !done {
		if ids, failed, err = s.createEach(proto, resources); err != nil {
			return reply{}, err
		}
		if t := form.Get("ClientToken"); t != "" && len(failed) == 0 {
			s.tokens[t] = token{parameters(form), ids}
		}
	}
	return created(form.Get("ClientToken"), ids, failed), nil
}

// repeated answers a ClientToken that was used before: the same parameters
// get the first result again, even if that flow log is gone by now.
func (s *ec2Scope) repeated(form url.Values) (ids []string, done bool, err error) {
	t, used := s.tokens[form.Get("ClientToken")]
	if !used || form.Get("ClientToken") == "" {
		return nil, false, nil
	}
	if t.parameters != parameters(form) {
		return nil, false, Errorf("IdempotentParameterMismatch", "The client token has been used with other parameters")
	}
	return t.ids, true, nil
}

// parameters of a call, in one order, without the token.
func parameters(form url.Values) string {
	f := maps.Clone(form)
	f.Del("ClientToken")
	return f.Encode()
}

// created is the answer to a create.
func created(token string, ids []string, failed []unsuccessful) reply {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(Element("item", id))
	}
	return reply{
		xml: Element("clientToken", token) + "<flowLogIdSet>" + b.String() + "</flowLogIdSet>" + unsuccessfulXML(failed), ids: ids,
		response: map[string]any{"clientToken": token, "unsuccessful": unsuccessfulJSON(failed), "flowLogIdSet": items(ids)},
	}
}

// parseCreate reads and checks everything but the resources.
func parseCreate(form url.Values) (f FlowLog, err error) {
	f = FlowLog{
		TrafficType: form.Get("TrafficType"), LogDestinationType: cmp.Or(form.Get("LogDestinationType"), "cloud-watch-logs"), LogDestination: form.Get("LogDestination"),
		LogGroupName: form.Get("LogGroupName"), DeliverLogsPermissionARN: form.Get("DeliverLogsPermissionArn"),
		DeliverCrossAccountRole: form.Get("DeliverCrossAccountRole"), LogFormat: cmp.Or(form.Get("LogFormat"), defaultFormat), MaxAggregationInterval: 600,
	}
	if err := f.checkTraffic(form); err != nil {
		return f, err
	}
	if err := f.checkDestination(form); err != nil {
		return f, err
	}
	for _, t := range structures(form, "TagFieldSpecification") {
		f.TagFields = append(f.TagFields, TagField{t.Get("ResourceType"), numbered(t, "TagKey")})
	}
	for _, t := range structures(form, "TagSpecification") {
		if t.Get("ResourceType") != "vpc-flow-log" {
			return f, Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", t.Get("ResourceType"))
		}
		f.Tags = tagsOf(t)
	}
	return f, checkTags(f.Tags)
}

// checkTraffic: transit gateways have no traffic type and 60 seconds.
func (f *FlowLog) checkTraffic(form url.Values) error {
	if v := form.Get("MaxAggregationInterval"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n != 60 && n != 600 {
			return Errorf("InvalidParameter", "Invalid Flow Log Max Aggregation Interval")
		}
		f.MaxAggregationInterval = n
	}
	if strings.HasPrefix(form.Get("ResourceType"), "TransitGateway") {
		if f.TrafficType != "" {
			return Errorf("InvalidParameter", "TrafficType is not supported for transit gateways")
		}
		if form.Get("MaxAggregationInterval") != "" && f.MaxAggregationInterval != 60 {
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
func (f *FlowLog) checkDestination(form url.Values) error {
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
	return f.checkOptions(form)
}

// checkOptions: S3 only; AWS describes defaults that nobody set.
func (f *FlowLog) checkOptions(form url.Values) error {
	given := false
	for k := range form {
		given = given || strings.HasPrefix(k, "DestinationOptions.")
	}
	if f.LogDestinationType != "s3" {
		if given {
			return Errorf("InvalidParameter", "DestinationOptions are only supported for s3.")
		}
		return nil
	}
	f.FileFormat = cmp.Or(form.Get("DestinationOptions.FileFormat"), "plain-text")
	if f.FileFormat != "plain-text" && f.FileFormat != "parquet" {
		return Errorf("InvalidParameter", "FileFormat must be plain-text or parquet")
	}
	f.HiveCompatiblePartitions = form.Get("DestinationOptions.HiveCompatiblePartitions") == "true"
	f.PerHourPartition = form.Get("DestinationOptions.PerHourPartition") == "true"
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
			failed = append(failed, unsuccessful{id, code, message})
			continue
		}
		f.ID = s.newFlowLogID()
		s.add(&flowLog{FlowLog: f})
		s.linkRoles(s.account, f)
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
		if !s.duplicates && other.LogDestination == f.LogDestination && other.LogGroupName == f.LogGroupName {
			return "FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination."
		}
	}
	return "", ""
}
