package tamper

import (
	"fmt"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// Impact is what a call may do to the flow logs of the snapshot, to those that are to
// come back, and to Flowkeeper itself.
type Impact struct {
	Uses     []string        // "the destination of 3 flow logs"; empty: nothing here depends on what the call changes
	FlowLogs []alert.FlowLog // the first that depend on it, where the record states what it changes
	Omitted  int             // how many more there are
}

// mostListed is how many flow logs an alert about tampering lists: it says
// how many there are, and the snapshot has them all.
const mostListed = 50

// used is a usage with some of the flow logs behind it.
type used struct {
	Usage
	live []inventory.Row     // the first of Usage.Live
	lost []incident.Incident // what is to come back in the scope, whatever it is delivered to; empty where an earlier usage has it
}

// stated is the impact on a target, as TargetOf names it.
func stated(target string, all []used, beside []Dependency) Impact {
	key := delivery.KeyOf(target)
	flowLogs, counts := affected(all, func(k delivery.ResourceKey) bool { return k == key })
	i := Impact{Uses: counts.words()}
	for _, d := range beside {
		if d.covers(target) && !slices.Contains(i.Uses, d.As) {
			i.Uses = append(i.Uses, d.As)
		}
	}
	i.FlowLogs = flowLogs[:min(len(flowLogs), mostListed)]
	for _, n := range counts {
		i.Omitted += n
	}
	i.Omitted -= len(i.FlowLogs)
	return i
}

// counts of flow logs, by what a resource is to them.
type counts map[string]int

// words of the counts, the gravest first.
func (c counts) words() (out []string) {
	for _, use := range []string{delivery.DestinationUse, delivery.RoleUse, delivery.CrossRoleUse} {
		if n := c[use]; n > 0 {
			out = append(out, fmt.Sprintf("%s of %s", use, alert.Plural(n, "flow log")))
		}
	}
	return out
}

// affected are the flow logs that need one of some resources, with those that are to come
// back there, as an alert shows them, and how many there are of each use.
func affected(all []used, is func(delivery.ResourceKey) bool) (flowLogs []alert.FlowLog, c counts) {
	c = counts{}
	for _, u := range all {
		for _, use := range usesOf(u.Target, is) {
			c[use] += u.Live
		}
		for _, row := range u.live {
			flowLogs = append(flowLogs, flowLogOf(row.Scope, row.ID, row.RootID, row.Settings))
		}
		for _, i := range u.lost {
			uses := usesOf(delivery.TargetOf(inventory.FlowLog{Scope: i.Scope, Settings: i.Frozen}), is)
			for _, use := range uses {
				c[use]++
			}
			if len(uses) > 0 {
				x := flowLogOf(i.Scope, i.FlowLogID, i.RootID, i.Frozen)
				x.State = string(i.State)
				flowLogs = append(flowLogs, x)
			}
		}
	}
	return flowLogs, c
}

// flowLogOf is one flow log as an alert about several scopes shows it.
func flowLogOf(s inventory.Scope, id, root string, settings inventory.Settings) alert.FlowLog {
	f := notify.FlowLog(s, id, root, settings)
	f.Account, f.Region = s.Account, s.Region
	return f
}

// usesOf are what some resources are to flow logs with this target.
func usesOf(t delivery.Target, is func(delivery.ResourceKey) bool) (out []string) {
	for _, k := range t.Keys() {
		if use := t.Use(k); is(k) && !slices.Contains(out, use) {
			out = append(out, use)
		}
	}
	return out
}

// unnamed are the services of resources that Flowkeeper or flow logs may depend on
// while neither the snapshot nor the configuration names them: its own role,
// the keys of buckets and log groups, the rules that forward events.
var unnamed = map[string]string{
	"iam": "in this account", "kms": "in this account and Region", "events": "in this account and Region",
}

// unstated is the impact on whatever of the service something here depends on, in
// the place of the call. Where nothing is, and no protected flow log is either, the
// call is somebody else's. protected counts them, up to mostCounted.
func unstated(p place, all []used, protected int, beside []Dependency) Impact {
	_, counts := affected(all, func(t delivery.ResourceKey) bool { return strings.HasPrefix(string(t), p.prefix()) })
	may := counts.words()
	for _, d := range beside {
		if d.within(p) && !slices.Contains(may, d.As) {
			may = append(may, d.As)
		}
	}
	where := unnamed[p.service]
	switch {
	case len(may) > 0:
		return Impact{Uses: []string{"it may be " + strings.Join(may, " or ")}}
	case where == "" || protected == 0:
		return Impact{}
	case protected == 1:
		return Impact{Uses: []string{"a protected flow log lives " + where}}
	}
	atLeast := ""
	if protected == mostCounted {
		atLeast = "at least "
	}
	return Impact{Uses: []string{fmt.Sprintf("%s%d protected flow logs live %s", atLeast, protected, where)}}
}
