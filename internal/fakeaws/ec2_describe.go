package fakeaws

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const mostPerPage = 1000

// describeFlowLogs lists, filters and pages. IDs that do not exist are not in
// the answer, and no error.
func (s *ec2Scope) describeFlowLogs(p params) (reply, error) {
	size := mostPerPage
	if v := p.text("MaxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > mostPerPage {
			return reply{}, Errorf("InvalidParameterValue", "MaxResults must be between 1 and %d", mostPerPage)
		}
		size = n
	}
	if s.settings.PageSize > 0 {
		size = min(size, s.settings.PageSize)
	}
	after := uint64(0)
	if v := p.text("NextToken"); v != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(v, "page-"), 16, 64)
		if err != nil {
			return reply{}, Errorf("InvalidNextToken", "the token is not valid")
		}
		after = n
	}
	match, err := filters(p)
	if err != nil {
		return reply{}, err
	}
	if err := dryRun(p); err != nil {
		return reply{}, err
	}
	return page(s.candidates(p), match, after, size), nil
}

// candidates narrows the list where an index can: by resource and by ID.
func (s *ec2Scope) candidates(p params) []*flowLog {
	if s.settings.Delay == 0 {
		for _, f := range numbered[params](p, "Filter") {
			var out []*flowLog
			for _, v := range numbered[string](f, "Value") {
				switch f.text("Name") {
				case "resource-id":
					out = append(out, s.byResource[v]...)
				case "flow-log-id":
					if x := s.byID[v]; x != nil {
						out = append(out, x)
					}
				}
			}
			if n := f.text("Name"); n == "resource-id" || n == "flow-log-id" {
				slices.SortFunc(out, byNumber)
				return slices.Compact(out)
			}
		}
	}
	return s.visible()
}

// filters of a Describe as one condition.
func filters(p params) (func(*flowLog) bool, error) {
	var all []func(*flowLog) bool
	if ids := numbered[string](p, "FlowLogId"); len(ids) > 0 {
		all = append(all, func(f *flowLog) bool { return slices.Contains(ids, f.ID) })
	}
	for _, f := range numbered[params](p, "Filter") {
		name, values := f.text("Name"), numbered[string](f, "Value")
		if len(values) > 200 {
			return nil, Errorf("FilterLimitExceeded", "at most 200 values of one filter")
		}
		field, ok := map[string]func(*flowLog) string{
			"resource-id":          func(f *flowLog) string { return f.ResourceID },
			"flow-log-id":          func(f *flowLog) string { return f.ID },
			"traffic-type":         func(f *flowLog) string { return f.TrafficType },
			"log-destination-type": func(f *flowLog) string { return f.LogDestinationType },
			"log-group-name":       func(f *flowLog) string { return f.LogGroupName },
		}[name]
		if !ok {
			return nil, Errorf("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		all = append(all, func(f *flowLog) bool { return slices.Contains(values, field(f)) })
	}
	return func(f *flowLog) bool {
		for _, match := range all {
			if !match(f) {
				return false
			}
		}
		return true
	}, nil
}

type describeResult struct {
	answered
	FlowLogs  []describedFlowLog `xml:"flowLogSet>item"`
	NextToken string             `xml:"nextToken,omitempty"`
}

// describedFlowLog is a flow log as Describe shows it: no resource type, defaults
// filled.
type describedFlowLog struct {
	FlowLog
	CreationTime string              `xml:"creationTime"`
	Status       string              `xml:"flowLogStatus"`
	Options      *destinationOptions `xml:"destinationOptions"`
	TagFields    *[]TagField         `xml:"tagFieldSpecificationSet>item"` // nil: no such element
	Tags         []tag               `xml:"tagSet>item"`
}

type destinationOptions struct {
	FileFormat               string `xml:"fileFormat"`
	HiveCompatiblePartitions bool   `xml:"hiveCompatiblePartitions"`
	PerHourPartition         bool   `xml:"perHourPartition"`
}

type tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// page shows the flow logs after a number, and the token of the next page.
func page(from []*flowLog, match func(*flowLog) bool, after uint64, size int) reply {
	var result describeResult
	for _, f := range from[place(from, after+1):] {
		if !match(f) {
			continue
		}
		if len(result.FlowLogs) == size {
			result.NextToken = fmt.Sprintf("page-%x", after)
			break
		}
		result.FlowLogs = append(result.FlowLogs, f.described())
		after = f.num
	}
	return reply{result: &result}
}

func (f *flowLog) described() describedFlowLog {
	d := describedFlowLog{FlowLog: f.FlowLog, CreationTime: f.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"), Status: "ACTIVE"}
	if f.LogDestinationType == "s3" {
		d.Options = &destinationOptions{cmp.Or(f.FileFormat, "plain-text"), f.HiveCompatiblePartitions, f.PerHourPartition}
	}
	if len(f.TagFields) > 0 {
		d.TagFields = &f.TagFields
	}
	for _, k := range slices.Sorted(maps.Keys(f.Tags)) {
		d.Tags = append(d.Tags, tag{k, f.Tags[k]})
	}
	return d
}
