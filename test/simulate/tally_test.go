package simulate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"flowkeeper/internal/store"
	"flowkeeper/remediate/incident"
)

// tally counts what happened in all plays. A simulation in which something never happens proves nothing about it.
type tally struct {
	mu    sync.Mutex
	count map[string]int
}

// mustHappen is what must happen at least once in a run of more than 100 plays.
var mustHappen = []string{
	"steps", "deaths", "flow logs deleted",
	"incident verified", "incident closed resource_gone", "incident closed superseded", "incident closed still_there", "incident closed exempt", "incident closed unknown",
	"incident adopted", "incident by drift",
	"alert deletion", "alert restored", "alert closed", "alert decoy", "alert blocked", "alert flapping", "alert attempt", "alert tamper",
	"flood of refused calls", "flood of dry runs", "flood of dry runs of real ones", "flood of tampering", "flood of unknown ones deleted", "flood of foreign accounts", "flood of foreign Regions",
	"trouble refused", "trouble throttled", "trouble creates throttled", "trouble hanging", "trouble creates aborted", "trouble role not there", "trouble existing already", "trouble hiding resources", "keys rotated", "commit not answered",
	"creates of several", "creates in doubt", "tags set", "incident closed held",
	"refreshes after an attack", "losses noticed by a refresh after an attack",
	"replacements by a telemetry rule", "replacements by terraform", "losses excused", "incident closed replaced", "incidents closed for a replacement",
	"clock a little wrong", "decoys", "decoys that AWS allows", "decoys beside the flow log that is back", "flow logs left unprotected",
	"departures", "log files", "tokens guessed", "tokens used by others", "random tokens", "used tokens alerted",
}

// byHandEnds is what must happen at least once if more than 50 plays have restores by hand.
var byHandEnds = []string{
	"restores by hand", "restores by hand of what is alive", "restores by hand of what may be alive", "restores by hand of what was never seen", "restores by hand that died", "flow logs created by hand",
}

const byHandPlays = "plays with restores by hand"

// ends is what must happen at least once in a run of a number of plays, of which byHand have restores by hand.
func ends(plays uint64, byHand int) (all []string) {
	if plays > 100 {
		all = append(all, mustHappen...)
	}
	if byHand > 50 {
		all = append(all, byHandEnds...)
		all = append(all, "creates refused for a tag") // by demandsName, which the golden plays do not have, either
	}
	return all
}

func (t *tally) add(sum map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count = map[string]int{}
	}
	for k, n := range sum {
		t.count[k] += n
	}
}

func (t *tally) String() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(t.count)) {
		fmt.Fprintf(&b, "%9d %s\n", t.count[k], k)
	}
	return b.String()
}

// sum counts what happened in one play.
func (p *play) sum() map[string]int {
	out := map[string]int{"steps": p.steps, "AWS calls that change something": len(p.world.Calls(""))}
	for _, c := range p.world.Calls("DeleteFlowLogs") {
		out["flow logs deleted"] += len(c.IDs)
	}
	for _, c := range p.world.Calls("CreateFlowLogs") {
		if c.Form.Get("ResourceId.2") != "" && len(c.IDs) > 1 {
			out["creates of several"]++
		}
	}
	for _, c := range p.world.Calls("CreateTags") {
		if c.Code == "" {
			out["tags set"]++
		}
	}
	for k, n := range p.happened {
		out[k] += n
	}
	for k, n := range p.kinds {
		out["alert "+string(k)] += n
	}
	for _, d := range p.daemons {
		out["deaths"] += d.deaths
		p.must(d.store.FindIncidents(context.Background(), store.Filter{}, func(i incident.Incident) error {
			out[strings.TrimSpace("incident "+string(i.State)+" "+string(i.Reason))]++
			if i.Adopted {
				out["incident adopted"]++
			}
			if i.Source == incident.ByDrift {
				out["incident by drift"]++
			}
			return nil
		}))
	}
	return out
}
