package simulate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// noteListed notes which flow logs a complete refresh must have shown to a daemon: those that are not so young that
// AWS may still hide them.
func (p *play) noteListed(d *daemon, s inventory.Scope, started time.Time) {
	for _, f := range p.world.FlowLogs(s.Account, s.Region) {
		if f.CreatedAt.After(started.Add(-stalest)) {
			continue
		}
		p.seen[f.ID] = true
		if t := targetOf(f); !p.decoys[f.ID] {
			if p.shown[t] == nil {
				p.shown[t] = map[*daemon]bool{}
			}
			p.shown[t][d] = true
		}
	}
}

// checkRefreshed checks what must hold of every refresh, whatever faults it meets (I5): it makes no gone row live
// again, and takes no flow log for gone that every DescribeFlowLogs shows.
func (p *play) checkRefreshed(s inventory.Scope, before, after map[string]row) {
	here := map[string]bool{}
	for _, f := range p.world.FlowLogs(s.Account, s.Region) {
		here[f.ID] = p.now.Sub(f.CreatedAt) > 2*stalest
	}
	for id, row := range before {
		switch was, is := row.state, after[id].state; {
		case was == inventory.Gone && is != inventory.Gone:
			p.fail("I5: a refresh revived %s", id)
		case was == inventory.Live && is != inventory.Live && here[id]:
			p.fail("I5: a refresh took %s for gone, but it is alive", id)
		}
	}
}

// noteAlert notes an alert that reached people.
func (p *play) noteAlert(d *daemon, a alert.Alert) {
	p.kinds[a.Kind]++
	d.noteNamed(a)
	p.log.Info("TOLD", "kind", a.Kind, "event", a.EventID, "flow_logs", len(a.FlowLogs))
	if a.EndsCampaign() {
		delete(p.opened, a.CampaignID)
	}
	switch {
	case a.Kind == alert.Closed:
		delete(p.opened, a.DedupKey)
	case a.Kind == alert.Tamper: // no daemon can see when the tampering ends, so no closed alert follows
		p.tampers[a.EventID] = true
	case a.Kind != alert.Restored && a.Kind != alert.Attempt && a.EventID != "" && len(a.FlowLogs) > 0:
		p.opened[a.DedupKey] = fmt.Sprintf("the %s alert of %s", a.Kind, a.EventID)
		if a.CampaignID != "" {
			p.opened[a.CampaignID] = fmt.Sprintf("the %s alert of %s, of a campaign,", a.Kind, a.EventID)
		}
	}
	if a.Repeats != nil {
		p.noteRepeats(d, a)
	}
	for _, f := range a.FlowLogs {
		p.named[f.FlowLogID] = true
		if a.Kind == alert.Blocked || a.Kind == alert.Decoy {
			p.stuckAlerted[f.FlowLogID] = true
		}
		if a.Kind == alert.Deletion {
			if p.namedByEvent[a.EventID] == nil {
				p.namedByEvent[a.EventID] = map[string]bool{}
			}
			p.namedByEvent[a.EventID][f.FlowLogID] = true
		}
	}
}

// same compares a flow log with what should be there: every setting and tag, except for the tag that Flowkeeper
// adds. sofar: tags may still be missing.
func same(want, have fakeaws.FlowLog, sofar bool) bool {
	tags := maps.Clone(have.Tags)
	delete(tags, incident.RestoredFrom)
	if sofar {
		for k, v := range want.Tags {
			if _, there := tags[k]; !there {
				tags[k] = v
			}
		}
	}
	return want.TrafficType == have.TrafficType && want.LogDestinationType == have.LogDestinationType && want.LogDestination == have.LogDestination &&
		want.LogGroupName == have.LogGroupName && want.DeliverLogsPermissionARN == have.DeliverLogsPermissionARN && want.LogFormat == have.LogFormat &&
		want.MaxAggregationInterval == have.MaxAggregationInterval && want.FileFormat == have.FileFormat && maps.Equal(want.Tags, tags)
}

// madeAsKnown reports whether one of several daemons restored a flow log as it knew the lost one, but knew too few
// tags: it saw the lost one, which another daemon had made, before that one set the tags.
func (p *play) madeAsKnown(f fakeaws.FlowLog) bool {
	return len(p.daemons) > 1 && p.halfTagged[targetOf(f)] && slices.ContainsFunc(p.daemons, func(d *daemon) bool {
		for _, i := range d.lastWritten {
			if i.NewID == f.ID && !i.Adopted && len(i.MissingTags) == 0 {
				lacks := maps.Clone(i.Frozen.Tags)
				maps.DeleteFunc(lacks, func(k, v string) bool { return f.Tags[k] == v || k == incident.RestoredFrom })
				return len(lacks) == 0
			}
		}
		return false
	})
}

// check checks what must hold at every moment.
func (p *play) check() {
	count := map[target]int{}
	for _, f := range p.here() {
		t := targetOf(f)
		if _, old := p.known[f.ID]; !old {
			p.known[f.ID], p.daemonMadeAt[f.ID] = t, f.CreatedAt
			if want, ok := p.wanted[t]; (!ok || !same(want, f, true)) && !p.mayProtect(f) && !p.mayBeByHand(f) {
				p.fail("I2: a daemon made a flow log that nobody had: %+v", f)
			}
		}
		if !p.decoys[f.ID] {
			count[t]++
		}
		if want, ok := p.wanted[t]; ok && same(want, f, true) && !same(want, f, false) {
			p.halfTagged[t] = true
		}
	}
	p.notePairs()
	for _, d := range p.daemons {
		d.noteUnprotected()
	}
	for t, n := range count {
		if n > 1 {
			p.fail("I4: %d flow logs at %v, want at most 1", n, t)
		}
	}
}

// checkAtEnd checks what must hold at the end, when all daemons have done all that they can.
func (p *play) checkAtEnd() {
	count, seen := map[target]int{}, map[target]bool{}
	alive := map[string]bool{}
	for _, f := range p.here() {
		count[targetOf(f)]++
		alive[f.ID] = true
		if want, ok := p.wanted[targetOf(f)]; ok && !p.decoys[f.ID] && !same(want, f, false) && !(same(want, f, true) && p.madeAsKnown(f)) {
			p.fail("I2: a flow log came back with other settings or tags: %+v", f)
		}
	}
	p.checkTombstones(alive)
	p.checkUnprotected()
	for id := range p.seen {
		seen[p.known[id]] = true
	}
	excused := maps.Clone(p.released)
	for id := range p.blamedOnJanitor {
		if p.unrecorded[id] || len(p.daemons) > 1 { // the rule ignores the forged deleter, and maybe this daemon received no true record
			excused[p.known[id]] = true
		}
	}
	for id := range p.releases {
		if p.closedAsReleased(id) {
			excused[p.known[id]] = true
		}
	}
	absent := slices.DeleteFunc(p.absent(count), func(t target) bool { return !seen[t] || excused[t] })
	mayStayAway := maps.Clone(excused)
	maps.Copy(excused, p.excused(absent))
	for _, t := range absent {
		excused[t] = excused[t] || p.mayBeDecoy(t, count, mayStayAway)
	}
	for t := range p.wanted {
		if n := count[t]; !p.tornDown[t.resource] && (n > 1 || n == 0 && seen[t] && !excused[t]) {
			p.fail("%d flow logs at %v at the end, want 1", n, t)
		}
	}
	for _, r := range p.sent {
		if r.tamper && !p.tampers[r.event] {
			p.fail("there is no alert that %s stopped the trail", r.event)
		}
		for _, id := range r.deleted {
			known := p.seen[id] && len(p.daemons) == 1 && !p.skewed // of several daemons, one that never saw it may get the record; by a wrong clock it may count as long gone
			if !p.namedByEvent[r.event][id] && !p.overlooked[r.event+id] && (known || !p.summed[r.event] && !p.takesUnlisted(r.event, id)) {
				p.fail("there is no alert that %s deleted %s", r.event, id)
			}
		}
	}
	for id := range p.seen {
		if !alive[id] && !p.named[id] && !p.decoys[id] && !p.inOthersPlace[id] && !p.tookForStale(id) {
			p.fail("there is no alert that %s is gone", id)
		}
	}
}

// checkTombstones checks the snapshots after a refresh: no flow log that a refresh has shown and that is gone is
// live there (I5).
func (p *play) checkTombstones(alive map[string]bool) {
	for _, d := range p.daemons {
		p.checkTelemetryProtected(d, alive)
		for _, s := range p.scopes() {
			for id, row := range d.rows(s) {
				if row.state == inventory.Live && !alive[id] {
					p.fail("I5: %s is gone, but live in the snapshot", id)
				}
			}
		}
	}
}

// closedAsReleased reports whether a daemon was right to close the incident of a flow log as released: a refresh
// found the loss, or a forged record dated it into the release. It received no true record within a day, or another
// daemon did, which takes the flow log for a decoy. Then the flow log stays gone (docs/failure-modes.md).
func (p *play) closedAsReleased(id string) (yes bool) {
	for _, d := range p.daemons {
		p.must(d.store.View(context.Background(), func(tx *store.Tx) error {
			i, found, err := tx.Incident(inventory.Scope{Account: account, Region: regionOf(p.known[id].resource)}, id)
			closed := found && i.State == incident.Closed && i.Reason == incident.Released && (p.daemonNow().Sub(i.OpenedAt) >= 24*time.Hour || p.receivedInVain(id))
			yes = yes || closed && (i.Source == incident.ByDrift || p.liedOfRelease(i)) && !p.receivedInTime(d, i)
			return err
		}))
	}
	return yes
}

// receivedInVain reports whether some of several daemons received a true record of a loss after the release, and
// each of them takes the flow log for a decoy.
func (p *play) receivedInVain(id string) bool {
	received := slices.DeleteFunc(slices.Clone(p.daemons), func(d *daemon) bool { return len(p.receivedOf(d, id)) == 0 })
	return len(received) > 0 && !slices.ContainsFunc(received, func(d *daemon) bool { return !p.disputed(d, id) })
}

// liedOfRelease reports whether the time of a loss in an incident is that of a forged record, and lies in the
// release.
func (p *play) liedOfRelease(i incident.Incident) bool {
	r := p.releases[i.FlowLogID]
	return within(r, i.DeletedAt) && slices.ContainsFunc(p.forgedDeleters[i.FlowLogID], func(m act) bool { return m.at.Truncate(time.Second).Equal(i.DeletedAt) })
}

// receivedInTime reports whether a daemon received, within a day after it opened the incident, a true record that
// the flow log was deleted after its release. That record opens the incident again.
func (p *play) receivedInTime(d *daemon, i incident.Incident) bool {
	return slices.ContainsFunc(p.receivedOf(d, i.FlowLogID), func(h receipt) bool {
		return !h.at.Before(i.OpenedAt) && h.at.Sub(i.OpenedAt) < 24*time.Hour
	})
}

// receivedOf are the true records of a flow log's deletion outside its release that a daemon received.
func (p *play) receivedOf(d *daemon, id string) (all []receipt) {
	for event, ids := range p.deleted {
		for _, h := range d.receivedAt[event+id] {
			if slices.Contains(ids, id) && !within(p.releases[id], h.says) {
				all = append(all, h)
			}
		}
	}
	return all
}

// within reports whether a time in whole seconds, as records have it, is in a release.
func within(r [2]time.Time, at time.Time) bool {
	return !at.Before(r[0].Truncate(time.Second)) && at.Before(r[1])
}

// checkPagersClosed checks that every pager incident is closed when nothing is left to do.
func (p *play) checkPagersClosed() {
	for _, by := range p.opened {
		p.fail("a pager that %s opened is never closed", by)
	}
}
