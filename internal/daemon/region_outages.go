package daemon

import (
	"context"
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/scopes"
	"flowkeeper/remediate/notify"
)

// newRegionOutages alerts of Regions that can't be refreshed: once of all Regions of an account that
// have one cause. A service control policy that denies Regions makes hundreds of them, and a permission
// that is taken away one for each Region.
func newRegionOutages(d *Daemon) *placeOutages {
	return newPlaceOutages(d, placeKind{
		part:      notify.Refreshing,
		recovery:  "the inventory can be refreshed again",
		recovered: "the Regions of accounts that had no alert of their own can be refreshed again",
		one: func(_ context.Context, _ placeKey, _ string, regions []string, urgent bool, err error) string {
			text := "the inventory can't be refreshed"
			if len(regions) > 1 {
				text += " in " + alert.Plural(len(regions), "Region") + " (" + strings.Join(regions, ", ") + ")"
			}
			if !urgent {
				text += "; no protected flow logs are there"
			}
			return text + ": " + err.Error()
		},
		many: func(_ placeKey, name string, regions []string, err error) string {
			return fmt.Sprintf("the inventory can't be refreshed in Regions of many accounts: `flowkeeper doctor` lists all. One is %s of %s: %s", regions[0], name, err)
		},
	})
}

// partOf is the part of the pipeline that fails for a cause: it has an outage, and advice, of its own.
func partOf(p notify.Part, c scopes.Cause) notify.Part {
	if c == "" {
		return p
	}
	return p + notify.Part(" "+c)
}
