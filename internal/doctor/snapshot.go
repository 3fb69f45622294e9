package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// refresh judges the age of a scope's snapshot.
func (e *exam) refresh(ctx context.Context, s *subject) finding {
	m, err := e.stateFacts()
	if err != nil {
		return finding{Skipped, noStateFile, ""} // state-file reports the error
	}
	return judgeRefresh(e.d.Config.Inventory.Schedule, m.counts.RefreshedAt[s.scope], e.d.Now())
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
func (e *exam) restorable(ctx context.Context) (out []finding) {
	m, err := e.stateFacts()
	if err != nil {
		return findings(finding{Skipped, noStateFile, ""})
	}
	yes, no, unknown := m.counts.Restorable["yes"], m.counts.Restorable["no"], m.counts.Restorable["unknown"]
	if no > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("the last rehearsal says that %s could not be restored", plural(no, "flow log", "flow logs")), "flowkeeper inventory list"})
	}
	if r := m.counts.Released; r.FlowLogs > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s released until %s: a deletion would not be undone", plural(r.FlowLogs, "flow log is", "flow logs are"), r.Until.UTC().Format("2006-01-02 15:04 UTC")),
			"flowkeeper inventory list names them; to end that: flowkeeper inventory release ID... --undo"})
	}
	if n := m.counts.Incidents["blocked"]; n > 0 {
		out = append(out, finding{Fail, fmt.Sprintf("%s blocked: what was deleted stays gone until a person helps", plural(n, "incident is", "incidents are")), "flowkeeper incidents list --state blocked"})
	}
	if n := m.counts.Incidents["open"]; n > 0 {
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
