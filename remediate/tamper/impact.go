package tamper

import (
	"fmt"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
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

const (
	mostListed  = 50   // flow logs in an alert about tampering: it says how many there are, and the snapshot has them all
	mostCounted = 1000 // flow logs of a scope that are looked at to be counted
)

// Dependency is something that Flowkeeper itself needs, by the configuration or by the queue's own
// attributes.
type Dependency struct {
	ARN string // may be a pattern, in which * stands for any text
	As  string // "the queue that events come by"
}

// covers reports whether an ARN is of this dependency.
func (d Dependency) covers(arn string) bool {
	return incident.Match(string(delivery.KeyOf(d.ARN)), string(delivery.KeyOf(arn)))
}

// within reports whether a dependency may be in a place.
func (d Dependency) within(p place) bool {
	own := placeOfKey(delivery.KeyOf(d.ARN))
	return incident.Match(own.service, p.service) && incident.Match(own.region, p.region) && incident.Match(own.account, p.account)
}

// ImpactOf says what depends on what a call changes. Where its record does not state
// that, it says what may depend on it: CloudTrail leaves out parameters that are larger
// than 100 KB, and a caller can make them so, for white space in a policy counts. ours
// is what Flowkeeper itself needs.
func ImpactOf(tx Tx, r cloudtrail.Record, ours []Dependency) (Impact, error) {
	if target := TargetOf(r); target != "" {
		key := delivery.KeyOf(target)
		usages, err := tx.Usages(key, key)
		if err != nil {
			return Impact{}, err
		}
		all, err := load(tx, usages, mostListed)
		return stated(target, all, ours), err
	}
	p := placeOf(r)
	if p.service == "" {
		return Impact{}, nil
	}
	usages, err := tx.Usages(p.keys())
	if err != nil {
		return Impact{}, err
	}
	all, err := load(tx, usages, 0)
	if err != nil {
		return Impact{}, err
	}
	protected, err := tx.CountProtected(p.account, p.region, mostCounted)
	return unstated(p, all, protected, ours), err
}

// load reads the flow logs of usages: at most live of those that are there, and all that are lost.
func load(tx Tx, usages []Usage, live int) (out []used, err error) {
	scopes := map[inventory.Scope]bool{}
	for _, usage := range usages {
		u := used{Usage: usage}
		if live > 0 {
			if u.live, err = tx.LiveWith(u.Scope, u.Target, live); err != nil {
				return nil, err
			}
			live -= len(u.live)
		}
		if !scopes[u.Scope] {
			scopes[u.Scope] = true
			if u.lost, err = tx.KnownMissing(u.Scope, mostCounted); err != nil {
				return nil, err
			}
		}
		out = append(out, u)
	}
	return out, nil
}

// used is a usage with some of the flow logs behind it.
type used struct {
	Usage
	live []inventory.Row     // the first of Usage.Live
	lost []incident.Incident // what is to come back in the scope, whatever it is delivered to; empty where an earlier usage has it
}

// stated is the impact on a target, as TargetOf names it.
func stated(target string, all []used, ours []Dependency) Impact {
	key := delivery.KeyOf(target)
	flowLogs, counts := affected(all, func(k delivery.ResourceKey) bool { return k == key })
	i := Impact{Uses: words(counts, ours, func(d Dependency) bool { return d.covers(target) })}
	i.FlowLogs = flowLogs[:min(len(flowLogs), mostListed)]
	for _, n := range counts {
		i.Omitted += n
	}
	i.Omitted -= len(i.FlowLogs)
	return i
}

// words say for what some resources are used: by how many flow logs, the gravest use first, and by
// Flowkeeper.
func words(counts map[string]int, ours []Dependency, is func(Dependency) bool) (out []string) {
	for _, use := range []string{delivery.DestinationUse, delivery.RoleUse, delivery.CrossRoleUse} {
		if n := counts[use]; n > 0 {
			out = append(out, fmt.Sprintf("%s of %s", use, alert.Plural(n, "flow log")))
		}
	}
	for _, d := range ours {
		if is(d) && !slices.Contains(out, d.As) {
			out = append(out, d.As)
		}
	}
	return out
}

// affected are the flow logs that use one of some resources, and those that are to come back and
// will use one, as an alert shows them; counts says how many there are of each use.
func affected(all []used, is func(delivery.ResourceKey) bool) (flowLogs []alert.FlowLog, counts map[string]int) {
	counts = map[string]int{}
	for _, u := range all {
		for _, use := range usesOf(u.Target, is) {
			counts[use] += u.Live
		}
		for _, row := range u.live {
			flowLogs = append(flowLogs, flowLogOf(row.Scope, row.ID, row.RootID, row.Settings))
		}
		for _, i := range u.lost {
			uses := usesOf(delivery.TargetOf(inventory.FlowLog{Scope: i.Scope, Settings: i.Frozen}), is)
			for _, use := range uses {
				counts[use]++
			}
			if len(uses) > 0 {
				x := flowLogOf(i.Scope, i.FlowLogID, i.RootID, i.Frozen)
				x.State = string(i.State)
				flowLogs = append(flowLogs, x)
			}
		}
	}
	return flowLogs, counts
}

// flowLogOf is one flow log as an alert about several scopes shows it.
func flowLogOf(s inventory.Scope, id, root string, settings inventory.Settings) alert.FlowLog {
	f := notify.FlowLog(s, id, root, settings)
	f.Account, f.Region = s.Account, s.Region
	return f
}

// usesOf says for what flow logs with this target use some resources.
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
func unstated(p place, all []used, protected int, ours []Dependency) Impact {
	_, counts := affected(all, func(k delivery.ResourceKey) bool { return strings.HasPrefix(string(k), p.prefix()) })
	may := words(counts, ours, func(d Dependency) bool { return d.within(p) })
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
