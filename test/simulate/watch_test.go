package simulate

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// After an attack a daemon refreshes the scopes of the account often: the one who attacks may cut
// the way of events next. When such a refresh is due is internal/daemon's to say, which has
// goroutines and timers; here is its rule in short, with the real refreshes.

const (
	watchEvery = 30 * time.Second // inventory.alert_refresh
	watchFor   = time.Hour        // after the last event
	watchAgain = time.Second      // after a refresh that had to wait for others

	// throttledFor is how long after a fault a scope's pace may be slow: a sparing refresh would sleep,
	// and no clock of a play moves meanwhile.
	throttledFor = 10 * time.Minute
)

// watch is a scope that is refreshed often.
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

// watched is when the next such refresh of a scope is due; zero: there is none.
func (d *daemon) watched(s inventory.Scope) time.Time {
	w := d.watches[s]
	if w.until.Before(d.p.daemonNow()) || w.due.After(w.until) {
		return time.Time{}
	}
	return w.due
}

// scheduleWatch notes when a scope is to be refreshed next, if it is watched.
func (d *daemon) scheduleWatch(s inventory.Scope, next time.Duration) {
	if w, ok := d.watches[s]; ok {
		w.due = d.p.daemonNow().Add(next)
		d.watches[s] = w
	}
}

// watch refreshes the scopes for which that is due because of an attack.
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

// watch lets time pass until a daemon's next refresh after an attack, and has it begin.
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

// warnings are what an attacker does before he cuts the way of events: each leaves a record.
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
	cutBound = watchEvery + driftBound + 2*cutStep // an alert, after a deletion without an event
	cutStep  = 5 * time.Second                     // between what the daemons do meanwhile
	cutAge   = 15 * time.Minute                    // of flow logs: every daemon has long had them
)

// cutEvents is a warning, after which no event arrives any more, and then a deletion: a daemon that got the
// warning finds it by a refresh within seconds.
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
		if d.watched(s).IsZero() || d.wrongKeys { // with the credentials of another account it is refused
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

// mustNotice reports whether the loss of a flow log is to be alerted: it is old, wanted, and no
// person has released it.
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

// checkNoticed is what must hold a while after a deletion without an event.
func (p *play) checkNoticed(d *daemon, id string, since time.Time) {
	if p.disputed(d, id) { // by what the same refresh showed: it is not this daemon's to restore
		return
	}
	if i := d.lastWritten[id]; i.Adopted && p.madeByOthers[i.NewID] { // somebody has put it back at once: see checkDriftAlerted
		return
	}
	for _, i := range d.lastWritten {
		if len(p.daemons) > 1 && i.NewID == id && i.RestoredAt.After(since) {
			return // AWS has answered its create with what another daemon had made by the same token: that need not show yet
		}
	}
	p.happened["losses noticed by a refresh after an attack"]++
	alerted := false
	alerts := func(by *daemon) {
		by.commits.alertsNaming(id, func(a alert.Alert) bool {
			byHand := a.Kind == alert.Restored && ofRequest(a.EventID) // who restored it by hand was faster
			alerted = alerted || (a.Kind == alert.Deletion || byHand) && !a.Time.Before(since)
			return !alerted
		})
	}
	alerts(d)
	if d.lastWritten[id].Adopted { // another daemon was faster
		for _, other := range p.daemons {
			alerts(other)
			alerted = alerted || p.alertedBefore(other, id, since)
		}
	}
	if !alerted {
		p.fail("%s after %s was deleted without an event, which an attack announced, there is no alert", p.now.Sub(since), id)
	}
}

// alertedBefore reports whether a daemon alerted of a loss before it happened, and alerts now that the flow log is
// back: a forged record had named it, or the daemon had not restored yet what the lost flow log replaced.
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

// protects reports whether a daemon's snapshot has a flow log as one to be restored, for so long that a
// refresh believes its absence, and nothing has been said of it.
func (d *daemon) protects(id string) bool {
	row, ok, err := d.store.FindFlowLog(context.Background(), id)
	d.p.must(err)
	_, named := d.lastWritten[id]
	return ok && !named && row.State == inventory.Live && row.Protected && d.p.daemonNow().Sub(row.WrittenAt) > d.p.policy.ConsistencyWindow
}
