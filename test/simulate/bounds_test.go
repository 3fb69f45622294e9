package simulate

import (
	"context"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/watcher"
)

// The bounds within which people are alerted. Each is checked at the moment from which
// it must hold, by what is on disk then.

// checkBeforeAcknowledge is what must hold when a daemon has dealt with a message and is about
// to acknowledge it.
func (p *play) checkBeforeAcknowledge(d *daemon, m watcher.Message) {
	for _, f := range detection.Findings(m.Records) {
		p.checkAlertedAtCommit(d, f)
	}
}

// checkAfterStep is what must hold when a daemon has done what was due in a scope at a
// time: calls may have hung since. What is known by a clock that has leapt, nobody
// can hold to a bound.
func (p *play) checkAfterStep(d *daemon, s inventory.Scope, at time.Time) {
	if p.skewed {
		return
	}
	for _, i := range d.unsettled() {
		if i.Scope == s {
			p.checkDriftAlerted(d, i, at)
			p.checkOverdueAlerted(d, i, at)
			p.checkTokenTaken(d, i, at)
		}
	}
	p.checkTokensAlerted(d, s, at)
}

const driftBound = 30 * time.Second // an alert, after the refresh that found a loss

// checkDriftAlerted: people are alerted of what a refresh found gone, whatever AWS says to a
// restore, unless it turned out not to be lost, or a person knew it before: who restores it by hand.
func (p *play) checkDriftAlerted(d *daemon, i incident.Incident, at time.Time) {
	if ofRequest(i.EventID) || i.Source != incident.ByDrift || !i.Known || i.Adopted || at.Sub(i.OpenedAt) < driftBound {
		return
	}
	alerted, since := false, i.OpenedAt
	if i.Requested { // who restores by hand may have opened it again
		since = i.DetectedAt
	}
	d.commits.alertsNaming(i.FlowLogID, func(a alert.Alert) bool {
		alerted = a.Kind == alert.Deletion && !a.Time.Before(since)
		return !alerted
	})
	if !alerted {
		p.fail("%s after a refresh found %s gone, there is no alert: %s, %s", at.Sub(i.OpenedAt), i.FlowLogID, i.State, i.Reason)
	}
}

const (
	overdueBound = 5 * time.Minute // after it was detected, or its wait was over, an incident that is not back is alerted
	overdueLate  = time.Minute     // that alert may be late
	remindBound  = 24 * time.Hour  // then again
	remindLate   = 20 * time.Minute
)

// checkOverdueAlerted: people are alerted, critically, of what is not back after five
// minutes, and then daily, however AWS answers. The time that it waits, by a rule or
// for the record of a drift, does not count. What is late counts from the first step
// that could have alerted.
func (p *play) checkOverdueAlerted(d *daemon, i incident.Incident, at time.Time) {
	_, released := p.releases[i.FlowLogID]
	if i.State == incident.Restored || !i.Known || i.Action == incident.Ignore || released || p.decoys[i.FlowLogID] || p.inOthersPlace[i.FlowLogID] || p.toAttacker[i.FlowLogID] || p.blamedOnJanitor[i.FlowLogID] {
		return // it is back, or may stay away
	}
	if p.disputed(d, i.FlowLogID) {
		d.mightStay[i.FlowLogID] = at
		return
	}
	since := i.OpenedAt
	from := since
	if !i.MissingSince.IsZero() {
		since = i.MissingSince // its lineage is, from the end of a rule's wait on, before which people may have been alerted
		from = since.Add(-p.policy.Rules[0].Wait)
		if at := i.StuckAlertedAt; !at.IsZero() && at.Before(from) {
			from = at // of a drift, to which a record brought the rule
		}
	}
	for _, at := range []time.Time{i.WaitUntil, d.mightStay[i.FlowLogID], d.knownSince[i.FlowLogID]} { // a record may name it before it is known
		since = incident.Later(since, at)
	}
	var last time.Time
	d.commits.alertsNaming(i.RootID, func(a alert.Alert) bool {
		if a.Kind != alert.Deletion && a.Level == alert.Critical && !a.Time.Before(from) {
			last = a.Time.Time
		}
		return last.IsZero() && !a.Time.Before(from)
	})
	due, late, what := since.Add(overdueBound), overdueLate, "critically"
	if !last.IsZero() {
		due, late, what = last.Add(remindBound), remindLate, "again after a day"
	}
	if at.Before(due) {
		return
	}
	key := i.FlowLogID + due.String()
	first, seen := d.couldAlert[key]
	if !seen {
		d.couldAlert[key] = at
	} else if at.Sub(first) >= late {
		p.fail("%s after %s was lost it is not back, and no alert says so %s: %s, %s, %d tries: %s", at.Sub(since), i.FlowLogID, what, i.State, i.Reason, i.Attempts, i.LastError)
	}
}

// disputed reports whether of several daemons this one takes a flow log for a decoy of another one that was
// wanted in its place: that replaced it, as this one knows, and another daemon, which got no record of that, has
// put the first one back. AWS allows one of the two, and this one does not restore the first.
func (p *play) disputed(d *daemon, id string) bool {
	if len(p.daemons) < 2 || !p.shared(p.known[id]) {
		return false
	}
	row, ok, err := d.store.FindFlowLog(context.Background(), id)
	p.must(err)
	return ok && !row.Protected
}

// checkTaken is what must hold when the pager takes an alert.
func (p *play) checkTaken(d *daemon, a alert.Alert) {
	if !p.skewed {
		p.checkUrgentFirst(d, a)
	}
}

const longWait = 5 * time.Minute // what has waited longer is taken now and then

// checkUrgentFirst: nothing that anybody can send without end is taken while an urgent
// alert of a deletion of what Flowkeeper knows waits for its first try.
func (p *play) checkUrgentFirst(d *daemon, a alert.Alert) {
	if !endless(a) || p.now.Sub(a.Time.Time) >= longWait || d.leads(a) {
		return
	}
	for _, waits := range d.commits.alerts {
		if waits.Kind == alert.Deletion && !endless(waits) && !d.tried[waits.ID] && waits.Level.AtLeast(alert.High) && !d.follows(waits) {
			p.fail("the pager takes the %s alert %s (%s) while the deletion alert of %s (%s) waits", a.Kind, a.EventID, a.Level, waits.EventID, waits.Level)
		}
	}
}

const ringBound = 5 * time.Minute // a pager rings at the least for what nobody could have seen otherwise

// checkRinging is what must hold of a pager that took an alert: it is resolved by the end
// of all that opened it, and not before people could notice it ring for a deletion
// that was received late, or of a flow log that nobody knew.
func (p *play) checkRinging(d *daemon, a alert.Alert) {
	late := a.DeletedAt != nil && a.Time.Sub(a.DeletedAt.Time) > time.Minute
	unknown := slices.ContainsFunc(a.FlowLogs, func(f alert.FlowLog) bool { return f.ResourceID == "" })
	for _, key := range []string{a.DedupKey, a.CampaignID} {
		switch {
		case key == "" || p.skewed:
		case a.Kind == alert.Deletion && (late || unknown):
			d.ringingSince[key] = p.now
		case key == a.DedupKey && a.Kind == alert.Closed, key == a.CampaignID && a.EndsCampaign():
			if rang, ok := d.ringingSince[key]; ok && p.now.Sub(rang) < ringBound-time.Millisecond { // as exact as the outbox
				p.fail("the pager that %s opened rings for %s", a.EventID, p.now.Sub(rang))
			}
		}
	}
}

// endless is what anybody may cause without end: attempts, tampering, deletions of
// what nobody knows, and the ends of these.
func endless(a alert.Alert) bool {
	known := func(f alert.FlowLog) bool { return f.ResourceID != "" }
	switch a.Kind {
	case alert.Attempt, alert.Tamper:
		return true
	case alert.Deletion, alert.Restored, alert.Closed:
		return !slices.ContainsFunc(a.FlowLogs, known)
	}
	return false
}

// checkCommittedAlerts is what must hold of alerts that were just written.
func (p *play) checkCommittedAlerts(d *daemon, added []alert.Alert) {
	for _, a := range added {
		p.checkSummedUp(d, a)
		p.checkNotAccused(d, a)
	}
}

// checkClosed is what must hold of incidents that were just written, where these end
// without a restore.
func (p *play) checkClosed(d *daemon, written []incident.Incident) {
	for _, i := range written {
		key := i.FlowLogID + i.OpenedAt.String()
		if i.State != incident.Closed || d.ended[key] {
			continue
		}
		d.ended[key] = true
		if i.Reason == incident.ResourceGone {
			p.checkGoneTwice(d, i)
		}
	}
}

// checkFrozen: what is to come back has all that it had (I2), its tags too, however young it was. Of
// several daemons one may receive the record of the loss of what another has made and not tagged yet; the
// other one sets the tags in the end.
func (p *play) checkFrozen(written []incident.Incident) {
	if len(p.daemons) > 1 {
		return
	}
	for _, i := range written {
		if i.Call != nil && i.LastError != "" {
			p.happened["creates in doubt"]++
		}
		want, wanted := p.wanted[p.known[i.FlowLogID]]
		if !wanted || p.decoys[i.FlowLogID] || !i.Known || !i.Pending() {
			continue
		}
		if m, ok := p.makers[i.FlowLogID]; ok { // another one may have been made in the same place since
			want.Tags = m.tags
		}
		for k, v := range want.Tags {
			if i.Frozen.Tags[k] != v {
				p.fail("I2: %s is to come back with the tags %v, not %v", i.FlowLogID, i.Frozen.Tags, want.Tags)
			}
		}
	}
}

// checkGoneTwice: that a resource is gone is believed when two creates in a row say so.
func (p *play) checkGoneTwice(d *daemon, i incident.Incident) {
	said := d.answers[p.policy.TokenKey.Token(i)]
	for _, code := range said[max(0, len(said)-2):] {
		if !strings.Contains(code, "NotFound") {
			p.fail("the resource of %s counts as gone after the answers %q", i.FlowLogID, said)
		}
	}
}

const (
	burstWindow  = 5 * time.Minute // what one principal repeats within it is summed up
	mostPerBurst = 12              // alerts of a kind and principal within a spell
	mostRefused  = 50              // flow logs that an alert lists of a refused call
)

// checkSummedUp: what one principal repeats makes few alerts, and none of them grows
// with what a call names.
func (p *play) checkSummedUp(d *daemon, a alert.Alert) {
	if !endless(a) || a.Actor == nil || p.skewed {
		return
	}
	if n := len(a.FailedFlowLogs); n > mostRefused {
		p.fail("the %s alert %s lists %d flow logs that AWS refused", a.Kind, a.EventID, n)
	}
	n := 0
	for _, b := range slices.Backward(d.commits.alerts) {

		if a.Time.Sub(b.Time.Time) >= burstWindow {
			break
		}
		if b.Kind == a.Kind && endless(b) && b.Actor != nil && b.Actor.ARN == a.Actor.ARN {
			n++
		}
	}
	if n > mostPerBurst {
		p.fail("%d %s alerts about %s within %s", n, a.Kind, a.Actor.ARN, burstWindow)
	}
}

// checkAlertedAtCommit: of each flow log that was truly deleted, and that the daemon
// knew, an alert is on disk before the message is gone.
func (p *play) checkAlertedAtCommit(d *daemon, f detection.Finding) {
	for _, id := range p.deleted[f.Record.EventID] {
		alerted := !slices.Contains(f.Deleted, id) || !d.received[f.Record.EventID+id]
		d.commits.alertsNaming(id, func(a alert.Alert) bool {
			alerted = alerted || a.Kind == alert.Deletion && a.EventID == f.Record.EventID
			return !alerted
		})
		if !alerted {
			p.fail("I1: %s deleted %s, the message is dealt with, and no alert is on disk", f.Record.EventID, id)
		}
	}
}
