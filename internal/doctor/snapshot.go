package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// refresh judges the age of a scope's snapshot.
func (s *subject) refresh(context.Context) finding {
	facts, err := s.machine.state()
	if err != nil {
		return skipped(noStateFile) // state-file reports the error
	}
	return judgeRefresh(s.machine.conf.Inventory.Schedule, facts.counts.RefreshedAt[s.scope], s.machine.now())
}

// judgeRefresh warns if the schedule had two refreshes since the last one.
func judgeRefresh(schedule string, at, now time.Time) finding {
	const look = "see that the daemon runs, and what it logs: journalctl -u flowkeeper"
	if at.IsZero() {
		return finding{Warn, "there was no refresh yet", look}
	}
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return finding{Unknown, "can't tell: " + err.Error(), ""}
	}
	if late := s.Next(s.Next(at)).Add(2 * time.Minute); now.After(late) {
		return finding{Warn, fmt.Sprintf("the last refresh was %s ago, at %s, by the schedule %s", now.Sub(at).Round(time.Second), at.UTC().Format(time.RFC3339), schedule), look}
	}
	return fine("%s ago", now.Sub(at).Round(time.Second))
}

// restorable reports what the last rehearsals said, and incidents that are not over.
func (m *machine) restorable(context.Context) (out []finding) {
	facts, err := m.state()
	if err != nil {
		return findings(skipped(noStateFile))
	}
	yes, no, unknown := facts.counts.Restorable["yes"], facts.counts.Restorable["no"], facts.counts.Restorable["unknown"]
	if no > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("the last rehearsal says that %s could not be restored", plural(no, "flow log", "flow logs")), "flowkeeper inventory list"})
	}
	if r := facts.counts.Released; r.FlowLogs > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s released until %s: a deletion would not be undone", plural(r.FlowLogs, "flow log is", "flow logs are"), r.Until.UTC().Format("2006-01-02 15:04 UTC")),
			"flowkeeper inventory list names them; to end that: flowkeeper inventory release ID... --undo"})
	}
	if n := facts.counts.Held; n > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s held: what delivers to a place that nobody has approved is not protected", plural(n, "flow log is", "flow logs are")),
			"flowkeeper inventory list --held names them; if the place is yours: flowkeeper inventory approve DESTINATION"})
	}
	if n := facts.counts.Incidents["blocked"]; n > 0 {
		out = append(out, finding{Fail, fmt.Sprintf("%s blocked: what was deleted stays gone until a person helps", plural(n, "incident is", "incidents are")), "flowkeeper incidents list --state blocked"})
	}
	if n := facts.counts.Incidents["open"]; n > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s open: what was deleted is not back yet", plural(n, "incident is", "incidents are")), "flowkeeper incidents list --state open"})
	}
	switch {
	case len(out) > 0:
		return out
	case yes+no+unknown == 0:
		return findings(finding{Warn, "nothing is protected", "see inventory.regions, inventory.destinations and accounts: is this where your flow logs are?"})
	}
	return findings(fine("%d by the last rehearsal, %d not rehearsed yet", yes, unknown))
}
