package demo

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/remediate"
)

// Row of the before/after table: one flow log, and what is unlike in the one
// that stands in its place now.
type Row struct {
	Resource    string   `json:"resource_id"`
	Destination string   `json:"destination"`
	Before      string   `json:"before"`
	After       string   `json:"after,omitempty"`
	Identical   bool     `json:"identical"`
	Compared    int      `json:"settings_and_tags_compared"`
	Differences []string `json:"differences,omitempty"`
}

// compare holds each flow log of before against those of after that watch the
// same resource and deliver to the same destination. There must be exactly
// one. It compares what AWS describes, field by field, without the code that
// restored them.
func compare(before, after []types.FlowLog) []Row {
	var rows []Row
	for _, b := range before {
		r := Row{Resource: aws.ToString(b.ResourceId), Destination: target(b), Before: aws.ToString(b.FlowLogId)}
		var now []types.FlowLog
		for _, a := range after {
			if aws.ToString(a.ResourceId) == r.Resource && target(a) == r.Destination {
				now = append(now, a)
			}
		}
		if len(now) != 1 {
			r.Differences = []string{fmt.Sprintf("%d flow logs stand in its place", len(now))}
		} else {
			r.After = aws.ToString(now[0].FlowLogId)
			r.Compared, r.Differences = differ(b, now[0])
		}
		r.Identical = len(r.Differences) == 0
		rows = append(rows, r)
	}
	return rows
}

func target(f types.FlowLog) string {
	if f.LogDestination != nil {
		return *f.LogDestination
	}
	return aws.ToString(f.LogGroupName)
}

// differ compares every field that AWS describes, but for those that can't be
// the same: the ID, the times and the state of delivery.
func differ(before, after types.FlowLog) (compared int, diff []string) {
	bv, av := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range bv.NumField() {
		f := bv.Type().Field(i)
		switch f.Name {
		case "FlowLogId", "CreationTime", "DeliverLogsStatus", "DeliverLogsErrorMessage", "Tags":
			continue
		}
		if !f.IsExported() {
			continue
		}
		compared++
		if b, a := bv.Field(i).Interface(), av.Field(i).Interface(); !reflect.DeepEqual(b, a) {
			diff = append(diff, fmt.Sprintf("%s: %s instead of %s", f.Name, show(a), show(b)))
		}
	}
	b, a := tags(before), tags(after)
	delete(b, remediate.RestoredFrom)
	delete(a, remediate.RestoredFrom)
	for _, k := range union(b, a) {
		compared++
		if b[k] != a[k] {
			diff = append(diff, fmt.Sprintf("tag %s: %q instead of %q", k, a[k], b[k]))
		}
	}
	return compared, diff
}

func tags(f types.FlowLog) map[string]string {
	out := map[string]string{}
	for _, t := range f.Tags {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

func union(a, b map[string]string) []string {
	var keys []string
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return slices.Compact(keys)
}

func show(v any) string {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return "nothing"
		}
		r = r.Elem()
	}
	return fmt.Sprintf("%v", r.Interface())
}

// short makes an ARN fit a table: its last part tells enough.
func short(destination string) string {
	parts := strings.SplitN(destination, ":", 6)
	if len(parts) < 6 {
		return destination
	}
	return parts[2] + " " + strings.TrimPrefix(strings.TrimPrefix(parts[5], "log-group:"), "deliverystream/")
}
