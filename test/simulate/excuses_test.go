package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Terraform, and the role of CloudWatch's telemetry rules, replace flow logs: they delete one or two and make one, in either
// order. The flow log that they made within the wait of their rule excuses one loss. The other lost flow log must come back.

// robot is the principal of CloudWatch's telemetry rules.
var robot = incident.TelemetryRole(inventory.Scope{Account: account, Region: region})

// robotClient is the client of that role.
func (p *play) robotClient() *ec2.Client {
	const name = "AWSServiceRoleForObservabilityAdmin_TelemetryEnablement"
	u := fakeaws.Credentials{AccessKeyID: "ASIAROBOT", SecretAccessKey: "secret"}
	p.world.AddCaller(fakeaws.Caller{Account: account, AccessKeyID: u.AccessKeyID, ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/rule",
		Type: "AssumedRole", Name: name, UserID: "AROAROBOT:rule", SessionIssuer: robot})
	return p.clientOf(u)
}

// replacing is a replacement of which only one half is done.
type replacing struct {
	by     *ec2.Client
	remove []target        // what is still to be deleted
	create fakeaws.FlowLog // what is still to be made; without a resource: nothing
}

// managed reports whether a flow log is one of CloudWatch's telemetry rules.
func managed(f fakeaws.FlowLog) bool { return f.Tags[incident.TelemetryTag] != "" }

// replaceable are the flow logs that a principal may replace: wanted ones that are there, of a telemetry rule if
// the principal is its role.
func (p *play) replaceable(by *ec2.Client) (all []fakeaws.FlowLog) {
	return slices.DeleteFunc(p.here(), func(f fakeaws.FlowLog) bool {
		_, wanted := p.wanted[targetOf(f)]
		return !wanted || managed(f) != (by == p.robot)
	})
}

// replace begins a replacement: it makes the new flow log, or deletes one or two on its resource.
func (p *play) replace() {
	by := []*ec2.Client{p.robot, p.terraform}[p.random.IntN(2)]
	all := p.replaceable(by)
	if len(all) == 0 || p.holds && by == p.robot { // a new log group may be held
		return
	}
	old := all[p.random.IntN(len(all))]
	r := replacing{by: by, remove: []target{targetOf(old)}, create: p.wanted[targetOf(old)]}
	samePlace := p.random.IntN(3) == 0 && !p.leapt // see setClockWrong
	p.displaced = p.displaced || samePlace
	switch {
	case samePlace && old.TrafficType == "ALL":
		r.create.TrafficType = "ACCEPT"
	case samePlace:
		r.create.TrafficType = "ALL"
	case by == p.robot:
		r.create.LogGroupName = fmt.Sprintf("/aws/telemetry-%d", p.random.IntN(3))
	default:
		bucket := p.random.IntN(4)
		if p.holds {
			bucket = 0 // where others deliver, too
		}
		f := &r.create
		f.LogDestinationType, f.LogDestination, f.FileFormat = "s3", fmt.Sprintf("arn:aws:s3:::bucket-%d", bucket), "parquet"
		f.LogGroupName, f.DeliverLogsPermissionARN = "", ""
	}
	if p.tornDown[old.ResourceID] || p.occupied(targetOf(r.create)) {
		return
	}
	for _, f := range all {
		if f.ResourceID == old.ResourceID && f.ID != old.ID && p.random.IntN(2) == 0 {
			r.remove = append(r.remove, targetOf(f))
			break
		}
	}
	p.say("  %s replaces %v by %v", p.who[by], r.remove, targetOf(r.create))
	before := len(p.records)
	if !samePlace && p.random.IntN(2) == 0 {
		p.makeOf(&r)
	} else {
		p.removeOf(&r)
	}
	if p.random.IntN(2) == 0 {
		p.unfinished = append(p.unfinished, r)
		return
	}
	p.pass(time.Duration(p.random.Int64N(int64(time.Minute)))) // the usual case: both halves within a minute, and both records arrive
	p.removeOf(&r)
	p.makeOf(&r)
	for len(p.records) > before {
		p.sendNth(before)
	}
	for _, d := range p.daemons {
		d.alive()
		d.receive()
	}
}

// occupied reports whether a flow log is at a target now, or was ever wanted there.
func (p *play) occupied(t target) bool {
	_, wanted := p.wanted[t]
	return wanted || slices.ContainsFunc(p.here(), func(f fakeaws.FlowLog) bool { return targetOf(f) == t })
}

// finish does the other half of a replacement.
func (p *play) finish() {
	if len(p.unfinished) == 0 {
		return
	}
	n := p.random.IntN(len(p.unfinished))
	r := p.unfinished[n]
	p.unfinished = slices.Delete(p.unfinished, n, n+1)
	p.removeOf(&r)
	p.makeOf(&r)
}

func (p *play) removeOf(r *replacing) {
	var ids []string
	for _, f := range p.here() {
		if slices.Contains(r.remove, targetOf(f)) {
			ids = append(ids, f.ID)
		}
	}
	r.remove = nil
	if len(ids) > 0 {
		p.say("  %s deletes %v", p.who[r.by], ids)
		p.delete(r.by, ids, ids)
	}
}

// makeOf makes the new flow log of a replacement. Where AWS allows doubles, the principal looks first, and makes
// none where a flow log is there or was wanted: if an earlier replacement made it and it was lost, the daemons
// restore it (see equivalent).
func (p *play) makeOf(r *replacing) {
	f := r.create
	r.create = fakeaws.FlowLog{}
	if f.ResourceID == "" || p.tornDown[f.ResourceID] || !p.guardsDoubles() && p.occupied(targetOf(f)) {
		return
	}
	out, err := r.by.CreateFlowLogs(context.Background(), p.callFor(f), in(regionOf(f.ResourceID)))
	if err != nil || len(out.FlowLogIds) == 0 {
		p.say("  %s is refused", p.who[r.by])
		return
	}
	f.CreatedAt, f.ID = p.now, ""
	id := out.FlowLogIds[0]
	t := targetOf(f)
	p.isThere(id, f)
	p.wanted[t] = f
	p.makers[id] = act{by: p.who[r.by], at: p.now, tags: f.Tags}
	p.inOthersPlace[id] = p.shared(t)
	p.happened["replacements by "+map[bool]string{true: "a telemetry rule", false: "terraform"}[r.by == p.robot]]++
	p.say("  %s makes %s at %v", p.who[r.by], id, t)
}

// callFor is a person's call that makes a flow log with these settings.
func (p *play) callFor(f fakeaws.FlowLog) *ec2.CreateFlowLogsInput {
	p.count++
	call := &ec2.CreateFlowLogsInput{ClientToken: aws.String(fmt.Sprintf("of-a-play-%d", p.count)), ResourceIds: []string{f.ResourceID}, ResourceType: types.FlowLogsResourceTypeVpc,
		TrafficType: types.TrafficType(f.TrafficType), LogDestinationType: types.LogDestinationType(f.LogDestinationType), LogFormat: aws.String(f.LogFormat),
		MaxAggregationInterval: aws.Int32(60), TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: incident.Tags(f.Tags)}}}
	if f.LogGroupName != "" {
		call.LogGroupName, call.DeliverLogsPermissionArn = aws.String(f.LogGroupName), aws.String(f.DeliverLogsPermissionARN)
	} else {
		call.LogDestination, call.DestinationOptions = aws.String(f.LogDestination), &types.DestinationOptionsRequest{FileFormat: types.DestinationFileFormat(f.FileFormat)}
	}
	return call
}

// automate lets a telemetry rule make a flow log on a new resource.
func (p *play) automate() {
	if p.holds {
		return
	}
	p.count++
	resource := fmt.Sprintf("vpc-new-%d", p.count)
	p.world.AddResource(account, region, resource)
	p.makeOf(&replacing{by: p.robot, create: p.settings(resource, 4)})
}

// unmanage lets a telemetry rule delete one of its flow logs without a replacement.
func (p *play) unmanage() {
	if all := p.replaceable(p.robot); len(all) > 0 {
		f := all[p.random.IntN(len(all))]
		p.say("  a telemetry rule deletes %s at %v", f.ID, targetOf(f))
		p.delete(p.robot, []string{f.ID}, []string{f.ID})
	}
}

// act is a call that made or deleted a flow log: by whom, when, and with which tags.
type act struct {
	by   string
	at   time.Time
	tags map[string]string
}

const excuseWait = incident.TelemetryWait // terraform's rule waits as long

// excuses reports whether a flow log may excuse the loss of another one: both are on the same resource, one
// principal for whom a rule waits made the first and deleted the second within that wait, and the first does not
// deliver to a new destination.
func (p *play) excuses(id, lost string) bool {
	n, on := p.makers[id], p.known[id]
	by := p.deleters[lost]
	if p.unrecorded[lost] || len(p.daemons) > 1 {
		by = append(slices.Clone(by), p.forgedDeleters[lost]...) // a forged record names the deleter, and the daemon may get no true record
	}
	return on.resource == p.known[lost].resource && slices.ContainsFunc(by, func(l act) bool {
		first := n.at
		if l.at.Before(first) {
			first = l.at
		}
		since, known := p.deliversSince[on.destination]
		old := n.by == robot || known && since.Before(first.Add(-excuseWait+time.Second))
		return l.by == n.by && n.at.Sub(l.at).Abs() <= excuseWait+2*time.Second && old
	})
}

// excused are the targets whose loss is excused. Each flow log excuses one loss at most, so this is a matching of
// flow logs to targets.
func (p *play) excused(absent []target) map[target]bool {
	by := map[string]target{} // the loss that a flow log excuses, by its ID
	var assign func(t target, tried map[string]bool) bool
	assign = func(t target, tried map[string]bool) bool {
		for _, id := range slices.Sorted(maps.Keys(p.makers)) {
			if tried[id] || !p.excusesAt(id, t) {
				continue
			}
			tried[id] = true
			if other, used := by[id]; !used || assign(other, tried) {
				by[id] = t
				return true
			}
		}
		return false
	}
	out := map[target]bool{}
	for _, t := range absent {
		if assign(t, map[string]bool{}) {
			p.happened["losses excused"]++
			out[t] = true
		}
	}
	return out
}

// excusesAt reports whether a flow log may excuse that nothing is at a target: it excuses the loss of the last flow
// log there that a refresh has shown, or of a later one.
func (p *play) excusesAt(id string, t target) bool {
	last := ""
	for other, at := range p.known {
		if at == t && p.seen[other] {
			last = max(last, other)
		}
	}
	for lost, at := range p.known {
		if at == t && lost >= last && p.excuses(id, lost) {
			return true
		}
	}
	return false
}

// mayBeDecoy reports whether the last flow log at a target may count as a decoy, which is not restored: it was made
// in the place of a lost one, and the daemons do not know by whom, or have not been shown both together. That holds
// only if the lost one is there now, or may stay away: it came back and may have been lost or replaced again, or it
// was released when it was deleted, which a daemon may learn too late.
func (p *play) mayBeDecoy(t target, count map[target]int, mayStayAway map[target]bool) bool {
	last := p.lastAt(t)
	for o := range p.wanted {
		cameBack := p.lastAt(o) > last
		if o.place == t.place && (count[o] > 0 || p.released[o] || cameBack && (mayStayAway[o] || p.replacedFrom(t, o))) {
			return p.inOthersPlace[last]
		}
	}
	return false
}

// replacedFrom reports whether a flow log at a third target may excuse that nothing is at o. A flow log at t can't,
// because it is lost itself.
func (p *play) replacedFrom(t, o target) bool {
	for id := range p.makers {
		if at := p.known[id]; at != t && at != o && p.excusesAt(id, o) {
			return true
		}
	}
	return false
}

// lastAt is the flow log that was made last at a target.
func (p *play) lastAt(t target) (last string) {
	for id, at := range p.known {
		if at == t {
			last = max(last, id)
		}
	}
	return last
}

// shared reports whether another target in the same place is or was wanted.
func (p *play) shared(t target) bool {
	for o := range p.wanted {
		if o.place == t.place && o != t {
			return true
		}
	}
	return false
}

// absent are the wanted targets where no flow log is, though their resource is there.
func (p *play) absent(count map[target]int) (out []target) {
	for t := range p.wanted {
		if count[t] == 0 && !p.tornDown[t.resource] {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b target) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// checkNotAccused checks that no alert calls a flow log a decoy, or tampering, if a telemetry rule made it and the
// daemon knows that.
func (p *play) checkNotAccused(d *daemon, a alert.Alert) {
	if a.Kind != alert.Decoy && a.Kind != alert.Tamper {
		return
	}
	text, err := json.Marshal(a)
	p.must(err)
	for id, m := range p.makers {
		if m.by != robot || !strings.Contains(string(text), id+" is in the way") && a.Target != id {
			continue
		}
		if row, ok, err := d.store.FindFlowLog(context.Background(), id); err == nil && ok && row.CreatedBy == robot {
			p.fail("the %s alert %s is about %s, which a telemetry rule made", a.Kind, a.EventID, id)
		}
	}
}

// checkWaited checks that a flow log is not restored before the wait of a rule is over. Two calls may make it
// earlier: one that was in doubt when the wait began, and one that another incident of the lineage, which does not
// wait, handed on.
func (p *play) checkWaited(was, is incident.Incident) {
	if c := was.Call; c != nil && (c.At.Before(was.WaitUntil.Add(-was.Waited)) || c.Final && was.Group == "") {
		return
	}
	waits := was.Pending() && was.Source == incident.ByEvent && was.Action == incident.Wait && p.daemonNow().Before(was.WaitUntil)
	if made := is.State == incident.Restored && !is.Adopted; waits && made && !p.skewed {
		p.fail("%s is restored %s before the wait for %s is over", is.FlowLogID, was.WaitUntil.Sub(p.daemonNow()), was.Actor.Principal())
	}
}

// checkTelemetryProtected checks at the end that the snapshots protect each flow log that a telemetry rule made, if
// the daemon knows that.
func (p *play) checkTelemetryProtected(d *daemon, alive map[string]bool) {
	for id, m := range p.makers {
		row, ok, err := d.store.FindFlowLog(context.Background(), id)
		p.must(err)
		if ok && alive[id] && m.by == robot && row.CreatedBy == robot && !row.Protected {
			p.fail("%s, which a telemetry rule made, is not protected", id)
		}
	}
}

// closeReplaced does what people do after an alert that a lost flow log is blocked by another one in its place that
// they want: they close the incident of the lost one.
func (p *play) closeReplaced() {
	here := map[place]target{}
	for _, f := range p.here() {
		if _, wanted := p.wanted[targetOf(f)]; wanted && !p.decoys[f.ID] {
			here[targetOf(f).place] = targetOf(f)
		}
	}
	for _, d := range p.daemons {
		for _, i := range d.unsettled() {
			t := p.known[i.FlowLogID]
			there, held := here[t.place]
			blocked := i.State == incident.Blocked && (i.Reason == incident.Decoy || i.Reason == incident.Managed) || strings.Contains(i.LastError, "FlowLogAlreadyExists")
			if !i.Pending() || !blocked || !held || there == t || !p.stuckAlerted[i.FlowLogID] {
				continue
			}
			p.say("  close the incident of %s: %v is in its place", i.FlowLogID, there)
			p.happened["incidents closed for a replacement"]++
			p.released[t] = true
			_, err := d.remediator.CloseReleased(d.ctx, i.Scope, i.FlowLogID, "replaced")
			p.must(err)
		}
	}
}

// tookForStale reports whether a daemon, whose clock has leapt, may have ignored a flow log that it made itself by
// a call whose answer was lost, so that no snapshot has it. It compares the time at which AWS made the flow log
// with the time at which it last saw that nothing was there (Incident.NothingMadeAt). People were alerted of the
// lost one, which may have another replacement by now.
func (p *play) tookForStale(id string) bool {
	if !p.leapt || p.madeByOthers[id] || slices.ContainsFunc(p.daemons, func(d *daemon) bool { return d.knew(id) }) {
		return false
	}
	return slices.ContainsFunc(p.daemons, func(d *daemon) bool {
		for lost, i := range d.lastWritten {
			stale := p.daemonMadeAt[id].Before(i.NothingMadeAt.Add(-p.policy.ConsistencyWindow / 2))
			if p.known[lost] == p.known[id] && p.named[lost] && i.NewID != id && stale {
				return true
			}
		}
		return false
	})
}
