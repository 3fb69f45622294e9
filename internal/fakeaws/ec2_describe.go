package fakeaws

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const mostPerPage = 1000

// describeFlowLogs lists, filters and pages. IDs that do not exist are not in
// the answer, and no error.
func (s *ec2Scope) describeFlowLogs(form url.Values) (reply, error) {
	size := mostPerPage
	if v := form.Get("MaxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > mostPerPage {
			return reply{}, Errorf("InvalidParameterValue", "MaxResults must be between 1 and %d", mostPerPage)
		}
		size = n
	}
	if s.pageSize > 0 {
		size = min(size, s.pageSize)
	}
	after := uint64(0)
	if v := form.Get("NextToken"); v != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(v, "page-"), 16, 64)
		if err != nil {
			return reply{}, Errorf("InvalidNextToken", "the token is not valid")
		}
		after = n
	}
	match, err := filters(form)
	if err != nil {
		return reply{}, err
	}
	if err := dryRun(form); err != nil {
		return reply{}, err
	}
	return page(s.candidates(form), match, after, size), nil
}

// candidates narrows the list where an index can: by resource and by ID.
func (s *ec2Scope) candidates(form url.Values) []*flowLog {
	if s.delay == 0 {
		for _, f := range structures(form, "Filter") {
			var out []*flowLog
			for _, v := range numbered(f, "Value") {
				switch f.Get("Name") {
				case "resource-id":
					out = append(out, s.byResource[v]...)
				case "flow-log-id":
					if x := s.byID[v]; x != nil {
						out = append(out, x)
					}
				}
			}
			if n := f.Get("Name"); n == "resource-id" || n == "flow-log-id" {
				slices.SortFunc(out, byNumber)
				return slices.Compact(out)
			}
		}
	}
	return s.visible()
}

// filters of a Describe as one condition.
func filters(form url.Values) (func(*flowLog) bool, error) {
	var all []func(*flowLog) bool
	if ids := numbered(form, "FlowLogId"); len(ids) > 0 {
		all = append(all, func(f *flowLog) bool { return slices.Contains(ids, f.ID) })
	}
	for _, f := range structures(form, "Filter") {
		name, values := f.Get("Name"), numbered(f, "Value")
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

// page writes the flow logs after a number, and the token of the next page.
func page(from []*flowLog, match func(*flowLog) bool, after uint64, size int) reply {
	var b strings.Builder
	b.WriteString("<flowLogSet>")
	n, next := 0, ""
	for _, f := range from[place(from, after+1):] {
		if !match(f) {
			continue
		}
		if n == size {
			next = fmt.Sprintf("page-%x", after)
			break
		}
		f.write(&b)
		after = f.num
		n++
	}
	b.WriteString("</flowLogSet>")
	if next != "" {
		b.WriteString(Element("nextToken", next))
	}
	return reply{xml: b.String()}
}

// write is one flow log as Describe shows it: no resource type, defaults
// filled.
func (f *flowLog) write(b *strings.Builder) {
	field := func(name, value string) {
		if value != "" {
			b.WriteString(Element(name, value))
		}
	}
	b.WriteString("<item>")
	field("creationTime", f.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"))
	field("deliverCrossAccountRole", f.DeliverCrossAccountRole)
	field("deliverLogsErrorMessage", f.DeliverError)
	field("deliverLogsPermissionArn", f.DeliverLogsPermissionARN)
	field("deliverLogsStatus", f.DeliverStatus)
	field("flowLogId", f.ID)
	field("flowLogStatus", "ACTIVE")
	field("logDestination", f.LogDestination)
	field("logDestinationType", f.LogDestinationType)
	field("logFormat", f.LogFormat)
	field("logGroupName", f.LogGroupName)
	if f.MaxAggregationInterval != 0 {
		field("maxAggregationInterval", strconv.Itoa(f.MaxAggregationInterval))
	}
	field("resourceId", f.ResourceID)
	field("trafficType", f.TrafficType)
	if f.LogDestinationType == "s3" {
		fmt.Fprintf(b, "<destinationOptions><fileFormat>%s</fileFormat><hiveCompatiblePartitions>%v</hiveCompatiblePartitions><perHourPartition>%v</perHourPartition></destinationOptions>",
			cmp.Or(f.FileFormat, "plain-text"), f.HiveCompatiblePartitions, f.PerHourPartition)
	}
	if len(f.TagFields) > 0 {
		b.WriteString("<tagFieldSpecificationSet>")
		for _, t := range f.TagFields {
			b.WriteString("<item>")
			field("resourceType", t.ResourceType)
			b.WriteString("<tagKeySet>")
			for _, k := range t.Keys {
				field("item", k)
			}
			b.WriteString("</tagKeySet></item>")
		}
		b.WriteString("</tagFieldSpecificationSet>")
	}
	b.WriteString("<tagSet>")
	for _, k := range slices.Sorted(maps.Keys(f.Tags)) {
		b.WriteString("<item>" + Element("key", k) + Element("value", f.Tags[k]) + "</item>")
	}
	b.WriteString("</tagSet></item>")
}
