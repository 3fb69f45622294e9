package daemon

import (
	"context"
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
	"flowkeeper/remediate/notify"
)

// newRegionOutages alerts of Regions that can't be refreshed: once of all Regions of an account that
// have one cause. A service control policy that denies Regions makes hundreds of them, and a permission
// that is taken away one for each Region.
func newRegionOutages(d *Daemon) *pipeline.Places {
	return places{d}.alerts(pipeline.Kind{
		Part: notify.Refreshing,
		One: func(_ context.Context, f pipeline.Failing) string {
			text := "the inventory can't be refreshed"
			if len(f.Regions) > 1 {
				text += " in " + alert.Plural(len(f.Regions), "Region") + " (" + strings.Join(f.Regions, ", ") + ")"
			}
			if !f.Urgent {
				text += "; no protected flow logs are there"
			}
			return text + ": " + scopes.Said(f.Err)
		},
		Many: func(f pipeline.Failing) string {
			return fmt.Sprintf("the inventory can't be refreshed in Regions of many accounts: `flowkeeper doctor` lists all. One is %s of %s: %s", f.Regions[0], f.Name, scopes.Said(f.Err))
		},
		Recovery:  refreshedAgain,
		Recovered: "the Regions of accounts that had no alert of their own can be refreshed again",
	})
}

// newRegionLines logs the Regions that newRegionOutages alerts of.
func newRegionLines(d *Daemon) *failureLines {
	return &failureLines{log: d.Log, one: "refresh failed; the last snapshot stands. Further Regions of the account that fail alike are not logged",
		many: "refresh failed in several accounts; the last snapshots stand. Further Regions of an account that fail alike are not logged. This is the error of one; `flowkeeper doctor` lists all"}
}
