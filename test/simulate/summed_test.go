package simulate

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// mostExamples is how many calls an alert about many lists at most.
const mostExamples = 20

// unlisted are the calls that an alert about many counts and does not list.
type unlisted struct {
	alert    string
	of       *daemon
	by       string    // who made all of them; empty: several
	from, to time.Time // when the daemon received the first and the last of all
	calls    int
}

// noteRepeats notes which calls an alert about many lists, and how many it leaves out.
func (p *play) noteRepeats(d *daemon, a alert.Alert) {
	r := a.Repeats
	if want := min(r.Calls, mostExamples); a.Kind != alert.Closed && len(r.Examples) < want {
		p.fail("the %s alert about %d calls lists %d of them", a.Kind, r.Calls, len(r.Examples))
	}
	for _, c := range r.Examples {
		p.summed[c.EventID] = true
		p.named[c.FlowLogID] = p.named[c.FlowLogID] || p.skewed // of what counts as long gone
		p.tampers[c.EventID] = p.tampers[c.EventID] || a.Kind == alert.Tamper
	}
	again := slices.ContainsFunc(p.unlisted, func(u unlisted) bool { return u.of == d && u.alert == a.ID })
	if again || a.Kind != alert.Deletion || r.Calls == len(r.Examples) {
		return
	}
	u := unlisted{alert: a.ID, of: d, from: r.From.Time, to: r.To.Time, calls: r.Calls - len(r.Examples)}
	if a.Actor != nil {
		u.by = incident.PrincipalOrName(a.Actor)
	}
	p.unlisted = append(p.unlisted, u)
}

// takesUnlisted reports whether a daemon that did not have a flow log can have counted its deletion in an alert
// that lists others. Then it takes one of the calls that this alert does not list: each counts for one event.
func (p *play) takesUnlisted(event, id string) bool {
	for n := range p.unlisted {
		u := &p.unlisted[n]
		had, received := u.of.received[event+id]
		if !received || had || u.calls == 0 {
			continue
		}
		counts := func(h receipt) bool { // an alert's times are in milliseconds
			return (u.by == "" || u.by == h.by) && !h.at.Before(u.from) && !h.at.Truncate(time.Millisecond).After(u.to)
		}
		if slices.ContainsFunc(u.of.receivedAt[event+id], counts) {
			u.calls--
			p.summed[event] = true
			return true
		}
	}
	return false
}
