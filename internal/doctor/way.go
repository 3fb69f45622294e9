package doctor

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// patience: CloudTrail delivers within fifteen minutes, as a rule.
const patience = 30 * time.Minute

// judgeWay reads what rehearsals, made by a schedule, tell of the way of events.
func judgeWay(w remediate.Way, schedule string, now time.Time) finding {
	const look = "the checks above say where: trail, rule, queue"
	late := w.Unanswered > 0 && now.Sub(w.UnansweredSince) > patience
	switch {
	case late && w.BackAt.IsZero():
		return finding{Fail, fmt.Sprintf("no rehearsal ever came back, the first was %s ago: deletions go unheard", now.Sub(w.UnansweredSince).Round(time.Second)), look}
	case late:
		return finding{Fail, plural(w.Unanswered, "rehearsal", "rehearsals") + " did not come back, since " + w.UnansweredSince.UTC().Format(time.RFC3339) + ": deletions may go unheard", look}
	case w.BackAt.IsZero() && w.Unanswered > 0:
		return finding{Unknown, "can't tell yet: the first rehearsal is on its way since " + w.UnansweredSince.UTC().Format(time.RFC3339), ""}
	case w.BackAt.IsZero():
		return finding{Unknown, "can't tell: nothing was rehearsed yet (rehearsal.schedule; it needs a protected flow log)", ""}
	case old(schedule, w.BackAt, now):
		return finding{Unknown, "can't tell: no rehearsal was made since " + w.BackAt.UTC().Format(time.RFC3339) + ", when the last one came back", "see that the daemon runs, and that rehearsal.schedule is not empty"}
	}
	return fine("the last one %s ago", now.Sub(w.BackAt).Round(time.Second))
}

// old reports that more than a whole round went by.
func old(schedule string, at, now time.Time) bool {
	s, err := cron.ParseStandard(schedule)
	return err != nil || now.After(s.Next(s.Next(at)).Add(patience))
}

// proven reports that records of a scope came through the whole way of late.
func (e *exam) proven(s inventory.Scope) bool {
	m, err := e.stateFacts()
	return err == nil && judgeWay(m.ways[s], e.d.Config.Rehearsal.Schedule, e.d.Now()).status == OK
}
