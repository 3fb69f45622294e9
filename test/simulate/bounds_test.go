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

// The bounds within which people are alerted. Each is checked against what is on disk at the moment from which it must
// hold.

// checkBeforeAcknowledge checks what must hold when a daemon has handled a message and is about to acknowledge it.
func (p *play) checkBeforeAcknowledge(d *daemon, m watcher.Message) {
	for _, f := range detection.Findings(m.Records) {
		p.checkAlertedAtCommit(d, f)
	}
}

// checkAfterStep checks what must hold after a step of a daemon in a scope. The step began at a time; calls may
// have hung since. If the clock has been wrong, no bound can be checked.
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

const driftBound = 30 * time.Second // from the refresh that finds a loss to its alert

// checkDriftAlerted checks that people are alerted of a loss that a refresh found, whatever AWS answers to the
// restore. No alert is due if the flow log turned out not to be lost, or if a person knew of the loss, because he
// restores it by hand. None is due either if somebody else has put the flow log back; a restore that the daemon made before
// it died is its own.
func (p *play) checkDriftAlerted(d *daemon, i incident.Incident, at time.Time) {
	byOthers := i.Adopted && p.maker[i.NewID] != (maker{d, i.FlowLogID})
	if ofRequest(i.EventID) || i.Source != incident.ByDrift || !i.Known || byOthers || at.Sub(i.OpenedAt) < driftBound {
		return
	}
	alerted, since := false, i.OpenedAt
	if i.Requested { // a restore by hand may have opened it again
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
	overdueBound = 5 * time.Minute // from the detection, or the end of a wait, to the alert that a flow log is not back
	overdueLate  = time.Minute     // by how much that alert may be late
	remindBound  = 24 * time.Hour  // from that alert to the next one
	remindLate   = 20 * time.Minute
)

// checkOverdueAlerted checks that a critical alert says that a flow log is not back after five minutes, and another
// one each day after that, however AWS answers. The time for which it waits, because of a rule or for the record of
// a drift, does not count. Lateness counts from the first step that could have added the alert.
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
		since = i.MissingSince // when its lineage went missing, or when a rule's wait for it ended; people may have been alerted before that
		from = since.Add(-p.policy.Rules[0].Wait)
		if at := i.StuckAlertedAt; !at.IsZero() && at.Before(from) {
			from = at // a drift was alerted before a record brought the rule
		}
	}
	for _, at := range []time.Time{i.WaitUntil, d.mightStay[i.FlowLogID], d.knownSince[i.FlowLogID]} { // a record may name a flow log before the snapshot has it
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
		p.fail("%s after the loss of %s it is not back, and no alert says so %s: %s, %s, %d tries: %s", at.Sub(since), i.FlowLogID, what, i.State, i.Reason, i.Attempts, i.LastError)
	}
}

// disputed reports whether this one of several daemons takes a flow log for a decoy, so that it does not restore
// it. The daemon knows that another flow log replaced this one in its place; another daemon, which got no record of
// the replacement, put this one back. AWS allows one of the two.
func (p *play) disputed(d *daemon, id string) bool {
	if len(p.daemons) < 2 || !p.shared(p.known[id]) {
		return false
	}
	row, ok, err := d.store.FindFlowLog(context.Background(), id)
	p.must(err)
	return ok && !row.Protected
}

// checkTaken checks what must hold when the pager takes an alert.
func (p *play) checkTaken(d *daemon, a alert.Alert) {
	if !p.skewed {
		p.checkUrgentFirst(d, a)
	}
}

const longWait = 5 * time.Minute // an alert that has waited longer is sent now and then, before urgent ones

// checkUrgentFirst checks that the pager gets no alert that anybody can cause without end while an urgent alert
// about the deletion of a known flow log waits for its first try (I7).
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

const ringBound = 5 * time.Minute // how long a pager incident stays open at least, if people may not have noticed otherwise

// checkRinging checks that a pager incident is not closed too early: if it is about a deletion whose record came
// late, or about an unknown flow log, people must have time to notice it ring.
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
				p.fail("the pager incident of %s is closed after %s, want it to stay open for longer", a.EventID, p.now.Sub(rang))
			}
		}
	}
}

// endless reports whether anybody can cause an alert of this sort without end: attempts, tampering, deletions of
// unknown flow logs, and the alerts that end these.
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

// checkCommittedAlerts checks alerts that were just written.
func (p *play) checkCommittedAlerts(d *daemon, added []alert.Alert) {
	for _, a := range added {
		p.checkSummedUp(d, a)
		p.checkNotAccused(d, a)
	}
}

// checkClosed checks incidents that were just written and are closed: without a restore.
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

// checkFrozen checks that an incident has frozen all tags of its flow log, however young that was (I2). It checks
// plays of one daemon: of several, one may receive the record of a loss before the other, which made the flow log,
// has set its tags; the other sets them in the end.
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
		if m, ok := p.makers[i.FlowLogID]; ok { // another flow log may have been made at the same target since
			want.Tags = m.tags
		}
		for k, v := range want.Tags {
			if i.Frozen.Tags[k] != v {
				p.fail("I2: %s is to come back with the tags %v, want %v", i.FlowLogID, i.Frozen.Tags, want.Tags)
			}
		}
	}
}

// checkGoneTwice checks that an incident is closed because its resource is gone only after two creates in a row
// were answered so.
func (p *play) checkGoneTwice(d *daemon, i incident.Incident) {
	said := d.answers[p.policy.TokenKey.Token(i)]
	for _, code := range said[max(0, len(said)-2):] {
		if !strings.Contains(code, "NotFound") {
			p.fail("the resource of %s counts as gone after the answers %q", i.FlowLogID, said)
		}
	}
}

const (
	burstWindow  = 5 * time.Minute // repeated calls of one principal within this time are summed up
	mostPerBurst = 12              // alerts of one kind about one principal within burstWindow
	mostRefused  = 50              // flow logs of a refused call that an alert lists
)

// checkSummedUp checks that repeated calls of one principal cause few alerts, and that no alert grows with the
// number of flow logs that a call names (I12).
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

// checkAlertedAtCommit checks that the alert of each true deletion of a known flow log is on disk before the
// message is acknowledged (I1).
func (p *play) checkAlertedAtCommit(d *daemon, f detection.Finding) {
	for _, id := range p.deleted[f.Record.EventID] {
		alerted := !slices.Contains(f.Deleted, id) || !d.received[f.Record.EventID+id]
		d.commits.alertsNaming(id, func(a alert.Alert) bool {
			alerted = alerted || a.Kind == alert.Deletion && a.EventID == f.Record.EventID
			return !alerted
		})
		if !alerted {
			p.fail("I1: %s deleted %s, the message is handled, and no alert is on disk", f.Record.EventID, id)
		}
	}
}
