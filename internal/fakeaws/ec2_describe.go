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

// describeFlowLogs lists, filters and pages. An ID that does not exist is no error:
// the answer does not have it.
func (s *Scope) describeFlowLogs(p params) (reply, error) {
	size, after, badPage := s.paging(p, 1)
	filters, badFilter := parseFilters(p, filterFields)
	if err := cmp.Or(badPage, badFilter, dryRun(p)); err != nil {
		return reply{}, err
	}
	if ids := numbered[string](p, "FlowLogId"); len(ids) > 0 {
		filters = append([]filter{{"flow-log-id", ids}}, filters...)
	}
	return page(s.candidates(filters), filters, after, size), nil
}

// paging reads the size of a page, from least to mostPerPage, and the number of the last item on
// the page before (0: there was none).
func (s *Scope) paging(p params, least int) (size int, after uint64, err error) {
	size = mostPerPage
	if v := p.text("MaxResults"); v != "" {
		if size, err = strconv.Atoi(v); err != nil || size < least || size > mostPerPage {
			return 0, 0, Errorf("InvalidParameterValue", "MaxResults must be between %d and %d", least, mostPerPage)
		}
	}
	if s.ec2.settings.PageSize > 0 {
		size = min(size, s.ec2.settings.PageSize)
	}
	if v := p.text("NextToken"); v != "" {
		if after, err = strconv.ParseUint(strings.TrimPrefix(v, "page-"), 16, 64); err != nil {
			return 0, 0, Errorf("InvalidNextToken", "the token is not valid")
		}
	}
	return size, after, nil
}

// filter passes items whose field has one of the values.
type filter struct {
	name   string
	values []string
}

var filterFields = map[string]func(*flowLog) string{
	"resource-id":          func(f *flowLog) string { return f.ResourceID },
	"flow-log-id":          func(f *flowLog) string { return f.ID },
	"traffic-type":         func(f *flowLog) string { return f.TrafficType },
	"log-destination-type": func(f *flowLog) string { return f.LogDestinationType },
	"log-group-name":       func(f *flowLog) string { return f.LogGroupName },
}

// parseFilters reads Filter.N; only these fields can be filtered.
func parseFilters[T any](p params, fields map[string]func(T) string) (all []filter, err error) {
	for _, sub := range numbered[params](p, "Filter") {
		f := filter{sub.text("Name"), numbered[string](sub, "Value")}
		if len(f.values) > 200 {
			return nil, Errorf("FilterLimitExceeded", "at most 200 values of one filter")
		}
		if fields[f.name] == nil {
			return nil, Errorf("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
		all = append(all, f)
	}
	return all, nil
}

// passes reports whether every filter lets x through.
func passes[T any](x T, filters []filter, fields map[string]func(T) string) bool {
	return !slices.ContainsFunc(filters, func(f filter) bool { return !slices.Contains(f.values, fields[f.name](x)) })
}

// candidates narrows the list where an index can: by resource and by ID.
func (s *Scope) candidates(filters []filter) []*flowLog {
	if s.ec2.settings.Delay > 0 {
		return s.visible()
	}
	for _, f := range filters {
		var found []*flowLog
		switch f.name {
		case "flow-log-id":
			for _, id := range f.values {
				if x := s.byID[id]; x != nil {
					found = append(found, x)
				}
			}
		case "resource-id":
			for _, id := range f.values {
				found = append(found, s.byResource[id]...)
			}
		default:
			continue
		}
		slices.SortFunc(found, byNumber)
		return slices.Compact(found)
	}
	return s.order
}

type describeResult struct {
	answered
	FlowLogs  []describedFlowLog `xml:"flowLogSet>item"`
	NextToken string             `xml:"nextToken,omitempty"`
}

// describedFlowLog is a flow log as Describe shows it: without its resource type, and with
// defaults filled in.
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
func page(from []*flowLog, filters []filter, after uint64, size int) reply {
	var result describeResult
	for _, f := range from[place(from, after+1):] {
		if !passes(f, filters, filterFields) {
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
