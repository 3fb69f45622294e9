package doctor

import (
	"fmt"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// noScope is where a check is about no account.
var noScope inventory.Scope

// patience: CloudTrail delivers within fifteen minutes, as a rule.
const patience = 30 * time.Minute

// judgeWay reads what rehearsals tell of the way of events.
func judgeWay(w remediate.Way, now time.Time) finding {
	const look = "the checks above say where: trail, rule, queue"
	switch {
	case w.Unanswered > 0 && now.Sub(w.UnansweredSince) > patience:
		f := finding{Fail, fmt.Sprintf("%s did not come back, since %s: deletions may go unheard", plural(w.Unanswered, "rehearsal", "rehearsals"), w.UnansweredSince.UTC().Format(time.RFC3339)), look}
		if w.BackAt.IsZero() {
			f.detail += "; none ever did"
		}
		return f
	case w.BackAt.IsZero() && w.Unanswered == 0:
		return finding{Unknown, "can't tell: nothing was rehearsed yet (rehearsal.schedule; it needs a protected flow log)", ""}
	case w.Unanswered > 0:
		return finding{Unknown, fmt.Sprintf("can't tell yet: a rehearsal is on its way since %s", w.UnansweredSince.UTC().Format(time.RFC3339)), ""}
	}
	return fine("the last one %s ago", now.Sub(w.BackAt).Round(time.Second))
}
