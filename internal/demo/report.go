package demo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/remediate/incident"
)

// row compares one flow log with the one that is in its place after the attack.
type row struct {
	Resource    string   `json:"resource_id"`
	Destination string   `json:"destination"`
	Before      string   `json:"before"`
	After       string   `json:"after,omitempty"`
	Identical   bool     `json:"identical"`
	Compared    int      `json:"settings_and_tags_compared"`
	Differences []string `json:"differences,omitempty"`
}

// compare compares each flow log of before with the one of after that has the same
// resource and the same destination; there must be exactly one. It compares what AWS
// describes, field by field, without the code that restored them.
func compare(before, after []types.FlowLog) []row {
	var rows []row
	for _, b := range before {
		r := row{Resource: aws.ToString(b.ResourceId), Destination: target(b), Before: aws.ToString(b.FlowLogId)}
		now := slices.DeleteFunc(slices.Clone(after), func(a types.FlowLog) bool {
			return aws.ToString(a.ResourceId) != r.Resource || target(a) != r.Destination
		})
		if len(now) == 1 {
			r.After = aws.ToString(now[0].FlowLogId)
			r.Compared, r.Differences = differ(b, now[0])
		} else {
			r.Differences = []string{fmt.Sprintf("%d flow logs are in its place", len(now))}
		}
		r.Identical = len(r.Differences) == 0
		rows = append(rows, r)
	}
	return rows
}

func target(f types.FlowLog) string { return aws.ToString(cmp.Or(f.LogDestination, f.LogGroupName)) }

// differ compares every setting and tag that one of the two has.
func differ(before, after types.FlowLog) (compared int, diff []string) {
	b, a := settings(before), settings(after)
	names := maps.Clone(b)
	maps.Copy(names, a)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if b[name] != a[name] {
			diff = append(diff, fmt.Sprintf("%s: %s instead of %s", name, cmp.Or(a[name], "nothing"), cmp.Or(b[name], "nothing")))
		}
	}
	return len(names), diff
}

// settings are the fields that AWS describes and the tags, as texts; without those
// that a restore can't keep: the ID, the creation time, the state of delivery, and the
// tag that names the flow log that was replaced.
func settings(f types.FlowLog) map[string]string {
	var fields map[string]json.RawMessage
	text, err := json.Marshal(f)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		panic("demo: not a plain value: " + err.Error())
	}
	for _, name := range []string{"FlowLogId", "CreationTime", "DeliverLogsStatus", "DeliverLogsErrorMessage", "Tags"} {
		delete(fields, name)
	}
	out := map[string]string{}
	for name, value := range fields {
		out[name] = string(value)
	}
	for k, v := range tags(f) {
		if k != incident.RestoredFrom {
			out["tag "+k] = strconv.Quote(v)
		}
	}
	return out
}

func tags(f types.FlowLog) map[string]string {
	out := map[string]string{}
	for _, t := range f.Tags {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}
