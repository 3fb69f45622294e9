package fakeaws

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const mostTags = 50 // of one flow log; AWS's own are not counted

type createTagsResult struct {
	answered
	Return bool `xml:"return"`
}

// createTags tags all given flow logs, or none. It tags no other resources.
func (s *Scope) createTags(p params) (reply, error) {
	ids := numbered[string](p, "ResourceId")
	switch {
	case len(ids) == 0:
		return reply{}, Errorf("MissingParameter", "The request must contain the parameter resourceIdSet")
	case len(ids) > 1000:
		return reply{}, Errorf("InvalidParameterValue", "at most 1000 resource IDs")
	}
	tags, err := parseTags(p)
	if err != nil {
		return reply{}, err
	}
	if len(tags) == 0 {
		return reply{}, Errorf("MissingParameter", "The request must contain the parameter tagSet")
	}
	if err := dryRun(p); err != nil {
		return reply{}, err
	}
	if err := s.ec2.hooks.CheckTags(tags); err != nil {
		return reply{}, err
	}
	for _, id := range ids {
		if err := s.checkTaggable(id, tags); err != nil {
			return reply{}, err
		}
	}
	for _, id := range ids {
		s.byID[id].tag(tags, s.ec2.now())
	}
	return reply{&createTagsResult{Return: true}, ids}, nil
}

func (s *Scope) checkTaggable(id string, tags map[string]string) error {
	f := s.byID[id]
	switch {
	case !strings.HasPrefix(id, "fl-"):
		return Errorf("InvalidID", "The ID '%s' is not valid", id)
	case f == nil:
		return Errorf("InvalidFlowLogId.NotFound", "The flow log ID '%s' does not exist", id)
	}
	return checkNumber(merged(f.Tags, tags))
}

// tag adds tags to those that the flow log has. A Describe that shows an earlier
// moment does not show them yet.
func (f *flowLog) tag(tags map[string]string, now time.Time) {
	f.earlier = slices.DeleteFunc(f.earlier, func(e earlierTags) bool { return now.Sub(e.until) > longestDelay })
	f.earlier = append(f.earlier, earlierTags{f.Tags, now})
	f.Tags = merged(f.Tags, tags)
}

// earlierTags are the tags that a flow log had until a moment.
type earlierTags struct {
	tags  map[string]string
	until time.Time
}

// at returns the flow log with the tags that it had at a moment.
func (f *flowLog) at(moment time.Time) *flowLog {
	for _, e := range f.earlier {
		if e.until.After(moment) {
			then := *f
			then.Tags = e.tags
			return &then
		}
	}
	return f
}

// merged returns a new map.
func merged(have, add map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, have)
	maps.Copy(out, add)
	return out
}

// parseTags reads Tag.N and refuses tags that no flow log can have: AWS's own, which
// begin with aws:, the same key twice, too long keys or values, and more than 50 tags.
func parseTags(p params) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range numbered[params](p, "Tag") {
		key, value := t.text("Key"), t.text("Value")
		_, twice := tags[key]
		for name := range t {
			if name != "Key" && name != "Value" {
				return nil, Errorf("UnknownParameter", "The parameter Tag.N.%s is not recognized", name)
			}
		}
		switch {
		case key == "":
			return nil, Errorf("InvalidParameterValue", "Tag keys can't be empty")
		case strings.HasPrefix(key, "aws:"):
			return nil, Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case twice:
			return nil, Errorf("InvalidParameterValue", "Duplicate tag key '%s' specified.", key)
		case utf8.RuneCountInString(key) > 128:
			return nil, Errorf("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters")
		case utf8.RuneCountInString(value) > 256:
			return nil, Errorf("InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")
		}
		tags[key] = value
	}
	return tags, checkNumber(tags)
}

func checkNumber(tags map[string]string) error {
	n := 0
	for key := range tags {
		if !strings.HasPrefix(key, "aws:") {
			n++
		}
	}
	if n > mostTags {
		return Errorf("TagLimitExceeded", "The maximum number of tags has been reached")
	}
	return nil
}
