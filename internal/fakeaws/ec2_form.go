package fakeaws

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// UnknownParameter is the name of a parameter that is not allowed; empty if there is
// none. "Name." allows a list or a structure of that name.
func UnknownParameter(form url.Values, allowed ...string) string {
	for name := range form {
		head, _, nested := strings.Cut(name, ".")
		switch {
		case name == "Action", name == "Version":
		case nested && slices.Contains(allowed, head+"."):
		case !nested && slices.Contains(allowed, name):
		default:
			return name
		}
	}
	return ""
}

// numbered reads Name.1, Name.2, ….
func numbered(form url.Values, name string) []string {
	var out []string
	for n := 1; ; n++ {
		v, ok := form[name+"."+strconv.Itoa(n)]
		if !ok {
			return out
		}
		out = append(out, v[0])
	}
}

// structures reads Name.1.…, Name.2.…: the names below each.
func structures(form url.Values, name string) []url.Values {
	var out []url.Values
	for n := 1; ; n++ {
		sub, prefix := url.Values{}, name+"."+strconv.Itoa(n)+"."
		for k, v := range form {
			if rest, ok := strings.CutPrefix(k, prefix); ok {
				sub[rest] = v
			}
		}
		if len(sub) == 0 {
			return out
		}
		out = append(out, sub)
	}
}

func tagsOf(form url.Values) map[string]string {
	out := map[string]string{}
	for _, t := range structures(form, "Tag") {
		out[t.Get("Key")] = t.Get("Value")
	}
	return out
}

// checkTags refuses what can't be set: AWS's own tags, which begin with aws:,
// and more than 50.
func checkTags(tags map[string]string) error {
	for k := range tags {
		if strings.HasPrefix(k, "aws:") {
			return Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		}
	}
	if len(tags) > 50 {
		return Errorf("TagLimitExceeded", "The maximum number of tags has been reached")
	}
	return nil
}
