package simulate

import (
	"slices"
	"time"

	"flowkeeper/alert"
)

// unlisted are the calls that an alert about many counts and does not list: it has at most
// twenty examples.
type unlisted struct {
	from, to time.Time // when a daemon received the first and the last of all
	calls    int
}

// sums notes what an alert about many calls tells of them.
func (p *play) sums(a alert.Alert) {
	for _, c := range a.Repeats.Examples {
		p.summed[c.EventID] = true
		p.named[c.FlowLogID] = p.named[c.FlowLogID] || p.skewed // of what counts as long gone
		p.tampers[c.EventID] = p.tampers[c.EventID] || a.Kind == alert.Tamper
	}
	if _, again := p.unlisted[a.ID]; !again && a.Kind == alert.Deletion {
		p.unlisted[a.ID] = unlisted{a.Repeats.From.Time, a.Repeats.To.Time, a.Repeats.Calls - len(a.Repeats.Examples)}
	}
}

// counted reports whether one of several daemons, which did not have the flow log, can have counted
// its deletion in an alert that lists others. Each call that such an alert does not list
// counts for one event.
func (p *play) counted(event, id string) bool {
	for _, d := range p.daemons {
		if had, heard := d.heard[event+id]; !heard || had {
			continue
		}
		for key, u := range p.unlisted {
			within := func(t time.Time) bool { // an alert's times are in milliseconds
				return !t.Before(u.from) && !t.Truncate(time.Millisecond).After(u.to)
			}
			if u.calls > 0 && slices.ContainsFunc(d.heardAt[event+id], within) {
				u.calls--
				p.unlisted[key] = u
				p.summed[event] = true
				return true
			}
		}
	}
	return false
}
