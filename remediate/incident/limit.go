package incident

import (
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// mostHolders is how many flow logs an alert names that hold the places of a resource. AWS
// allows few.
const mostHolders = 5

// makeRoom is the advice where a resource has as many flow logs as AWS allows: which they are,
// and how to delete one. Those that are not protected come first.
func (p place) makeRoom(lost string) string {
	var loose, ours []inventory.Row
	for _, r := range p.live() {
		switch {
		case r.ID == lost || r.Imported:
		case r.Protected:
			ours = append(ours, r)
		default:
			loose = append(loose, r)
		}
	}
	all := append(loose, ours...)
	if len(all) == 0 {
		return ""
	}
	var names []string
	for _, r := range all[:min(len(all), mostHolders)] {
		names = append(names, fmt.Sprintf("%s (%s)", r.ID, holder(r)))
	}
	if more := len(all) - mostHolders; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	first, release := all[0], ""
	if first.Protected {
		release = fmt.Sprintf("`flowkeeper inventory release %s --for 1h`, then ", first.ID)
	}
	return fmt.Sprintf("on %s are %s; delete one that you can do without, such as %s: %s`aws ec2 delete-flow-logs --region %s --flow-log-ids %s`; or ask AWS for a higher limit",
		p.resource, strings.Join(names, ", "), first.ID, release, p.c.Scope.Region, first.ID)
}

// holder says what a flow log is that holds a place.
func holder(r inventory.Row) string {
	what := "protected: release it before"
	switch {
	case r.Held:
		what = "not protected: its destination is held"
	case r.Excluded:
		what = "not protected: inventory.destinations"
	case !r.Protected:
		what = "not protected: a decoy"
	}
	if by := r.CreatedBy; by != "" {
		what += ", made by " + alert.Clean(by, 200)
	}
	return "to " + alert.Clean(r.Destination(r.Scope), 200) + ", " + what
}
