package fakeaws

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// TagResource sets a tag of a resource that flow logs can watch; an empty value removes it.
func (e *EC2) TagResource(account, region, id, key, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.scope(account, region)
	if s.tags == nil {
		s.tags = map[string]map[string]string{}
	}
	if s.tags[id] == nil {
		s.tags[id] = map[string]string{}
	}
	if s.tags[id][key] = value; value == "" {
		delete(s.tags[id], key)
	}
}

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

// resourceTypes are the types of what flow logs can watch, by the prefix of the ID.
var resourceTypes = map[string]string{"vpc": "vpc", "subnet": "subnet", "eni": "network-interface", "tgw": "transit-gateway", "nat": "natgateway"}

// describeTags filters and pages. With MaxResults there are 5 to 1000 tags on a page
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html). IDs that do not exist
// are not in the answer, and no error. Flow logs are left out: their tags come with them.
func (s *ec2Scope) describeTags(p params) (reply, error) {
	size, after := mostPerPage, 0
	if v := p.text("MaxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 5 || n > mostPerPage {
			return reply{}, Errorf("InvalidParameterValue", "MaxResults must be between 5 and %d", mostPerPage)
		}
		size = n
	}
	if s.settings.PageSize > 0 {
		size = min(size, s.settings.PageSize)
	}
	if v := p.text("NextToken"); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "tags-"))
		if err != nil || n < 0 {
			return reply{}, Errorf("InvalidNextToken", "the token is not valid")
		}
		after = n
	}
	wanted := map[string][]string{}
	for _, f := range numbered[params](p, "Filter") {
		name, values := f.text("Name"), numbered[string](f, "Value")
		if !slices.Contains([]string{"key", "value", "resource-id", "resource-type"}, name) {
			return reply{}, Errorf("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		if len(values) > 200 {
			return reply{}, Errorf("FilterLimitExceeded", "at most 200 values of one filter")
		}
		wanted[name] = values
	}
	if err := dryRun(p); err != nil {
		return reply{}, err
	}
	var found []describedTag
	for _, id := range slices.Sorted(maps.Keys(s.tags)) {
		prefix, _, _ := strings.Cut(id, "-")
		for _, key := range slices.Sorted(maps.Keys(s.tags[id])) {
			t := describedTag{id, resourceTypes[prefix], key, s.tags[id][key]}
			fields := map[string]string{"key": t.Key, "value": t.Value, "resource-id": t.ResourceID, "resource-type": t.ResourceType}
			if fits(fields, wanted) {
				found = append(found, t)
			}
		}
	}
	var result describeTagsResult
	found = found[min(after, len(found)):]
	if len(found) > size {
		found, result.NextToken = found[:size], "tags-"+strconv.Itoa(after+size)
	}
	result.Tags = found
	return reply{result: &result}, nil
}

// fits reports whether each filter has the value of its field.
func fits(fields map[string]string, wanted map[string][]string) bool {
	for name, values := range wanted {
		if !slices.Contains(values, fields[name]) {
			return false
		}
	}
	return true
}
