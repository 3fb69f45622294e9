package incident

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// mostHolders is how many flow logs an alert names if a resource has as many as AWS allows, which
// are few.
const mostHolders = 5

// applyLimit applies the answer that a resource has as many flow logs as AWS allows: it blocks the
// incident, and advises how to make room. after is what AWS showed then: an equivalent that took the
// lost one's place is adopted.
func (t refusal) applyLimit(after Observation) {
	if after.Resources[t.ResourceID] {
		t.applyObservation(after)
	}
	if !t.Pending() {
		return
	}
	full := t.answer
	full.Advice = cmp.Or(t.c.place(t.ResourceID).makeRoom(t.FlowLogID, after), full.Advice)
	refusal{t.transition, full, t.jitter}.fail()
}

// makeRoom is the advice where a resource has as many flow logs as AWS allows: which they are,
// and how to delete one. First come those that only the observation shows, because somebody has just made
// them, then those that are not protected, and at last those that another Flowkeeper may have
// restored. It is empty if there are only these last ones, which nobody should delete.
func (p place) makeRoom(lost string, o Observation) string {
	unknown, back := p.unknown(o)
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
	all := slices.Concat(unknown, loose, ours)
	if len(all) == 0 {
		return ""
	}
	all = append(all, back...)
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

// unknown are the flow logs that an observation shows on a resource and that the snapshot lacks, by
// ID. back are those that are equal to one that is to come back, or to a protected one that AWS does not
// show any more: another Flowkeeper may have restored them before this one knows of the loss.
func (p place) unknown(o Observation) (unknown, back []inventory.Row) {
	for _, id := range slices.Sorted(maps.Keys(o.FlowLogs)) {
		f := o.FlowLogs[id]
		if row, known := p.c.Row(id); f.ResourceID != p.resource || known && !row.Imported {
			continue
		}
		isBack := slices.ContainsFunc(p.lost(), func(i Incident) bool { return equalsLost(i, f) })
		replaces := slices.ContainsFunc(p.live(), func(r inventory.Row) bool {
			_, shown := o.FlowLogs[r.ID]
			return !shown && isGuarded(r) && inventory.Equivalent(p.c.Scope, r.Settings, f)
		})
		if isBack || replaces {
			back = append(back, inventory.Row{FlowLog: f, Protected: true})
		} else {
			unknown = append(unknown, inventory.Row{FlowLog: f})
		}
	}
	return unknown, back
}

// holder says where a flow log delivers, and whether it is protected.
func holder(r inventory.Row) string {
	what := "not protected: a decoy"
	switch onlyObserved := r.State == ""; { // see unknown
	case r.Protected && onlyObserved:
		what = "probably restored by another Flowkeeper: keep it"
	case r.Protected:
		what = "protected: release it before"
	case onlyObserved:
		what = "not protected: it has just appeared"
	case r.Held:
		what = "not protected: its destination is held"
	case r.Excluded:
		what = "not protected: inventory.destinations"
	}
	if by := r.CreatedBy; by != "" {
		what += ", made by " + alert.Clean(by, 200)
	}
	return "to " + alert.Clean(r.Destination(r.Scope), 200) + ", " + what
}
