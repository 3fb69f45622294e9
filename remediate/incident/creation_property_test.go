package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"pgregory.net/rapid"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// daemon is a model of one Flowkeeper: its state file, and the steps that package remediate takes.
type daemon struct {
	*cloud
	now       time.Time
	fair      bool // AWS answers, shows what is there, and nobody deletes anything
	rows      map[string]inventory.Row
	incidents map[string]Incident
	applied   map[string]bool // records, by flow log and event ID
	pending   [][]string      // the flow logs of each record that is still to come
	events    int
	cases     byte
	log       []string // what happened, printed with a failure
}

func (d *daemon) happened(format string, args ...any) {
	d.log = append(d.log, d.now.Sub(noon).String()+" "+fmt.Sprintf(format, args...))
}

// commit is one transaction.
func (d *daemon) commit(do func(*Case)) {
	c := given()
	d.cases++
	c.Now, c.Random[0], c.Policy.TokenKey, c.Policy.MaxRestores = d.now, d.cases, "key", 0
	c.Load(slices.Collect(maps.Values(d.rows)), slices.Collect(maps.Values(d.incidents)))
	do(c)
	rows, incidents := c.Changes()
	for _, r := range rows {
		d.rows[r.ID] = r
	}
	for _, i := range incidents {
		d.incidents[i.FlowLogID] = i
	}
}

func (d *daemon) often(what string) bool { return !d.fair && rapid.Bool().Draw(d.t, what) }

func (d *daemon) seldom(what string) bool {
	return !d.fair && rapid.IntRange(0, 4).Draw(d.t, what) == 0
}

// pass lets time pass within a step.
func (d *daemon) pass() {
	d.now = d.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(d.t, "seconds")) * time.Second)
}

// record applies a record of DeleteFlowLogs.
func (d *daemon) record(ids []string, event string) {
	d.happened("a record of %v", ids)
	d.commit(func(c *Case) {
		for _, id := range ids {
			c.ApplyRecord(id, Record{EventID: event, Time: d.now, Actor: alert.Actor{ARN: "arn:aws:iam::111122223333:user/mallory"}, Rule: Rule{Action: Restore}, Applied: d.applied[id+event]})
			d.applied[id+event] = true
		}
		c.Sharing().Gather(event, ids)
	})
}

// attack deletes some flow logs; the record comes at once, or later.
func (d *daemon) attack() {
	var ids []string
	for _, f := range d.flowLogs {
		if f.deletedAt.IsZero() && d.often("delete "+f.ID) {
			f.deletedAt = d.now
			ids = append(ids, f.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	d.happened("deleted %v", ids)
	d.pending = append(d.pending, ids)
	if d.often("its record comes at once") {
		d.deliver()
	}
}

// deliver delivers the records that are to come.
func (d *daemon) deliver() {
	for _, ids := range d.pending {
		d.events++
		event := fmt.Sprint("e-", d.events)
		d.record(ids, event)
		if d.seldom("twice") {
			d.record(ids, event)
		}
	}
	d.pending = nil
}

// refresh writes what AWS lists into the snapshot.
func (d *daemon) refresh() {
	shown := d.describe(d.now, d.fair)
	d.commit(func(c *Case) {
		for _, id := range slices.Sorted(maps.Keys(shown)) {
			if c.Rows().ApplyFound(shown[id], DestinationFacts{Trusted: true}, d.now) {
				d.happened("a refresh finds %s", id)
			}
			if i, ok := c.Incident(id); ok && !i.Known {
				c.Rows().Relearn(id)
			}
		}
	})
}

// step takes up incidents that are due, and those that may share a call with them.
func (d *daemon) step() {
	var due []Incident
	calls := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(d.incidents)) {
		i := d.incidents[id]
		if i.NextAttemptAt.IsZero() || i.NextAttemptAt.After(d.now) || i.Terminal() || d.seldom("later: "+id) {
			continue
		}
		due = append(due, i)
		if i.Call != nil {
			calls[i.CallKey()] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.incidents)) {
		i := d.incidents[id]
		isDue := slices.ContainsFunc(due, func(o Incident) bool { return o.FlowLogID == id })
		if calls[i.CallKey()] && !isDue && !d.seldom("a step has no room for "+id) {
			due = append(due, i)
		}
	}
	var tagging []Incident
	due = slices.DeleteFunc(due, func(i Incident) bool {
		_, atOnce := i.LacksTags(policy, d.now)
		if atOnce {
			tagging = append(tagging, i)
		}
		return atOnce
	})
	o := Observation{At: d.now, Resources: map[string]bool{}, FlowLogs: d.describe(d.now, d.fair)}
	for _, i := range due {
		o.Resources[i.ResourceID] = true
	}
	d.pass()
	if d.seldom("a record comes meanwhile") {
		d.deliver()
	}
	var lone []Incident
	var together []Creation
	d.commit(func(c *Case) {
		var sharing []string
		for _, i := range due {
			now, _ := c.Incident(i.FlowLogID)
			lacks, _ := now.LacksTags(policy, d.now)
			_, there := o.FlowLogs[now.NewID]
			switch {
			case lacks && there:
				tagging = append(tagging, now)
			case now.State == Restored:
				c.verify(now.FlowLogID, o)
			case !now.Pending():
			case c.decideAfter(now, o).Next != Create:
				c.applyObservation(now.FlowLogID, o)
			case now.sharesCall():
				sharing = append(sharing, now.FlowLogID)
			default:
				lone = append(lone, now)
			}
		}
		most := 99
		if d.seldom("few calls") {
			most = 1
		}
		together = c.Sharing().Share(sharing, func(Incident) Observation { return o }, most)
	})
	noted := d.now
	for _, i := range lone {
		d.create(i)
	}
	for _, g := range together {
		if d.now.Sub(noted) > SendWithin {
			continue
		}
		if len(g.Incidents) == 1 {
			d.create(g.Incidents[0])
		} else {
			d.createTogether(g)
		}
	}
	for _, some := range TagBatches(tagging) {
		d.tagAll(some)
	}
}

// fate says what becomes of a call.
type fate int

const (
	answers   fate = iota
	partly         // some of its flow logs are refused
	unsent         // the daemon dies before it sends the call
	died           // the daemon dies after AWS has executed the call
	noAnswer       // AWS executes the call, and the answer is lost
	throttled      // AWS refuses its rate
	refuses        // AWS refuses all of it
	usedUp         // somebody else used its token just before
)

func (d *daemon) fate() fate {
	if d.fair {
		return answers
	}
	return rapid.SampledFrom([]fate{answers, answers, partly, unsent, died, noAnswer, throttled, refuses, usedUp}).Draw(d.t, "fate")
}

// create is one call for one incident.
func (d *daemon) create(i Incident) {
	f := d.fate()
	in := CreateInput(i, TokenKey("key").Token(i))
	var a Answer
	switch f {
	case unsent:
		return
	case throttled:
		a = Answer{Class: TryAgain, Message: "throttled", NoEffect: true}
	case refuses, partly:
		a = Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", NoEffect: true}
	default:
		if f == usedUp {
			d.useUp(aws.ToString(in.ClientToken))
		}
		made := d.cloud.create(in, nil, d.now)
		d.happened("create %s: %v, fate %d", i.FlowLogID, made.ids, f)
		switch {
		case f == died:
			return
		case f == noAnswer:
			a = Answer{Class: TryAgain, Message: "no answer"}
		case made.mismatch:
			a = Answer{Class: TokenMismatch, Message: "mismatch", NoEffect: true}
		default:
			a = Answer{Class: Succeeded, ID: made.ids[0]}
		}
	}
	after := Observation{At: d.now, Resources: map[string]bool{i.ResourceID: true}, FlowLogs: d.describe(d.now, d.fair)}
	d.pass()
	d.commit(func(c *Case) { c.ApplyAnswer(i.FlowLogID, a, after, 0) })
}

// createTogether is one call for several incidents.
func (d *daemon) createTogether(g Creation) {
	f := d.fate()
	in := g.Input()
	some := rapid.SampledFrom(in.ResourceIds).Draw(d.t, "which")
	refused := func(a Answer) CreationAnswer { return CreationAnswer{Refused: &a} }
	var a CreationAnswer
	switch f {
	case unsent:
		return
	case throttled:
		a = refused(Answer{Class: TryAgain, Message: "throttled", NoEffect: true})
	case refuses:
		names := rapid.SampledFrom([]string{"what?", some + " is wrong"}).Draw(d.t, "says")
		a = refused(Answer{Class: NeedsPerson, Reason: Invalid, Message: names, NoEffect: true})
	default:
		var without []string
		if f == partly || f == died && d.seldom("partly") {
			without = []string{some}
		}
		if f == usedUp {
			d.useUp(aws.ToString(in.ClientToken))
		}
		made := d.cloud.create(in, without, d.now)
		d.happened("create %v: %v, fate %d", in.ResourceIds, made.ids, f)
		switch {
		case f == died:
			return
		case f == noAnswer:
			a = refused(Answer{Class: TryAgain, Message: "no answer"})
		case made.mismatch:
			a = refused(Answer{Class: TokenMismatch, Message: "mismatch", NoEffect: true})
		default:
			a = d.readAnswer(made)
		}
	}
	d.pass()
	d.commit(func(c *Case) { c.Sharing().ApplyCreation(g, a, 0) })
}

func (d *daemon) readAnswer(made cloudAnswer) CreationAnswer {
	a := CreationAnswer{Items: map[string]Answer{}, Made: map[string]inventory.FlowLog{}}
	for _, resource := range made.notMade {
		a.Items[resource] = rapid.SampledFrom([]Answer{
			{Class: TryAgain, Message: "internal", NoEffect: true},
			{Class: NeedsPerson, Reason: Limit, Message: "too many", NoEffect: true},
			{Class: AlreadyThere, Message: "exists", NoEffect: true},
		}).Draw(d.t, "item")
	}
	shown := d.describe(d.now, d.fair)
	for _, id := range made.ids {
		if f, ok := shown[id]; ok {
			a.Made[f.ResourceID] = f
		}
	}
	return a
}

// tagAll is one CreateTags call.
func (d *daemon) tagAll(some []Incident) {
	var ids []string
	for _, i := range some {
		ids = append(ids, i.NewID)
	}
	var a Answer
	switch f := d.fate(); f {
	case unsent:
		return
	case throttled:
		a = Answer{Class: TryAgain, Message: "throttled", NoEffect: true}
	case refuses, partly, usedUp:
		a = Answer{Class: NeedsPerson, Reason: Invalid, Message: ids[0] + " is wrong", NoEffect: true}
	default:
		a = d.tag(ids, some[0].MissingTags, d.now)
		d.happened("tag %v: %s, fate %d", ids, a.Message, f)
		switch f {
		case died:
			return
		case noAnswer:
			a = Answer{Class: TryAgain, Message: "no answer"}
		}
	}
	d.pass()
	d.commit(func(c *Case) { c.Sharing().ApplyTags(some, a, 0) })
}

// newDaemon is a daemon whose last refresh was an hour ago.
func newDaemon(t *rapid.T) *daemon {
	d := &daemon{cloud: &cloud{t: t, answers: map[string]cloudAnswer{}}, now: noon, rows: map[string]inventory.Row{}, incidents: map[string]Incident{}, applied: map[string]bool{}}
	for vpc := range rapid.IntRange(2, 5).Draw(t, "VPCs") {
		for n, change := range []func(*inventory.FlowLog){func(*inventory.FlowLog) {}, elsewhere}[:rapid.IntRange(1, 2).Draw(t, "flow logs")] {
			id := fmt.Sprintf("fl-%d-%d", vpc, n)
			r := live(id, does(change), func(r *inventory.Row) {
				r.ResourceID = fmt.Sprint("vpc-", vpc)
				r.Tags = rapid.SampledFrom([]map[string]string{nil, tagMap("a", "1"), tagMap("a", "1", "b", "2"), tagMap("a", "2")}).Draw(t, "tags")
			})
			d.rows[id] = r
			d.flowLogs = append(d.flowLogs, &cloudFlowLog{FlowLog: r.FlowLog})
		}
	}
	return d
}

// checkBack checks that each flow log is back, once, with its tags, and that the state file
// says so.
func (d *daemon) checkBack(roots []cloudFlowLog) {
	for _, root := range roots {
		back := d.alive(root.ResourceID, root.LogDestination)
		if len(back) != 1 {
			d.t.Fatalf("%s is back %d times, want once", root.ID, len(back))
		}
		if missing := missingTags(root.Tags, back[0].Tags); missing != nil {
			d.t.Fatalf("%s is back as %s, which lacks %v", root.ID, back[0].ID, missing)
		}
		d.commit(func(c *Case) {
			if last := c.Successor(root.ID); last != back[0].ID {
				d.t.Fatalf("%s is back as %s, but the state file says %s", root.ID, back[0].ID, last)
			}
		})
		if row := d.rows[back[0].ID]; !row.Protected || row.State != inventory.Live {
			d.t.Fatalf("I6: %s is not protected: %+v", back[0].ID, row)
		}
	}
}

// TestSharedCreatesMakeNoDoubles: a single daemon makes no second flow log for a lost one, and restores all of them,
// even if records are late, and answers of AWS are lost, stale or refusals. AWS may refuse a second flow log; this
// cloud does not.
func TestSharedCreatesMakeNoDoubles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := newDaemon(t)
		defer func() {
			if t.Failed() {
				for _, id := range slices.Sorted(maps.Keys(d.incidents)) {
					i := d.incidents[id]
					d.log = append(d.log, fmt.Sprintf("%s on %s to %s is %s %s, new %s, at %s", id, i.ResourceID, i.Frozen.LogDestination, i.State, i.Reason, i.NewID, i.NextAttemptAt.Sub(noon)))
				}
				t.Log(strings.Join(d.log, "\n"))
			}
		}()
		var roots []cloudFlowLog
		for _, f := range d.flowLogs {
			roots = append(roots, *f)
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1:
				d.attack()
			case 2:
				d.deliver()
			case 3:
				d.refresh()
			default:
				d.step()
			}
			d.now = d.now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute}).Draw(t, "pause"))
		}
		d.fair = true
		d.deliver()
		for range 120 {
			d.now = d.now.Add(15 * time.Second)
			d.step()
		}
		d.checkBack(roots)
	})
}
