package fakeaws

import (
	"fmt"
	"maps"
	"slices"
)

type describeTagsResult struct {
	answered
	Tags      []describedTag `xml:"tagSet>item"`
	NextToken string         `xml:"nextToken,omitempty"`
}

type describedTag struct {
	ResourceID   string `xml:"resourceId"`
	ResourceType string `xml:"resourceType"`
	Key          string `xml:"key"`
	Value        string `xml:"value"`
}

var tagFields = map[string]func(describedTag) string{
	"key":           func(t describedTag) string { return t.Key },
	"value":         func(t describedTag) string { return t.Value },
	"resource-id":   func(t describedTag) string { return t.ResourceID },
	"resource-type": func(t describedTag) string { return t.ResourceType },
}

// describeTags filters and pages. With MaxResults there are 5 to 1000 tags on a page
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html). An ID that does not exist
// is no error. Tags of flow logs are left out: DescribeFlowLogs has them.
func (s *Scope) describeTags(p params) (reply, error) {
	size, after, err := s.paging(p, 5)
	if err != nil {
		return reply{}, err
	}
	filters, err := parseFilters(p, tagFields)
	if err != nil {
		return reply{}, err
	}
	if err := dryRun(p); err != nil {
		return reply{}, err
	}
	var found []describedTag
	for _, id := range slices.Sorted(maps.Keys(s.Tags)) {
		for _, key := range slices.Sorted(maps.Keys(s.Tags[id])) {
			if t := (describedTag{id, kindOf(id).tagged, key, s.Tags[id][key]}); passes(t, filters, tagFields) {
				found = append(found, t)
			}
		}
	}
	result := describeTagsResult{Tags: found[min(after, uint64(len(found))):]}
	if len(result.Tags) > size {
		result.Tags, result.NextToken = result.Tags[:size], fmt.Sprintf("page-%x", after+uint64(size))
	}
	return reply{result: &result}, nil
}
