package incident

import (
	"fmt"
	"slices"
	"time"

	"flowkeeper/alert"
)

// holdFlapping holds a lineage back that is deleted again and again, and notes so
// once (I9: it never gives up). restores are those within the hour.
func (t *transition) holdFlapping(restores []Incident, until time.Time) {
	alerted := t.FlapAlerted || slices.ContainsFunc(restores, func(i Incident) bool { return i.FlapAlerted })
	t.Flapping, t.NextAttemptAt = true, until
	if !alerted {
		t.FlapAlerted = true
		t.noteStuck(Stuck{Kind: alert.Flapping,
			Message: fmt.Sprintf("%d restores within an hour", len(restores)),
			Advice:  fmt.Sprintf("somebody deletes it each time: stop them; Flowkeeper goes on, once per %s", t.c.Policy.RestoreInterval),
		})
	}
	t.put()
}
