package daemon

import (
	"context"
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/pipeline"
	"flowkeeper/remediate/notify"
)

// newRegionOutages alerts of Regions that can't be refreshed: once of all Regions of an account that
// have one cause. A service control policy that denies Regions makes hundreds of them, and a permission
// that is taken away one for each Region.
func newRegionOutages(d *Daemon) *pipeline.Places {
	return places{d}.alerts(pipeline.Kind{
		Part: notify.Refreshing, Words: regionWords{},
		Recovery:  refreshedAgain,
		Recovered: "the Regions of accounts that had no alert of their own can be refreshed again",
	})
}

// regionWords say that Regions can't be refreshed.
type regionWords struct{}

func (regionWords) One(_ context.Context, _ pipeline.Place, _ string, regions []string, urgent bool, err error) string {
	text := "the inventory can't be refreshed"
	if len(regions) > 1 {
		text += " in " + alert.Plural(len(regions), "Region") + " (" + strings.Join(regions, ", ") + ")"
	}
	if !urgent {
		text += "; no protected flow logs are there"
	}
	return text + ": " + err.Error()
}

func (regionWords) Many(_ pipeline.Place, name string, regions []string, err error) string {
	return fmt.Sprintf("the inventory can't be refreshed in Regions of many accounts: `flowkeeper doctor` lists all. One is %s of %s: %s", regions[0], name, err)
}
