package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// roundTrip judges whether the records of rehearsals come back through the queue, which proves
// that deletions arrive.
func (s *subject) roundTrip(context.Context) finding {
	facts, err := s.machine.state()
	switch {
	case err != nil:
		return skipped(noStateFile)
	case len(facts.rows[s.scope]) == 0:
		return skipped(nothingHere)
	}
	return s.machine.pipeline(facts, s.scope)
}

// proven reports whether the scope's last rehearsal came back through the queue.
func (m *machine) proven(s inventory.Scope) bool {
	facts, err := m.state()
	return err == nil && m.pipeline(facts, s).status == OK
}

func (m *machine) pipeline(facts stateFacts, s inventory.Scope) finding {
	return judgePipeline(facts.pipelines[s], m.conf.Rehearsal.Schedule, m.now())
}

// patience is how long a record may take: CloudTrail delivers most within fifteen minutes.
const patience = 30 * time.Minute

// judgePipeline judges by the last rehearsals, made by a schedule, whether records arrive.
func judgePipeline(w rehearse.PipelineHealth, schedule string, now time.Time) finding {
	const look = "see the checks above: trail, rule, queue"
	late := w.Unanswered > 0 && now.Sub(w.UnansweredSince) > patience
	switch {
	case late && w.BackAt.IsZero():
		return finding{Fail, fmt.Sprintf("no rehearsal ever came back, the first was %s ago: deletions do not arrive", now.Sub(w.UnansweredSince).Round(time.Second)), look}
	case late:
		return finding{Fail, plural(w.Unanswered, "rehearsal", "rehearsals") + " did not come back, since " + w.UnansweredSince.UTC().Format(time.RFC3339) + ": deletions may not arrive", look}
	case w.BackAt.IsZero() && w.Unanswered > 0:
		return finding{Unknown, "can't tell yet: the first rehearsal is on its way since " + w.UnansweredSince.UTC().Format(time.RFC3339), ""}
	case w.BackAt.IsZero():
		return finding{Unknown, "can't tell: nothing was rehearsed yet (rehearsal.schedule; it needs a protected flow log)", ""}
	case old(schedule, w.BackAt, now):
		return finding{Unknown, "can't tell: no rehearsal was made since " + w.BackAt.UTC().Format(time.RFC3339) + ", when the last one came back", "see that the daemon runs, and that rehearsal.schedule is not empty"}
	}
	return fine("the last one %s ago", now.Sub(w.BackAt).Round(time.Second))
}

// old reports whether the schedule had two rehearsals since then.
func old(schedule string, at, now time.Time) bool {
	s, err := cron.ParseStandard(schedule)
	return err != nil || now.After(s.Next(s.Next(at)).Add(patience))
}
