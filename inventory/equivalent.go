package inventory

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The types of destinations, and the defaults of a create (docs/aws.md, "Describing flow logs").
const (
	CloudWatchLogs = "cloud-watch-logs"
	S3             = "s3"
	Firehose       = "kinesis-data-firehose"

	defaultInterval = 600
	defaultFormat   = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} " +
		"${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"
)

// TransitGateway reports whether the resource is a transit gateway or an
// attachment of one: they have no traffic type and a fixed interval.
func (s Settings) TransitGateway() bool { return strings.HasPrefix(s.ResourceID, "tgw-") }

// normal is s in the one form in which two settings can be compared: with defaults
// filled in, with one name for the destination, and without tags, which never count.
func (s Settings) normal(scope Scope) Settings {
	n := s
	n.Tags = nil
	n.LogDestination, n.LogGroupName = s.Destination(scope), ""
	n.LogDestinationType = cmp.Or(n.LogDestinationType, CloudWatchLogs)
	if n.LogFormat == "" && !n.TransitGateway() {
		n.LogFormat = defaultFormat
	}
	n.MaxAggregationInterval = cmp.Or(n.MaxAggregationInterval, defaultInterval)
	if n.TransitGateway() {
		n.TrafficType, n.MaxAggregationInterval = "", 60
	}
	n.DestinationOptions = nil
	if n.LogDestinationType == S3 {
		n.DeliverLogsPermissionARN = "" // old logs show one that a create refuses
		o := *cmp.Or(s.DestinationOptions, &DestinationOptions{})
		o.FileFormat = cmp.Or(o.FileFormat, "plain-text")
		n.DestinationOptions = &o
	}
	n.TagFieldSpecifications = normalTagFields(s.TagFieldSpecifications)
	return n
}

// normalTagFields sorts what AWS may describe in any order.
func normalTagFields(in []TagFieldSpecification) []TagFieldSpecification {
	var out []TagFieldSpecification
	for _, t := range in {
		out = append(out, TagFieldSpecification{t.ResourceType, slices.Sorted(slices.Values(t.TagKeys))})
	}
	slices.SortFunc(out, func(a, b TagFieldSpecification) int { return strings.Compare(a.ResourceType, b.ResourceType) })
	return out
}

// Differences names the settings in which have differs from want, by their JSON names,
// with both values. Tags never count.
func Differences(scope Scope, want, have Settings) []string {
	w, h := fields(want.normal(scope)), fields(have.normal(scope))
	all := maps.Clone(w)
	maps.Copy(all, h)
	var out []string
	for k := range all {
		if a, b := string(w[k]), string(h[k]); a != b {
			out = append(out, fmt.Sprintf("%s: %s instead of %s", k, cmp.Or(b, "nothing"), cmp.Or(a, "nothing")))
		}
	}
	slices.SortFunc(out, func(a, b string) int { // short ones first, for people
		return cmp.Or(cmp.Compare(len(a)/80, len(b)/80), cmp.Compare(a, b))
	})
	return out
}

func fields(s Settings) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(s.json(), &m); err != nil {
		panic("inventory: settings are a JSON object: " + err.Error())
	}
	return m
}

// Equivalent reports whether have records all that want did: it is ACTIVE, and equal in
// everything but tags, ID and times (docs/glossary.md, "equivalent").
func Equivalent(scope Scope, want Settings, have FlowLog) bool {
	return have.Status == "ACTIVE" && SameSettings(scope, want, have.Settings)
}

// SameSettings reports whether two flow logs are equal in all but tags: they have no
// Differences.
func SameSettings(scope Scope, a, b Settings) bool { return len(Differences(scope, a, b)) == 0 }

// SameTarget reports whether two flow logs record one resource and deliver to
// one destination. AWS may refuse the second.
func SameTarget(scope Scope, a, b Settings) bool {
	return a.ResourceID == b.ResourceID && a.Destination(scope) == b.Destination(scope)
}
