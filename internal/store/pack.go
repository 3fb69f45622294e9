package store

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"modernc.org/sqlite"
)

// A million flow logs are mostly the same JSON again and again. Their bodies are stored as
// the byte packed and then a DEFLATE stream (RFC 1951) that begins behind dictionary. A body
// without that byte is the JSON itself.
const packed = 1

// mostUnpacked is how many bytes of JSON are packed, or unpacked, at most: a stream of a few bytes may
// inflate to any length. The JSON of a flow log is never that long; if it were, it would be stored unpacked.
const mostUnpacked = 1 << 20

// dictionary holds text that is common in bodies, the most common at the end. It must never
// change: what was packed with it could not be read any more.
const dictionary = `arn:aws-cn:arn:aws-us-gov:kinesis-data-firehosearn:aws:firehose:deliverystream/` +
	`"deliver_cross_account_role":"arn:aws:iam::"tag_field_specifications":[{"resource_type":"auto-scaling-group"network-interface"instance","tag_keys":["` +
	` ${vpc-id} ${subnet-id} ${instance-id} ${tcp-flags} ${type} ${pkt-srcaddr} ${pkt-dstaddr} ${region} ${az-id} ${sublocation-type} ${sublocation-id}` +
	` ${pkt-src-aws-service} ${pkt-dst-aws-service} ${flow-direction} ${traffic-path} ${ecs-cluster-arn} ${reject-reason}` +
	`"CreatedBy":"arn:aws:sts::assumed-role/"OwnTags":{"Environment":"Project":"Team":"CostCenter":"ManagedBy":"terraform"` +
	`"log_destination_type":"cloud-watch-logs","log_destination":"arn:aws:logs:us-east-1:ap-southeast-2:eu-central-1:us-west-2:log-group:/aws/vpc/flow-logs"` +
	`,"log_group_name":"deliver_logs_permission_arn":"arn:aws:iam::role/` +
	`{"ID":"fl-0","Scope":{"account":"","region":"eu-west-1"},"resource_id":"tgw-0eni-0subnet-0vpc-0","traffic_type":"ACCEPT"REJECT"ALL",` +
	`"log_destination_type":"s3","log_destination":"arn:aws:s3:::","log_format":"` +
	`${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}",` +
	`"max_aggregation_interval":600,"max_aggregation_interval":60,"destination_options":{"file_format":"plain-text","hive_compatible_partitions":true,"per_hour_partition":true},` +
	`{"file_format":"parquet","hive_compatible_partitions":false,"per_hour_partition":false},"tags":{"Owner":"Name":"` +
	`"},"Status":"ACTIVE","DeliverLogsStatus":"FAILED","DeliverLogsErrorMessage":"Access error","Status":"ACTIVE","DeliverLogsStatus":"SUCCESS","DeliverLogsErrorMessage":"",` +
	`"CreatedAt":"2026-01-01T00:00:00Z","RootID":"fl-0","State":"gone","State":"live","Protected":true,"ReleasedUntil":"0001-01-01T00:00:00Z","ReleaseReason":"",` +
	`"ReleasedAt":"0001-01-01T00:00:00Z","CreatedBy":"","Excuses":"","Excluded":false,"Imported":false,"NewDestination":false,"ToldFailing":false,` +
	`"FirstSeenAt":"2026-01-01T00:00:00Z","LineageSince":"2026-","LastSeenAt":"2026-01-01T00:00:00Z","WrittenAt":"2026-01-01T00:00:00Z","GoneAt":"0001-01-01T00:00:00Z"}`

// pack makes a body of JSON.
func pack(text string) []byte {
	if len(text) > mostUnpacked {
		return []byte(text)
	}
	out := bytes.NewBuffer([]byte{packed})
	if err := flate.StatelessDeflate(out, []byte(text), true, []byte(dictionary)); err != nil {
		panic("store: a buffer takes all: " + err.Error())
	}
	return out.Bytes()
}

// inflaters are kept: each takes 40 KB.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// unpack returns the JSON of a body.
func unpack(body []byte) ([]byte, error) {
	if len(body) == 0 || body[0] != packed {
		return body, nil
	}
	inflater := inflaters.Get().(io.Reader)
	defer inflaters.Put(inflater)
	_ = inflater.(flate.Resetter).Reset(bytes.NewReader(body[1:]), []byte(dictionary)) // it never fails
	text, err := io.ReadAll(io.LimitReader(inflater, mostUnpacked+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("damaged body: %w", err)
	case len(text) > mostUnpacked:
		return nil, fmt.Errorf("damaged body: more than %d bytes", mostUnpacked)
	}
	return text, nil
}

// SQL can call both, with a body in either form, as packed(body) and unpacked(body). They return NULL for a body that
// can't be read: an error would end the statement, which may be an upgrade of the file.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("packed", 1, ofBody(func(text []byte) (driver.Value, error) { return pack(string(text)), nil }))
	sqlite.MustRegisterDeterministicScalarFunction("unpacked", 1, ofBody(func(text []byte) (driver.Value, error) { return string(text), nil }))
}

// ofBody makes a function for SQL from fn, which takes the JSON of a body.
func ofBody(fn func(text []byte) (driver.Value, error)) func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
	return func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		switch body := args[0].(type) {
		case string:
			return fn([]byte(body))
		case []byte:
			text, err := unpack(body)
			if err != nil {
				return nil, nil
			}
			return fn(text)
		}
		return args[0], nil
	}
}
