package tamper

import (
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

// unnamed are the services of things that Flowkeeper or flow logs may depend on
// while neither the snapshot nor the configuration names them: its own role,
// the keys of buckets and log groups, the rules that forward events.
var unnamed = map[string]string{
	"iam": "in this account", "kms": "in this account and Region", "events": "in this account and Region",
}

// unstated is an impact on whatever of the service something here depends on, in
// the account and the Region of the call. Where nothing is, and no protected
// flow log is either, the call is somebody else's.
func unstated(tx Tx, r cloudtrail.Record, beside []Dependency) (t Impact, err error) {
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
	n, err := tx.Guarded(account, region, mostLost)
	switch {
	case err != nil || n == 0:
	case n == 1:
		t.Uses = []string{"a protected flow log lives " + where}
	default:
		atLeast := ""
		if n == mostLost {
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
	near, err := tx.UsagesUnder(prefix)
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
		lost, err := tx.Lost(d.Scope, mostLost)
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
