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

// place is where AWS allows one flow log, unless the play allows doubles: a resource and a destination.
type place struct{ resource, destination string }

// target is a place and a traffic type. A lost flow log must come back at its target.
type target struct {
	place
	traffic string
}

func targetOf(f fakeaws.FlowLog) target {
	return target{place{f.ResourceID, f.LogDestination + f.LogGroupName}, f.TrafficType}
}

// truth is what the play knows, and the daemons do not: what should be there, and who did what. Maps of flow logs are by
// ID.
type truth struct {
	wanted          map[target]fakeaws.FlowLog // what somebody set up there: it must be there, or be restored
	tampers         map[string]bool            // events of tampering that were alerted
	summed          map[string]bool            // events that a summary alert lists as examples
	unlisted        []unlisted                 // calls that summary alerts count but do not list
	madeByOthers    map[string]bool            // flow logs that no daemon made
	maker           map[string]maker           // of flow logs that a daemon's call made
	decoys          map[string]bool
	toAttacker      map[string]bool             // flow logs that deliver to the attacker's bucket
	known           map[string]target           // every flow log that ever was there
	daemonMadeAt    map[string]time.Time        // when AWS made a flow log for a daemon
	tornDown        map[string]bool             // resources that were deleted
	halfTagged      map[target]bool             // a flow log there lacked tags for a while: a daemon makes it first, and tags it then
	released        map[target]bool             // the flow log there was deleted during its release, or nobody can tell when
	releases        map[string][2]time.Time     // begin and end of a flow log's release, by the daemons' clock
	seen            map[string]bool             // flow logs that a complete refresh must have shown
	shown           map[target]map[*daemon]bool // daemons whose snapshot must have what is wanted there
	records         []record                    // that have not reached the queue yet
	unfiled         []record                    // that are in no log file yet
	sent            []record                    // to the queue
	named           map[string]bool             // flow logs that any alert named
	namedByEvent    map[string]map[string]bool  // flow logs that the deletion alerts of an event named
	kinds           map[alert.Kind]int          // how many alerts reached people
	opened          map[string]string           // open pager incidents, by dedup key or campaign: the alert that opened it
	unrecorded      map[string]bool             // flow logs whose deletion has no record
	blamedOnJanitor map[string]bool             // flow logs that a forged record says the janitor deleted, whom a rule ignores
	deleted         map[string][]string         // flow logs that an event truly deleted
	happened        map[string]int              // for the tally, by name
	makers          map[string]act              // who made a flow log: a principal for whom a rule waits
	paired          map[target]bool             // of decoys that were there together with the flow log that is back
	inOthersPlace   map[string]bool             // whether another target was wanted in the place where a flow log was made
	deleters        map[string][]act            // who truly deleted a flow log
	forgedDeleters  map[string][]act            // who deleted it, as forged records say
	deliversSince   map[string]time.Time        // when the first flow log began to deliver to a destination
	stuckAlerted    map[string]bool             // flow logs with an alert that says why they are not back
	unfinished      []replacing
	stolen          map[string]bool // ClientTokens that somebody who knows the key has used
	overlooked      map[string]bool // deletions, by event and flow log, whose record reached a daemon while the account was away
	askedByHand     map[target]bool // somebody has restored a flow log there by hand
	lastMeant       string          // the flow log of the last restore by hand
	hung            time.Duration   // for how long calls have hung in all
	count           int             // numbers the names that the play makes up
}

func newTruth() truth {
	return truth{wanted: map[target]fakeaws.FlowLog{}, tampers: map[string]bool{}, summed: map[string]bool{}, madeByOthers: map[string]bool{}, maker: map[string]maker{}, daemonMadeAt: map[string]time.Time{}, decoys: map[string]bool{}, toAttacker: map[string]bool{}, known: map[string]target{},
		tornDown: map[string]bool{}, released: map[target]bool{}, halfTagged: map[target]bool{}, releases: map[string][2]time.Time{}, seen: map[string]bool{}, shown: map[target]map[*daemon]bool{}, named: map[string]bool{}, opened: map[string]string{}, namedByEvent: map[string]map[string]bool{}, kinds: map[alert.Kind]int{}, unrecorded: map[string]bool{}, blamedOnJanitor: map[string]bool{}, happened: map[string]int{}, stolen: map[string]bool{}, overlooked: map[string]bool{}, makers: map[string]act{}, inOthersPlace: map[string]bool{}, paired: map[target]bool{}, deleters: map[string][]act{}, forgedDeleters: map[string][]act{}, deliversSince: map[string]time.Time{}, stuckAlerted: map[string]bool{}, deleted: map[string][]string{}, askedByHand: map[target]bool{}}
}

// client is the EC2 client of a user in the account.
func (p *play) client(user string) *ec2.Client {
	return p.clientOf(p.world.User(account, user, false))
}

func (p *play) clientOf(u fakeaws.Credentials) *ec2.Client {
	return ec2.New(ec2.Options{Region: region, HTTPClient: p.world.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return static(u), nil })})
}

// plant sets up the flow logs that the daemons protect. They are two hours old.
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

// set makes a flow log that must be there from now on.
func (p *play) set(resource string, n int, at time.Time) {
	f := p.settings(resource, n)
	f.CreatedAt = at
	p.wanted[targetOf(f)] = f
	p.add(f)
}

// settings are those of a flow log. n says where it delivers; with 4 it is like one that CloudWatch's telemetry
// rules make.
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

// add makes a flow log without a daemon, and returns its ID.
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

// here are the flow logs that AWS truly has.
func (p *play) here() (all []fakeaws.FlowLog) {
	for _, r := range p.regions {
		all = append(all, p.world.FlowLogs(account, r)...)
	}
	return all
}

// release allows the deletion of a flow log for half an hour in the state of each daemon, as `flowkeeper inventory
// release` does. It takes no flow log whose place a decoy shares, because the decoy would be protected then.
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
		_, err := d.store.ChangeRows(context.Background(), func(r *inventory.Row) bool {
			if r.ID != f.ID || r.State != inventory.Live {
				return false
			}
			r.Release(p.daemonNow(), p.daemonNow().Add(30*time.Minute), "planned")
			return true
		})
		p.must(err)
	}
}

// another makes a flow log on a new resource, which no snapshot has.
func (p *play) another() {
	p.count++
	n := p.random.IntN(3)
	if p.holds {
		n = 0 // where others deliver, too
	}
	p.set(fmt.Sprintf("vpc-new-%d", p.count), n, p.now)
}

// sneak makes a flow log that delivers to the attacker's bucket, and must never be restored. It is not wanted, so
// check fails if a daemon makes one like it.
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
