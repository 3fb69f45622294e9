package simulate

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// mostExamples is how many calls a summary alert lists at most.
const mostExamples = 20

// unlisted are the calls that a summary alert counts but does not list.
type unlisted struct {
	alert    string
	of       *daemon
	by       string    // the principal that made all calls; empty: there are several
	from, to time.Time // when the daemon received the first and the last record
	calls    int
}

// noteRepeats notes which calls a summary alert lists, and how many it only counts.
func (p *play) noteRepeats(d *daemon, a alert.Alert) {
	r := a.Repeats
	if want := min(r.Calls, mostExamples); a.Kind != alert.Closed && len(r.Examples) < want {
		p.fail("the %s alert about %d calls lists %d of them", a.Kind, r.Calls, len(r.Examples))
	}
	for _, c := range r.Examples {
		p.summed[c.EventID] = true
		p.named[c.FlowLogID] = p.named[c.FlowLogID] || p.skewed // by a wrong clock the flow log may count as long gone, and then no other alert names it
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

// takesUnlisted reports whether the deletion of a flow log that a daemon did not know may be one that a summary
// alert counts but does not list. If so, it uses one of these up: each counts for one event.
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
