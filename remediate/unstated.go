package remediate

import (
	"cmp"
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// place is where the thing is that a call changes, as ThingOf begins it:
// service, Region and account. A bucket's name says neither Region nor account.
func placeOf(r cloudtrail.Record) (service, region, account string) {
	r.Target = "any"
	p := strings.SplitN(string(delivery.KeyOf(TargetOf(r))), ":", 4)
	if len(p) != 4 {
		return "", "", ""
	}
	return p[0], p[1], p[2]
}

// ThreatOf says what depends on what a call changes; where its record does not
// state that, what may depend on it: see Unstated.
func ThreatOf(tx Tx, r cloudtrail.Record, beside []Dependency) (Threat, error) {
	if target := TargetOf(r); target != "" {
		return Threatened(tx, target, beside)
	}
	return unstated(tx, r, beside)
}

// Unstated reports whether a record does not say what its call changes.
// CloudTrail leaves out parameters that are larger than 100 KB, and a caller
// can make them so: white space in a policy counts.
func Unstated(r cloudtrail.Record) bool { return TargetOf(r) == "" }

// unnamed are the services of things that Flowkeeper or flow logs may depend on
// while neither the snapshot nor the configuration names them: its own role,
// the keys of buckets and log groups, the rules that forward events.
var unnamed = map[string]string{
	"iam": "in this account", "kms": "in this account and Region", "events": "in this account and Region",
}

// unstated is a threat to whatever of the service something here depends on, in
// the account and the Region of the call. Where nothing is, and no protected
// flow log is either, the call is somebody else's.
func unstated(tx Tx, r cloudtrail.Record, beside []Dependency) (t Threat, err error) {
	service, region, account := placeOf(r)
	if service == "" {
		return t, nil
	}
	may, err := mayBe(tx, service, region, account)
	if err != nil {
		return t, err
	}
	for _, d := range beside {
		if d.within(service, region, account) {
			may = append(may, d.As)
		}
	}
	if may = unique(may); len(may) > 0 {
		t.Uses = []string{"it may be " + strings.Join(may, " or ")}
		return t, nil
	}
	where := unnamed[service]
	if where == "" {
		return t, nil
	}
	n, err := tx.Guarded(account, region, mostNews)
	switch {
	case err != nil || n == 0:
	case n == 1:
		t.Uses = []string{"a protected flow log lives " + where}
	default:
		atLeast := ""
		if n == mostNews {
			atLeast = "at least "
		}
		t.Uses = []string{fmt.Sprintf("%s%d protected flow logs live %s", atLeast, n, where)}
	}
	return t, err
}

// mayBe are the uses of the snapshot's things of a service in a place, by flow
// logs that live or are to come back.
func mayBe(tx Tx, service, region, account string) (uses []string, err error) {
	prefix := strings.Join([]string{service, region, account, ""}, ":")
	near, err := tx.DependentsUnder(prefix)
	if err != nil {
		return nil, err
	}
	counts, scopes := map[string]int{}, map[inventory.Scope]bool{}
	add := func(n delivery.Target, flowLogs int) {
		for _, thing := range n.Keys() {
			if strings.HasPrefix(string(thing), prefix) {
				counts[n.Use(thing)] += flowLogs
			}
		}
	}
	for _, d := range near {
		add(d.Target, d.Live)
		if scopes[d.Scope] {
			continue
		}
		scopes[d.Scope] = true
		lost, err := tx.AllPending(d.Scope, mostNews)
		if err != nil {
			return nil, err
		}
		for _, i := range lost {
			add(delivery.TargetOf(inventory.FlowLog{Scope: i.Scope, Settings: i.Frozen}), 1)
		}
	}
	for _, use := range []string{delivery.DestinationUse, delivery.RoleUse, delivery.CrossRoleUse} {
		if n := counts[use]; n > 0 {
			uses = append(uses, fmt.Sprintf("%s of %s", use, alert.Plural(n, "flow log")))
		}
	}
	return uses, nil
}

// within reports whether a dependency may be of a service in a place.
func (d Dependency) within(service, region, account string) bool {
	p := strings.SplitN(string(delivery.KeyOf(d.ARN)), ":", 4)
	return len(p) == 4 && incident.Match(p[0], service) && incident.Match(p[1], region) && incident.Match(p[2], account)
}

func unique(in []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range in {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// unstatedCause is what happened, where the record does not say to what. A title has
// room for its beginning only: what may be lost comes first.
func unstatedCause(r cloudtrail.Record, t Threat) string {
	left := ""
	if r.OmittedSize != "" {
		left = "; CloudTrail left out its " + r.OmittedSize + " bytes of parameters"
	}
	return r.EventName + ", target not stated: " + strings.Join(t.Uses, " and ") + left
}

// unstatedAdvice is what to do about it first.
func unstatedAdvice(r cloudtrail.Record) string {
	hidden := ""
	if r.OmittedSize != "" {
		hidden = ": a request of more than 100 KB, such as a policy padded with white space, may be meant to hide that"
	}
	return "find out what it changed" + hidden + "; then " + cmp.Or(tamperAdvice(r), "put it back")
}
