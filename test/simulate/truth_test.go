package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// place is where a flow log stands: AWS allows one for each resource and
// destination, unless it allows all.
type place struct{ resource, destination string }

// target is what a flow log is there for.
type target struct {
	place
	traffic string
}

func targetOf(f fakeaws.FlowLog) target {
	return target{place{f.ResourceID, f.LogDestination + f.LogGroupName}, f.TrafficType}
}

// record of CloudTrail that has not reached the queue yet.
type record struct {
	body    string
	event   string
	deleted []string
	tamper  bool
}

// truth is what the one who plays knows: what should be, and who did what.
type truth struct {
	wanted        map[target]fakeaws.FlowLog // what somebody set up there
	tampers       map[string]bool            // events that were alerted as such
	summed        map[string]bool            // events among the examples of an alert about many
	madeBy        map[string]bool            // flow logs that no daemon made, by ID
	decoys        map[string]bool
	sneaked       map[string]bool             // flow logs to a place of the attacker's
	known         map[string]target           // every flow log that ever was
	gone          map[string]bool             // resources torn down
	released      map[target]bool             // went while it was released, as far as anybody can tell
	releases      map[string][2]time.Time     // of flow logs, by the daemons' clock
	seen          map[string]bool             // flow logs that a complete refresh must have shown
	shown         map[target]map[*daemon]bool // whose snapshot must have what is wanted there
	records       []record
	sent          []record // to the queue
	named         map[string]bool
	event         map[string]map[string]bool // flow logs named by the deletion alerts of an event
	kinds         map[alert.Kind]int         // of alerts that reached people
	opened        map[string]string          // what opened a pager, by the event's key or the campaign's that closes it
	unheard       map[string]bool            // flow logs whose deletion no record tells
	waved         map[string]bool            // flow logs of which a forged record says that one deleted them whom a rule ignores
	deleted       map[string][]string        // flow logs, by the event of their true deletion
	happened      map[string]int             // moves, by name
	makers        map[string]made            // of flow logs that one made for whom a rule waits, by ID
	paired        map[target]bool            // like decoys that stood beside what is back
	inPlace       map[string]bool            // of these, what was made in the place of another one
	losers        map[string][]made          // who truly deleted a flow log
	blamed        map[string][]made          // who did, as a forged record says
	deliversSince map[string]time.Time       // when a destination was first delivered to
	stuck         map[string]bool            // flow logs with an alert that says why they are not back
	unfinished    []replacing
	stolen        map[string]bool // ClientTokens that somebody has used who knows the key
	hung          time.Duration   // that calls waited for no answer
	count         int
}

func newTruth() truth {
	return truth{wanted: map[target]fakeaws.FlowLog{}, tampers: map[string]bool{}, summed: map[string]bool{}, madeBy: map[string]bool{}, decoys: map[string]bool{}, sneaked: map[string]bool{}, known: map[string]target{},
		gone: map[string]bool{}, released: map[target]bool{}, releases: map[string][2]time.Time{}, seen: map[string]bool{}, shown: map[target]map[*daemon]bool{}, named: map[string]bool{}, opened: map[string]string{}, event: map[string]map[string]bool{}, kinds: map[alert.Kind]int{}, unheard: map[string]bool{}, waved: map[string]bool{}, happened: map[string]int{}, stolen: map[string]bool{}, makers: map[string]made{}, inPlace: map[string]bool{}, paired: map[target]bool{}, losers: map[string][]made{}, blamed: map[string][]made{}, deliversSince: map[string]time.Time{}, stuck: map[string]bool{}, deleted: map[string][]string{}}
}

// client of somebody in the account.
func (p *play) client(user string) *ec2.Client {
	return p.clientOf(p.world.User(account, user, false))
}

func (p *play) clientOf(u fakeaws.Credentials) *ec2.Client {
	return ec2.New(ec2.Options{Region: region, HTTPClient: p.world.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return static(u), nil })})
}

// plant sets up the flow logs to watch over, made long ago.
func (p *play) plant() {
	p.world.AddDeliveryRole(role)
	p.world.AddDestination("arn:aws:s3:::of-mallory")
	for n := range 4 {
		p.world.AddDestination(fmt.Sprintf("arn:aws:s3:::bucket-%d", n))
	}
	for n := range 2 + p.random.IntN(4) {
		for m := range 1 + p.random.IntN(2) {
			p.set(fmt.Sprintf("vpc-%d", n), m, p.now.Add(-2*time.Hour))
		}
		if p.random.IntN(2) == 0 {
			p.set(fmt.Sprintf("vpc-%d", n), 4, p.now.Add(-2*time.Hour))
		}
	}
	if len(p.regions) > 1 {
		for m := range 1 + p.random.IntN(2) {
			p.set(elsewhere+"0", m, p.now.Add(-2*time.Hour))
		}
	}
}

// set makes a flow log at a target of its own.
func (p *play) set(resource string, n int, at time.Time) {
	f := p.settings(resource, n)
	f.CreatedAt = at
	p.wanted[targetOf(f)] = f
	p.add(f)
}

// settings of a flow log: by n, where it delivers; 4: as CloudWatch's telemetry rules make it.
func (p *play) settings(resource string, n int) fakeaws.FlowLog {
	f := fakeaws.FlowLog{ResourceID: resource, TrafficType: "ALL", LogFormat: "${version} ${pkt-srcaddr}", MaxAggregationInterval: 60,
		Tags: map[string]string{"Name": resource, "env": fmt.Sprint(n)}, DeliverStatus: "SUCCESS"}
	switch n {
	case 1:
		f.LogDestinationType, f.LogGroupName, f.DeliverLogsPermissionARN = "cloud-watch-logs", "/vpc/flow-logs", role
	case 4:
		f.LogDestinationType, f.LogGroupName, f.DeliverLogsPermissionARN = "cloud-watch-logs", "/aws/telemetry-0", role
		f.Tags[incident.TelemetryTag] = "true"
	default:
		f.LogDestinationType, f.LogDestination, f.FileFormat = "s3", fmt.Sprintf("arn:aws:s3:::bucket-%d", n), "parquet"
	}
	return f
}

// add makes a flow log that no daemon made.
func (p *play) add(f fakeaws.FlowLog) string {
	f.Tags = maps.Clone(f.Tags)
	id := p.world.Plant(account, regionOf(f.ResourceID), f)
	p.isThere(id, f)
	return id
}

// isThere notes a flow log that no daemon made.
func (p *play) isThere(id string, f fakeaws.FlowLog) {
	t := targetOf(f)
	p.madeBy[id], p.known[id] = true, t
	if _, known := p.deliversSince[t.destination]; !known {
		p.deliversSince[t.destination] = f.CreatedAt
	}
}

// here are the flow logs that truly are.
func (p *play) here() (all []fakeaws.FlowLog) {
	for _, r := range p.regions {
		all = append(all, p.world.FlowLogs(account, r)...)
	}
	return all
}

// recorded takes a record from CloudTrail.
func (p *play) recorded(body string) error {
	var e struct {
		Detail struct {
			EventID string `json:"eventID"`
		} `json:"detail"`
	}
	p.must(json.Unmarshal([]byte(body), &e))
	p.records = append(p.records, record{body: body, event: e.Detail.EventID})
	return nil
}

// send puts any record into the queue, and perhaps keeps it to send it again.
func (p *play) send(again bool) {
	if len(p.records) == 0 {
		return
	}
	n := p.random.IntN(len(p.records))
	if again {
		r := p.records[n]
		p.must(p.world.Send(p.arn, r.body))
		p.sent = append(p.sent, r)
		return
	}
	p.sendNth(n)
}

// sendNth puts one record into the queue.
func (p *play) sendNth(n int) {
	r := p.records[n]
	p.must(p.world.Send(p.arn, r.body))
	p.sent = append(p.sent, r)
	p.records = slices.Delete(p.records, n, n+1)
}

func (p *play) lose() {
	if len(p.records) > 0 {
		n := p.random.IntN(len(p.records))
		for _, id := range p.records[n].deleted {
			p.vanished(id)
		}
		p.records = slices.Delete(p.records, n, n+1)
	}
}

// vanished notes a flow log of whose deletion no record tells.
func (p *play) vanished(id string) {
	p.unheard[id] = true
	if _, ok := p.releases[id]; ok { // when it went is not known
		p.released[p.known[id]] = true
	}
}

// strike deletes some flow logs of one Region in one call; IDs that are not
// there, too.
func (p *play) strike(by *ec2.Client, n int) {
	all := p.here()
	where := []target{}
	p.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = oneRegion(all)
	var ids []string
	for _, f := range all[:min(n, len(all))] {
		ids, where = append(ids, f.ID), append(where, targetOf(f))
	}
	if len(ids) == 0 {
		return
	}
	gone := slices.Clone(ids)
	if n > 1 && p.random.IntN(3) == 0 {
		ids = append(ids, fmt.Sprintf("fl-%017x", 0xdead0000+p.random.IntN(3)))
	}
	p.say("  delete %v at %v", ids, where)
	p.delete(by, ids, gone)
}

// insist deletes whatever comes back at one place, time and again: each record is
// received, and each restore has its time.
func (p *play) insist() {
	all := p.here()
	if len(all) == 0 {
		return
	}
	at := targetOf(all[p.random.IntN(len(all))])
	for range 7 {
		p.check()
		for _, f := range p.here() {
			if targetOf(f) == at {
				p.say("  delete %s at %v", f.ID, at)
				p.delete(p.attacker, []string{f.ID}, []string{f.ID})
				break
			}
		}
		for range 2 {
			p.send(false)
		}
		for _, d := range p.daemons {
			d.alive()
			d.receive()
			d.step(inventory.Scope{Account: account, Region: regionOf(at.resource)})
		}
		p.pass(time.Duration(p.random.Int64N(int64(time.Minute))))
	}
}

// delete is one call that deletes flow logs, some of which are there.
func (p *play) delete(by *ec2.Client, ids, gone []string) {
	before := len(p.records)
	_, err := by.DeleteFlowLogs(context.Background(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids}, in(regionOf(p.known[gone[0]].resource)))
	p.must(err)
	for _, id := range gone {
		p.losers[id] = append(p.losers[id], made{p.who[by], p.now})
	}
	p.records[before].deleted = gone
	p.deleted[p.records[before].event] = gone
	p.went(gone)
}

// went notes which of the flow logs that are deleted now are released.
func (p *play) went(ids []string) {
	for _, id := range ids {
		at := p.now.Truncate(time.Second) // as CloudTrail has it
		if r, ok := p.releases[id]; ok && !at.Before(r[0].Truncate(time.Second)) && at.Before(r[1]) {
			p.released[p.known[id]] = true
		}
	}
}

// strikeAll deletes all that is to come back, at the end: nothing that happened
// before has made anybody deaf.
func (p *play) strikeAll() {
	ids := map[string][]string{} // by Region
	for _, f := range p.here() {
		r := regionOf(f.ResourceID)
		ids[r] = append(ids[r], f.ID)
	}
	p.pass(time.Hour) // no release lasts as long
	for _, r := range p.regions {
		if len(ids[r]) > 0 {
			p.say("delete all that is left: %v", ids[r])
			p.delete(p.attacker, ids[r], ids[r])
		}
	}
}

// release lets a flow log go for half an hour, in every daemon's state, as the
// command does. It is not one that shares its place with a decoy: that would
// be protected from then on.
func (p *play) release() {
	decoyed := p.decoyed()
	all := slices.DeleteFunc(p.here(), func(f fakeaws.FlowLog) bool { return decoyed[targetOf(f).place] })
	if len(all) < 3 || p.skewed {
		return
	}
	f := all[p.random.IntN(len(all))]
	p.releases[f.ID] = [2]time.Time{p.theirs(), p.theirs().Add(30 * time.Minute)}
	p.say("  release %s", f.ID)
	for _, d := range p.daemons {
		d.alive()
		_, err := d.store.Change(context.Background(), func(r *inventory.Row) bool {
			if r.ID != f.ID || r.State != inventory.Live {
				return false
			}
			r.ReleasedAt, r.ReleasedUntil, r.ReleaseReason = p.theirs(), p.theirs().Add(30*time.Minute), "planned"
			return true
		})
		p.must(err)
	}
}

// decoyed are the places at which a decoy ever was.
func (p *play) decoyed() map[place]bool {
	out := map[place]bool{}
	for id := range p.decoys {
		out[p.known[id].place] = true
	}
	return out
}

// forge puts a record into the queue that CloudTrail never wrote: of a flow
// log that is alive or nowhere, under an event ID of its own or another's.
// Where AWS does not guard against doubles, nothing can tell a lie about a flow
// log too young for every Describe to show from the truth: there is none then.
func (p *play) forge() {
	id := fmt.Sprintf("fl-%017x", 0xf0e0000+p.random.IntN(3))
	all := slices.DeleteFunc(p.here(), func(f fakeaws.FlowLog) bool { return p.twins && p.now.Sub(f.CreatedAt) < 2*stalest })
	if len(all) > 0 && p.random.IntN(3) > 0 {
		id = all[p.random.IntN(len(all))].ID
	}
	p.count++
	event := fmt.Sprintf("forged-%d", p.count)
	if len(p.records) > 0 && p.random.IntN(2) == 0 {
		event = p.records[p.random.IntN(len(p.records))].event
	}
	by := []string{"arn:aws:iam::" + account + ":user/nobody", terraform, robot, janitor}[p.random.IntN(4)]
	if by == janitor && p.decoyed()[p.known[id].place] {
		by = terraform // a decoy may take the place of what may go
	}
	if by == janitor {
		p.waved[id] = true
	}
	at := p.now.Add(-time.Duration(p.random.IntN(3)) * time.Hour)
	p.blamed[id] = append(p.blamed[id], made{by, at})
	p.say("  forge %s of %s by %s at %s", event, id, by, at.Format(time.TimeOnly))
	p.must(p.world.Send(p.arn, fmt.Sprintf(`{"eventVersion":"1.10","eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","awsRegion":%q,
		"recipientAccountId":%q,"eventID":%q,"userIdentity":{"type":"IAMUser","arn":%q},
		"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":%q}}},"responseElements":{}}`,
		at.Format(time.RFC3339), regionOf(p.known[id].resource), account, event, by, id)))
}

// stopTrail is the record of a StopLogging, which blinds nobody here.
func (p *play) stopTrail() {
	p.count++
	event := fmt.Sprintf("stopped-%d", p.count)
	p.records = append(p.records, record{event: event, tamper: true, body: fmt.Sprintf(`{"eventVersion":"1.10","eventTime":%q,"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":%q,
		"recipientAccountId":%q,"eventID":%q,"userIdentity":{"type":"IAMUser","arn":%q},"requestParameters":{"name":%q},"responseElements":null}`,
		p.now.Format(time.RFC3339), region, account, event, terraform, event)})
}

// free are targets where something should be and nothing is.
func (p *play) free() (out []target) {
	count, taken := map[target]int{}, map[place]bool{}
	for _, f := range p.here() {
		count[targetOf(f)]++
		taken[targetOf(f).place] = true
	}
	return slices.DeleteFunc(p.absent(count), func(t target) bool { return !p.twins && taken[t.place] })
}

// decoy takes a lost flow log's place with something that does less. Where a
// daemon never saw what was there before, nobody could tell; nor where a rule
// lets it go, or may have replaced it; nor, with several daemons, where it was ever released: one that
// has no record of the loss takes it for allowed, and what comes then for new. Nor where the clock
// has leapt: only times tell whether it was there before the loss. Where AWS allows both,
// the lost one comes back beside it, and it is protected from then on: see mayProtect.
func (p *play) decoy() {
	if p.leapt {
		return
	}
	waved := map[target]bool{}
	for id := range p.waved {
		waved[p.known[id]] = true
	}
	for id := range p.releases {
		if len(p.daemons) > 1 {
			waved[p.known[id]] = true
		}
	}
	for id, by := range p.losers { // what one may have replaced is not lost
		if slices.ContainsFunc(by, func(l made) bool { return l.by == robot || l.by == terraform }) {
			waved[p.known[id]] = true
		}
	}
	here := map[place]bool{}
	for _, f := range p.here() {
		here[targetOf(f).place] = true
	}
	all := slices.DeleteFunc(p.free(), func(t target) bool {
		return here[t.place] || p.shared(t) || len(p.shown[t]) < len(p.daemons) || p.released[t] || waved[t] || !p.allKnow(t)
	})
	if len(all) > 0 {
		f := p.wanted[all[p.random.IntN(len(all))]]
		f.TrafficType, f.CreatedAt, f.Tags = "REJECT", p.now, maps.Clone(f.Tags)
		if p.random.IntN(3) == 0 {
			f.Tags[incident.TelemetryTag] = "true" // which anybody can set
		}
		f.ID = p.add(f)
		p.decoys[f.ID] = true
		p.happened["decoys"]++
		if p.twins {
			p.happened["decoys that AWS allows"]++
		}
		p.say("  decoy %s at %v", f.ID, targetOf(f))
	}
}

// allKnow reports whether every daemon has seen what was last at a target.
func (p *play) allKnow(t target) bool {
	last := ""
	for id, at := range p.known {
		if at == t && !p.decoys[id] {
			last = max(last, id)
		}
	}
	return !slices.ContainsFunc(p.daemons, func(d *daemon) bool { return !d.knew(last) })
}

// equivalent puts a lost flow log back, as Terraform does. Where AWS does not
// guard against doubles, nobody else does that in the same moment.
func (p *play) equivalent() {
	if all := p.free(); len(all) > 0 && p.lonely() {
		f := p.wanted[all[p.random.IntN(len(all))]]
		f.CreatedAt = p.now
		id := p.add(f)
		p.inPlace[id] = p.shared(targetOf(f))
		p.say("  equivalent %s at %v", id, targetOf(f))
	}
}

// another is a new flow log that nobody knows yet.
func (p *play) another() {
	p.count++
	n := p.random.IntN(3)
	if p.holds {
		n = 0 // where others deliver, too
	}
	p.set(fmt.Sprintf("vpc-new-%d", p.count), n, p.now)
}

// sneak makes a flow log to a place of the attacker's, which is never to be restored. It is
// not wanted: check fails if a daemon makes one like it.
func (p *play) sneak() {
	all := p.here()
	if !p.holds || len(all) == 0 {
		return
	}
	f := all[p.random.IntN(len(all))]
	f.ID, f.CreatedAt, f.Tags = "", p.now, map[string]string{"Name": "harmless"}
	f.LogDestinationType, f.LogDestination, f.LogGroupName, f.DeliverLogsPermissionARN, f.FileFormat = "s3", "arn:aws:s3:::of-mallory", "", "", "parquet"
	if !slices.ContainsFunc(all, func(o fakeaws.FlowLog) bool { return targetOf(o) == targetOf(f) }) {
		p.happened["flow logs to a place of the attacker's"]++
		id := p.add(f)
		p.sneaked[id] = true
		p.say("  %s at %v", id, targetOf(f))
	}
}

// teardown removes a resource, and AWS its flow logs.
func (p *play) teardown() {
	if all := p.here(); len(all) > 4 {
		f := all[p.random.IntN(len(all))]
		p.gone[f.ResourceID] = true
		p.world.RemoveResource(account, regionOf(f.ResourceID), f.ResourceID)
		p.say("  tear down %s", f.ResourceID)
		p.count++
		event := fmt.Sprintf("torn-%d", p.count)
		p.records = append(p.records, record{event: event, body: fmt.Sprintf(`{"eventVersion":"1.10","eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"DeleteVpc","awsRegion":%q,
			"recipientAccountId":%q,"eventID":%q,"requestParameters":{"vpcId":%q},"responseElements":{"_return":true}}`, p.now.Format(time.RFC3339), regionOf(f.ResourceID), account, event, f.ResourceID)})
	}
}

func (p *play) removeDecoys() {
	for id := range p.decoys {
		p.world.Remove(account, regionOf(p.known[id].resource), id)
	}
}

// listed notes what a complete refresh must have shown.
func (p *play) listed(d *daemon, s inventory.Scope, started time.Time) {
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

// remembered is what must hold of every refresh, whatever it meets: it revives
// nothing, and takes nothing for gone that every Describe shows.
func (p *play) remembered(s inventory.Scope, before, after map[string]inventory.Known) {
	here := map[string]bool{}
	for _, f := range p.world.FlowLogs(s.Account, s.Region) {
		here[f.ID] = p.now.Sub(f.CreatedAt) > 2*stalest
	}
	for id, row := range before {
		switch was, is := row.State, after[id].State; {
		case was == inventory.Gone && is != inventory.Gone:
			p.fail("I5: a refresh revived %s", id)
		case was == inventory.Live && is != inventory.Live && here[id]:
			p.fail("I5: a refresh took %s for gone, which is alive", id)
		}
	}
}

// heard notes an alert that reached people.
func (p *play) heard(a alert.Alert) {
	p.kinds[a.Kind]++
	p.log.Info("TOLD", "kind", a.Kind, "event", a.EventID, "flow_logs", len(a.FlowLogs))
	if a.EndsCampaign() {
		delete(p.opened, a.CampaignID)
	}
	switch {
	case a.Kind == alert.Closed:
		delete(p.opened, a.DedupKey)
	case a.Kind == alert.Tamper: // has no end that a daemon could see
		p.tampers[a.EventID] = true
	case a.Kind != alert.Restored && a.Kind != alert.Attempt && a.EventID != "" && len(a.FlowLogs) > 0:
		p.opened[a.DedupKey] = fmt.Sprintf("the %s alert of %s", a.Kind, a.EventID)
		if a.CampaignID != "" {
			p.opened[a.CampaignID] = fmt.Sprintf("the %s alert of %s, of a campaign,", a.Kind, a.EventID)
		}
	}
	if a.Repeats != nil {
		for _, c := range a.Repeats.Examples {
			p.summed[c.EventID] = true
			p.named[c.FlowLogID] = p.named[c.FlowLogID] || p.skewed // of what counts as long gone
			p.tampers[c.EventID] = p.tampers[c.EventID] || a.Kind == alert.Tamper
		}
	}
	for _, f := range a.FlowLogs {
		p.named[f.FlowLogID] = true
		if a.Kind == alert.Blocked || a.Kind == alert.Decoy {
			p.stuck[f.FlowLogID] = true
		}
		if a.Kind == alert.Deletion {
			if p.event[a.EventID] == nil {
				p.event[a.EventID] = map[string]bool{}
			}
			p.event[a.EventID][f.FlowLogID] = true
		}
	}
}

// same compares a flow log with what should be there: with every setting and
// tag, but for Flowkeeper's own. sofar: tags may still be missing.
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

// check is what must hold at every moment.
func (p *play) check() {
	count := map[target]int{}
	for _, f := range p.here() {
		t := targetOf(f)
		if _, old := p.known[f.ID]; !old {
			p.known[f.ID] = t
			if want, ok := p.wanted[t]; (!ok || !same(want, f, true)) && !p.mayProtect(f) {
				p.fail("I2: a daemon made what nobody had: %+v", f)
			}
		}
		if !p.decoys[f.ID] {
			count[t]++
		}
	}
	p.pairs()
	for t, n := range count {
		if n > 1 {
			p.fail("I4: %d flow logs at %v", n, t)
		}
	}
}

// pairs notes which decoys stand beside what they were to take the place of.
func (p *play) pairs() {
	wanted := map[place]bool{}
	for _, f := range p.here() {
		if _, ok := p.wanted[targetOf(f)]; ok {
			wanted[targetOf(f).place] = true
		}
	}
	for _, f := range p.here() {
		if p.decoys[f.ID] && wanted[targetOf(f).place] && !p.paired[targetOf(f)] {
			p.paired[targetOf(f)] = true
			p.happened["decoys beside the flow log that is back"]++
		}
	}
}

// mayProtect reports whether a flow log is like a decoy that a daemon may have come to protect:
// AWS allows both, and has shown both. What is restored of it then is a decoy, too.
func (p *play) mayProtect(f fakeaws.FlowLog) bool {
	if !p.paired[targetOf(f)] {
		return false
	}
	p.decoys[f.ID] = true
	p.happened["decoys restored that AWS allows"]++
	return true
}

// promise is what must hold in the end.
func (p *play) promise() {
	count, seen := map[target]int{}, map[target]bool{}
	alive := map[string]bool{}
	for _, f := range p.here() {
		count[targetOf(f)]++
		alive[f.ID] = true
		if want, ok := p.wanted[targetOf(f)]; ok && !p.decoys[f.ID] && !same(want, f, false) {
			p.fail("I2: not as it was: %+v", f)
		}
	}
	p.tombstones(alive)
	for id := range p.seen {
		seen[p.known[id]] = true
	}
	excused := maps.Clone(p.released)
	for id := range p.waved {
		if p.unheard[id] || len(p.daemons) > 1 { // a rule says so, and nothing that this one hears says otherwise
			excused[p.known[id]] = true
		}
	}
	for id := range p.releases {
		if p.letGo(id) {
			excused[p.known[id]] = true
		}
	}
	absent := slices.DeleteFunc(p.absent(count), func(t target) bool { return !seen[t] || excused[t] })
	maps.Copy(excused, p.excused(absent))
	for _, t := range absent {
		excused[t] = excused[t] || p.mayBeDecoy(t, count)
	}
	for t := range p.wanted {
		if n := count[t]; !p.gone[t.resource] && (n > 1 || n == 0 && seen[t] && !excused[t]) {
			p.fail("%d flow logs at %v", n, t)
		}
	}
	for _, r := range p.sent {
		if r.tamper && !p.tampers[r.event] {
			p.fail("nobody was told that %s stopped the trail", r.event)
		}
		for _, id := range r.deleted {
			known := p.seen[id] && len(p.daemons) == 1 && !p.skewed // of several, another than the one that saw it may get the record; by a wrong clock it may count as long gone
			if !p.event[r.event][id] && (known || !p.summed[r.event]) {
				p.fail("nobody was told that %s deleted %s", r.event, id)
			}
		}
	}
	for id := range p.seen {
		if !alive[id] && !p.named[id] && !p.decoys[id] && !p.inPlace[id] {
			p.fail("nobody was told that %s is gone", id)
		}
	}
}

// tombstones is what must hold of the snapshots, which have been refreshed: what was seen and
// is gone is not live there (I5).
func (p *play) tombstones(alive map[string]bool) {
	for _, d := range p.daemons {
		p.guarded(d, alive)
		for _, s := range p.scopes() {
			for id, row := range d.rows(s) {
				if row.State == inventory.Live && !alive[id] {
					p.fail("I5: %s is gone, and live in the snapshot", id)
				}
			}
		}
	}
}

// letGo reports whether a daemon found a released flow log gone a day ago or more, so
// that no record of the loss brings it back any more (docs/failure-modes.md).
func (p *play) letGo(id string) (yes bool) {
	for _, d := range p.daemons {
		p.must(d.store.View(context.Background(), func(tx *store.Tx) error {
			i, found, err := tx.Incident(inventory.Scope{Account: account, Region: regionOf(p.known[id].resource)}, id)
			yes = yes || found && i.State == incident.Closed && i.Reason == incident.Released && i.Source == incident.ByDrift && p.theirs().Sub(i.OpenedAt) >= 24*time.Hour
			return err
		}))
	}
	return yes
}

// resolved is what must hold when all is at rest.
func (p *play) resolved() {
	for _, by := range p.opened {
		p.fail("a pager that %s opened is never closed", by)
	}
}

// lonely reports whether somebody else may put a flow log back now.
func (p *play) lonely() bool { return !p.twins }
