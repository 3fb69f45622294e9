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
	FlowLogs []alert.FlowLog // the first that depend on the resource, if the record names it
	Omitted  int             // how many more there are
}

const (
	mostListed  = 50   // flow logs that an alert about tampering lists; it says how many there are, and the snapshot has them all
	mostCounted = 1000 // flow logs of a scope that are counted
)

// Dependency is something that Flowkeeper itself needs, by the configuration or by the queue's own
// attributes.
type Dependency struct {
	ARN string // may be a pattern, in which * stands for any text
	As  string // "the queue that events come by"
}

// covers reports whether an ARN names this dependency.
func (d Dependency) covers(arn string) bool {
	return incident.Match(string(delivery.KeyOf(d.ARN)), string(delivery.KeyOf(arn)))
}

// within reports whether a dependency may be in a place.
func (d Dependency) within(p place) bool {
	own := placeOfKey(delivery.KeyOf(d.ARN))
	return incident.Match(own.service, p.service) && incident.Match(own.region, p.region) && incident.Match(own.account, p.account)
}

// ImpactOf says what depends on the resource that a call changes. If the record does not name
// the resource, it says what may depend on it: CloudTrail leaves out parameters larger than
// 100 KB, and a caller can make them larger with white space in a policy. ours is what
// Flowkeeper itself needs.
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

// load reads the flow logs of usages: at most live of the live ones, and those that are to come back.
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

// used is a usage with some of its flow logs.
type used struct {
	Usage
	live []inventory.Row     // the first of Usage.Live
	lost []incident.Incident // what is to come back in the scope, to any target; empty if an earlier usage of the scope has it
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

// words say what some resources are used as: by how many flow logs, the gravest use first, and then by
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

// affected are the flow logs that use one of some resources (is), and those that are to come back and
// will use one, as an alert shows them. counts has how many flow logs have each use.
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

// usesOf says what flow logs with this target use some resources (is) as.
func usesOf(t delivery.Target, is func(delivery.ResourceKey) bool) (out []string) {
	for _, k := range t.Keys() {
		if use := t.Use(k); is(k) && !slices.Contains(out, use) {
			out = append(out, use)
		}
	}
	return out
}

// unnamed has the services of resources on which Flowkeeper or flow logs may depend
// though neither the snapshot nor the configuration names them: Flowkeeper's own role,
// the keys of buckets and log groups, the rules that forward events.
var unnamed = map[string]string{
	"iam": "in this account", "kms": "in this account and Region", "events": "in this account and Region",
}

// unstated is the impact of a call on an unnamed resource of a service, in the place p:
// what depends on any such resource there. If nothing does, and the place has no protected
// flow log, the call has none. protected counts the place's flow logs, up to mostCounted.
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
