package simulate

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate"
)

// commits is what a daemon has brought to disk, over all its lives.
type commits struct {
	alerts []alert.Alert   // each once, in the order of the outbox
	has    map[string]bool // their IDs

	couldTell map[string]time.Time // when a step first could have told of what is due
}

func newCommits() *commits {
	return &commits{has: map[string]bool{}, couldTell: map[string]time.Time{}}
}

// writes is a transaction that notes what it is to write.
type writes struct {
	remediate.Tx
	alerts []alert.Alert
}

func (w *writes) AddAlert(a alert.Alert) error {
	w.alerts = append(w.alerts, a)
	return w.Tx.AddAlert(a)
}

// add what is on disk.
func (c *commits) add(w writes) (added []alert.Alert) {
	for _, a := range w.alerts {
		if !c.has[a.ID] {
			c.has[a.ID] = true
			added = append(added, a)
		}
	}
	c.alerts = append(c.alerts, added...)
	return added
}

// of the alerts, those that name a flow log.
func (c *commits) naming(id string, yield func(alert.Alert) (more bool)) {
	for n := len(c.alerts) - 1; n >= 0; n-- {
		for _, f := range c.alerts[n].FlowLogs {
			if f.FlowLogID == id {
				if !yield(c.alerts[n]) {
					return
				}
				break
			}
		}
	}
}
