package fakeawstest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"flowkeeper/internal/fakeaws"
)

type region struct {
	Name     string `xml:"regionName"`
	Endpoint string `xml:"regionEndpoint"`
	OptIn    string `xml:"optInStatus"`
}

const enabled = "opt-in-not-required" // the status of each Region

// Other implements fakeaws.Hooks: DescribeRegions names the Regions of the settings.
func (h *ec2Hooks) Other(q *fakeaws.Request) (elements string, err error) {
	if q.Operation != "DescribeRegions" {
		return "", fakeaws.InvalidAction(q)
	}
	if name := fakeaws.UnknownParameter(q.Form, "Filter."); name != "" {
		return "", fakeaws.Errorf("UnknownParameter", "The parameter %s is not recognized", name)
	}
	pass, err := filtersPass(q.Form)
	if err != nil {
		return "", err
	}
	var result struct {
		Regions []region `xml:"item"`
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range h.settings.Regions {
		if pass {
			result.Regions = append(result.Regions, region{name, "ec2." + name + ".amazonaws.com", enabled})
		}
	}
	return fakeaws.Element("regionInfo", result), nil
}

// filtersPass reports whether enabled Regions pass Filter.1, Filter.2, …: all of them do, or none,
// because only the status can be filtered.
func filtersPass(form url.Values) (bool, error) {
	pass := true
	for n := 1; ; n++ {
		prefix, given := fmt.Sprintf("Filter.%d.", n), false
		var values []string
		for name, value := range form {
			given = given || strings.HasPrefix(name, prefix)
			if strings.HasPrefix(name, prefix+"Value.") {
				values = append(values, value...)
			}
		}
		switch name := form.Get(prefix + "Name"); {
		case !given:
			return pass, nil
		case len(values) > 200:
			return false, fakeaws.Errorf("FilterLimitExceeded", "at most 200 values of one filter")
		case name != "opt-in-status":
			return false, fakeaws.Errorf("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		pass = pass && slices.Contains(values, enabled)
	}
}
