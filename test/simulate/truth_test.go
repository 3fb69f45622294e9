package simulate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
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

// truth is what the one who plays knows: what should be, and who did what.
type truth struct {
	wanted          map[target]fakeaws.FlowLog // what somebody set up there
	tampers         map[string]bool            // events that were alerted as such
	summed          map[string]bool            // events among the examples of an alert about many
	unlisted        []unlisted                 // calls that such alerts count and do not list
	madeByOthers    map[string]bool            // flow logs that no daemon made, by ID
	decoys          map[string]bool
	toAttacker      map[string]bool             // flow logs to a place of the attacker's
	known           map[string]target           // every flow log that ever was
	daemonMadeAt    map[string]time.Time        // when AWS made one that no one but a daemon asked for
	tornDown        map[string]bool             // resources torn down
	halfTagged      map[target]bool             // some flow log there has lacked tags for a while, since a call makes it first and tags it then
	released        map[target]bool             // went while it was released, as far as anybody can tell
	releases        map[string][2]time.Time     // of flow logs, by the daemons' clock
	seen            map[string]bool             // flow logs that a complete refresh must have shown
	shown           map[target]map[*daemon]bool // whose snapshot must have what is wanted there
	records         []record
	unfiled         []record // that no log file has yet
	sent            []record // to the queue
	named           map[string]bool
	namedByEvent    map[string]map[string]bool // flow logs named by the deletion alerts of an event
	kinds           map[alert.Kind]int         // of alerts that reached people
	opened          map[string]string          // what opened a pager, by the event's key or the campaign's that closes it
	unrecorded      map[string]bool            // flow logs of whose deletion there is no record
	blamedOnJanitor map[string]bool            // flow logs of which a forged record says that one deleted them whom a rule ignores
	deleted         map[string][]string        // flow logs, by the event of their true deletion
	happened        map[string]int             // moves, by name
	makers          map[string]act             // of flow logs that one made for whom a rule waits, by ID
	paired          map[target]bool            // like decoys that stood beside what is back
	inOthersPlace   map[string]bool            // of these, what was made in the place of another one
	deleters        map[string][]act           // who truly deleted a flow log
	forgedDeleters  map[string][]act           // who did, as a forged record says
	deliversSince   map[string]time.Time       // when a destination was first delivered to
	stuckAlerted    map[string]bool            // flow logs with an alert that says why they are not back
	unfinished      []replacing
	stolen          map[string]bool // ClientTokens that somebody has used who knows the key
	overlooked      map[string]bool // deletions, by event and flow log, whose record came to a daemon for which the account was away
	askedByHand     map[target]bool // somebody has restored a flow log there by hand
	lastMeant       string          // the flow log of the last restore by hand
	hung            time.Duration   // that calls waited for no answer
	count           int
}

func newTruth() truth {
	return truth{wanted: map[target]fakeaws.FlowLog{}, tampers: map[string]bool{}, summed: map[string]bool{}, madeByOthers: map[string]bool{}, daemonMadeAt: map[string]time.Time{}, decoys: map[string]bool{}, toAttacker: map[string]bool{}, known: map[string]target{},
		tornDown: map[string]bool{}, released: map[target]bool{}, halfTagged: map[target]bool{}, releases: map[string][2]time.Time{}, seen: map[string]bool{}, shown: map[target]map[*daemon]bool{}, named: map[string]bool{}, opened: map[string]string{}, namedByEvent: map[string]map[string]bool{}, kinds: map[alert.Kind]int{}, unrecorded: map[string]bool{}, blamedOnJanitor: map[string]bool{}, happened: map[string]int{}, stolen: map[string]bool{}, overlooked: map[string]bool{}, makers: map[string]act{}, inOthersPlace: map[string]bool{}, paired: map[target]bool{}, deleters: map[string][]act{}, forgedDeleters: map[string][]act{}, deliversSince: map[string]time.Time{}, stuckAlerted: map[string]bool{}, deleted: map[string][]string{}, askedByHand: map[target]bool{}}
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
	p.madeByOthers[id], p.known[id] = true, t
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

// release allows the deletion of a flow log for half an hour, in every daemon's state, as the
// command does. It is not one that shares its place with a decoy: that would
// be protected from then on.
func (p *play) release() {
	decoyed := p.decoyed()
	all := slices.DeleteFunc(p.here(), func(f fakeaws.FlowLog) bool { return decoyed[targetOf(f).place] })
	if len(all) < 3 || p.skewed {
		return
	}
	f := all[p.random.IntN(len(all))]
	p.releases[f.ID] = [2]time.Time{p.daemonNow(), p.daemonNow().Add(30 * time.Minute)}
	p.say("  release %s", f.ID)
	for _, d := range p.daemons {
		d.alive()
		_, err := d.store.Change(context.Background(), func(r *inventory.Row) bool {
			if r.ID != f.ID || r.State != inventory.Live {
				return false
			}
			r.Release(p.daemonNow(), p.daemonNow().Add(30*time.Minute), "planned")
			return true
		})
		p.must(err)
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
		p.toAttacker[id] = true
		p.say("  %s at %v", id, targetOf(f))
	}
}
