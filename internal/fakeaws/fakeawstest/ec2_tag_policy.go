package fakeawstest

import (
	"maps"
	"slices"

	"flowkeeper/internal/fakeaws"
)

// TagPolicy is what an organization requires of the tags of each create and of each CreateTags;
// the zero value requires nothing. A dry run does not check it; it is not known whether AWS does.
type TagPolicy struct {
	Required []string            // keys that each call sets
	Allowed  map[string][]string // values, by key; a key that is not in it has any
}

// CheckTags implements fakeaws.Hooks: it checks the tags by the policy.
func (h *ec2Hooks) CheckTags(tags map[string]string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.settings.TagPolicy
	for _, key := range p.Required {
		if _, set := tags[key]; !set {
			return fakeaws.Errorf("TagPolicyViolation", "The tag policy requires the following tag key: '%s'.", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if values, ok := p.Allowed[key]; ok && !slices.Contains(values, tags[key]) {
			return fakeaws.Errorf("TagPolicyViolation", "The tag policy does not allow the specified value for the following tag key: '%s'.", key)
		}
	}
	return nil
}
