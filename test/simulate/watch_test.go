package simulate

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// After an attack a daemon refreshes the scopes of the account often, because the attacker may cut the events next.
// internal/daemon decides with goroutines and timers when such a refresh is due. The simulation repeats that rule in
// short, and runs the real refreshes.

const (
	watchEvery = 30 * time.Second // inventory.alert_refresh
	watchFor   = time.Hour        // after the last event
	watchAgain = time.Second      // after a refresh that had to wait, because few calls are left of the scope's pace

	// throttledFor is how long after a fault a scope's pace may be slow. A sparing refresh would wait for the pace
	// then, and no clock of a play moves while a call waits.
	throttledFor = 10 * time.Minute
)

// watch is when a scope that is refreshed often is refreshed next, and until when. Both are by the daemons' clock.
type watch struct{ until, due time.Time } // by the daemons' clock

// attacked notes that a daemon has recorded a deletion, an attempt, tampering, or a loss.
func (d *daemon) attacked() {
	now := d.p.daemonNow()
	for _, s := range d.scopes() {
		w := d.watches[s]
		if w.until.Before(now) {
			w.due = now.Add(watchEvery)
		}
		w.until = now.Add(watchFor)
		d.watches[s] = w
	}
}

// watched is when the next refresh of a scope after an attack is due; zero: none is.
func (d *daemon) watched(s inventory.Scope) time.Time {
	w := d.watches[s]
	if w.until.Before(d.p.daemonNow()) || w.due.After(w.until) {
		return time.Time{}
	}
	return w.due
}

// scheduleWatch sets when a scope is refreshed next, if it is refreshed often.
func (d *daemon) scheduleWatch(s inventory.Scope, next time.Duration) {
	if w, ok := d.watches[s]; ok {
		w.due = d.p.daemonNow().Add(next)
		d.watches[s] = w
	}
}

// watch refreshes the scopes whose refresh after an attack is due.
func (d *daemon) watch() {
	for _, s := range d.scopes() {
		at := d.watched(s)
		if at.IsZero() || at.After(d.p.daemonNow()) || d.dead {
			continue
		}
		if !d.remediator.AllowSparing(s) {
			d.scheduleWatch(s, watchAgain)
			continue
		}
		d.p.happened["refreshes after an attack"]++
		if d.p.stormy || len(d.p.troubles) > 0 || d.wrongKeys || d.p.now.Sub(d.p.disturbed) < throttledFor {
			d.refresh(s)
		} else {
			d.refreshBy(s, d.remediator.RefreshSparingly)
		}
	}
}

// watch lets time pass until a daemon's next refresh after an attack is due, and lets the daemon make it.
func (p *play) watch() {
	d := p.anyDaemon()
	var next time.Time
	for _, s := range p.scopes() {
		if at := d.watched(s); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if wait := next.Sub(p.daemonNow()); !next.IsZero() && wait <= watchEvery {
		p.pass(max(0, wait))
		d.watch()
	}
}

// warnings are what an attacker does before he cuts the events. Each leaves a record, after which the daemons
// refresh often.
var warnings = []struct {
	name string
	do   func(p *play)
}{
	{"an attempt", func(p *play) { p.attempt(p.someIDs(1), true) }},
	{"tampering", func(p *play) { p.tamper(0) }},
	{"a deletion", func(p *play) {
		if p.deleteSome(p.attacker, 1); len(p.records) > 0 {
			p.sendNth(len(p.records) - 1)
		}
	}},
}

const (
	cutBound = watchEvery + driftBound + 2*cutStep // from a deletion without an event to its alert
	cutStep  = 5 * time.Second                     // from one turn of the daemons to the next
	cutAge   = 15 * time.Minute                    // a flow log older than that is in the snapshot of every daemon
)

// cutEvents lets an attacker do something that leaves a record, then cut the events, then delete. A daemon that
// received the record must find the deletion by a refresh, and alert of it within cutBound.
func (p *play) cutEvents() {
	w := warnings[p.random.IntN(len(warnings))]
	p.say("  %s, and then no event", w.name)
	w.do(p)
	for _, d := range p.daemons {
		d.alive()
		d.edgesLeft = -1
		for n := 0; d.receive() > 0; n++ {
			p.bounded(n, "receives")
		}
	}
	p.pass(time.Duration(p.random.Int64N(int64(30 * time.Minute))))
	ids := p.someIDs(2)
	if len(ids) == 0 {
		return
	}
	began, hung := p.now, p.hung
	expected := map[*daemon][]string{}
	for _, d := range p.daemons {
		s := inventory.Scope{Account: account, Region: regionOf(p.known[ids[0]].resource)}
		if d.watched(s).IsZero() || d.wrongKeys { // with the credentials of another account AWS refuses its refreshes
			continue
		}
		for _, id := range ids {
			if d.protects(id) && p.mustNotice(id) {
				expected[d] = append(expected[d], id)
			}
		}
	}
	before, unfiled := len(p.records), len(p.unfiled)
	_, err := p.attacker.DeleteFlowLogs(context.Background(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids}, in(regionOf(p.known[ids[0]].resource)))
	p.must(err)
	p.say("  delete %v, and nobody hears", ids)
	p.records, p.unfiled = p.records[:before], p.unfiled[:unfiled]
	p.noteReleased(ids)
	for _, id := range ids {
		p.noteUnrecorded(id)
	}
	for p.now.Sub(began) < cutBound {
		p.pass(cutStep)
		for _, d := range p.daemons {
			d.alive()
			d.watch()
			for _, s := range p.scopes() {
				d.step(s)
			}
		}
	}
	if p.hung != hung || p.now.Sub(p.disturbed) < calmFor {
		return
	}
	for d, ids := range expected {
		for _, id := range ids {
			p.checkNoticed(d, id, began)
		}
	}
}

// mustNotice reports whether the loss of a flow log must be alerted: it is old and protected, nobody has released
// it, and no fault is under way.
func (p *play) mustNotice(id string) bool {
	_, released := p.releases[id]
	if released || p.decoys[id] || p.inOthersPlace[id] || p.toAttacker[id] || p.blamedOnJanitor[id] || p.skewed || p.stormy || len(p.troubles) > 0 {
		return false
	}
	for _, f := range p.here() {
		if f.ID == id {
			return p.now.Sub(f.CreatedAt) > cutAge
		}
	}
	return false
}

// checkNoticed checks that a daemon has alerted of a flow log that was deleted without an event a while ago.
func (p *play) checkNoticed(d *daemon, id string, since time.Time) {
	if p.disputed(d, id) { // the refresh showed a flow log of another daemon in its place, so this daemon does not restore it
		return
	}
	if i := d.lastWritten[id]; i.Adopted && p.madeByOthers[i.NewID] { // somebody put it back before an alert was due: see checkDriftAlerted
		return
	}
	for _, i := range d.lastWritten {
		if len(p.daemons) > 1 && i.NewID == id && i.RestoredAt.After(since) {
			return // AWS answered this daemon's create with id, which another daemon had made with the same token. As id is new to this daemon, it does not believe yet that id is gone
		}
	}
	p.happened["losses noticed by a refresh after an attack"]++
	alerted := false
	alerts := func(by *daemon) {
		by.commits.alertsNaming(id, func(a alert.Alert) bool {
			byHand := a.Kind == alert.Restored && ofRequest(a.EventID) // somebody restored it by hand before that
			alerted = alerted || (a.Kind == alert.Deletion || byHand) && !a.Time.Before(since)
			return !alerted
		})
	}
	alerts(d)
	if d.lastWritten[id].Adopted { // another daemon restored it before this one, and so alerted
		for _, other := range p.daemons {
			alerts(other)
			alerted = alerted || p.alertedBefore(other, id, since)
		}
	}
	if !alerted {
		p.fail("%s after %s was deleted without an event, but after a warning, there is no alert", p.now.Sub(since), id)
	}
}

// alertedBefore reports whether a daemon alerted of a loss before it happened, and since then that the flow log is
// back. Either a forged record had named it, or an earlier flow log of the same target was lost and not restored
// yet.
func (p *play) alertedBefore(d *daemon, id string, since time.Time) bool {
	for lost, i := range d.lastWritten {
		forged := lost == id && len(p.forgedDeleters[id]) > 0 && i.Source == incident.ByEvent
		earlier := lost != id && p.known[lost] == p.known[id]
		if (forged || earlier) && i.OpenedAt.Before(since) && d.alertedBack(lost, i.EventID, since) {
			return true
		}
	}
	return false
}

// alertedBack reports whether a daemon has alerted of the loss of a flow log by an event, and since a time that it is back.
func (d *daemon) alertedBack(id, eventID string, since time.Time) bool {
	deletion, restored := false, false
	d.commits.alertsNaming(id, func(a alert.Alert) bool {
		deletion = deletion || a.Kind == alert.Deletion && a.EventID == eventID
		restored = restored || a.Kind == alert.Restored && a.EventID == eventID && !a.Time.Before(since)
		return true
	})
	return deletion && restored
}

// protects reports whether a flow log has been live and protected in a daemon's snapshot for so long that a refresh
// believes its absence, while no incident of it exists.
func (d *daemon) protects(id string) bool {
	row, ok, err := d.store.FindFlowLog(context.Background(), id)
	d.p.must(err)
	_, named := d.lastWritten[id]
	return ok && !named && row.State == inventory.Live && row.Protected && d.p.daemonNow().Sub(row.WrittenAt) > d.p.policy.ConsistencyWindow
}
