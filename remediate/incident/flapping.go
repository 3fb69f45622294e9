package incident

import (
	"fmt"
	"time"

	"flowkeeper/alert"
)

// holdFlapping holds a lineage back that is deleted again and again, and notes so
// once (I9: it never gives up). restores are those within the hour.
func (c *Case) holdFlapping(i Incident, restores []Incident, until time.Time) {
	told := i.FlapTold
	for _, x := range restores {
		told = told || x.FlapTold
	}
	i.Flapping, i.NextAttemptAt = true, until
	if !told {
		i.FlapTold = true
		i = c.stuck(i, Stuck{Kind: alert.Flapping,
			Message: fmt.Sprintf("%d restores within an hour", len(restores)),
			Advice:  fmt.Sprintf("somebody deletes it each time: stop them; Flowkeeper goes on, once per %s", c.Policy.RestoreInterval),
		})
	}
	c.Put(i)
}
