package inventory

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Digest is equal for flow logs with equal settings and tags that both fail to
// deliver, or both do not. A refresh compares it to find changes without reading
// whole rows.
func (f FlowLog) Digest() [16]byte {
	sum := sha256.Sum256(f.Settings.appendJSON(make([]byte, 0, 1024)))
	if f.Failing() {
		sum[0] ^= 1
	}
	return [16]byte(sum[:16])
}

// appendJSON appends what json.Marshal makes of the settings, in half the time: a refresh does
// it for each flow log that AWS lists, and state files have digests of these bytes.
func (s Settings) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"resource_id":`...), s.ResourceID)
	b = appendOptional(b, `,"traffic_type":`, s.TrafficType)
	b = appendOptional(b, `,"log_destination_type":`, s.LogDestinationType)
	b = appendOptional(b, `,"log_destination":`, s.LogDestination)
	b = appendOptional(b, `,"log_group_name":`, s.LogGroupName)
	b = appendOptional(b, `,"deliver_logs_permission_arn":`, s.DeliverLogsPermissionARN)
	b = appendOptional(b, `,"deliver_cross_account_role":`, s.DeliverCrossAccountRole)
	b = appendOptional(b, `,"log_format":`, s.LogFormat)
	if s.MaxAggregationInterval != 0 {
		b = strconv.AppendInt(append(b, `,"max_aggregation_interval":`...), int64(s.MaxAggregationInterval), 10)
	}
	if s.DestinationOptions != nil {
		b = s.DestinationOptions.appendJSON(append(b, `,"destination_options":`...))
	}
	if len(s.TagFieldSpecifications) > 0 {
		b = appendValue(append(b, `,"tag_field_specifications":`...), s.TagFieldSpecifications)
	}
	if len(s.Tags) > 0 {
		b = appendTags(append(b, `,"tags":`...), s.Tags)
	}
	return append(b, '}')
}

func (o DestinationOptions) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if o.FileFormat != "" {
		b = append(appendText(append(b, `"file_format":`...), o.FileFormat), ',')
	}
	b = strconv.AppendBool(append(b, `"hive_compatible_partitions":`...), o.HiveCompatiblePartitions)
	return append(strconv.AppendBool(append(b, `,"per_hour_partition":`...), o.PerHourPartition), '}')
}

func appendOptional(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(append(b, key...), value)
}

func appendTags(b []byte, tags map[string]string) []byte {
	keys := make([]string, 0, 16)
	for k := range tags {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	next := byte('{')
	for _, k := range keys {
		b = append(appendText(append(b, next), k), ':')
		b = appendText(b, tags[k])
		next = ','
	}
	return append(b, '}')
}

// appendText appends a string as JSON.
func appendText(b []byte, s string) []byte {
	for n := range len(s) {
		if !plain[s[n]] {
			return appendValue(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// plain are the bytes that encoding/json writes as they are.
var plain = func() (is [256]bool) {
	for c := ' '; c <= '~'; c++ {
		is[c] = !strings.ContainsRune(`"\<>&`, c)
	}
	return is
}()

// appendValue appends a plain value, which encoding/json can't refuse.
func appendValue(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("inventory: settings are plain values: " + err.Error())
	}
	return append(b, text...)
}
