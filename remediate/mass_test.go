package remediate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

// wantAllRestored checks that what is there is what was there: one for each, in every setting and tag,
// but for the tag that says what was restored.
func (s *scene) wantAllRestored(were []fakeaws.FlowLog) {
	s.t.Helper()
	is := map[string][]fakeaws.FlowLog{}
	for _, f := range s.world.FlowLogs(account, region) {
		is[f.ResourceID] = append(is[f.ResourceID], f)
	}
	for _, want := range were {
		have := is[want.ResourceID]
		if len(have) != 1 {
			s.t.Fatalf("%d flow logs on %s", len(have), want.ResourceID)
		}
		f := have[0]
		f.Tags = maps.Clone(f.Tags)
		delete(f.Tags, incident.RestoredFrom)
		f.ID, f.CreatedAt = want.ID, want.CreatedAt
		if fmt.Sprintf("%+v", f) != fmt.Sprintf("%+v", want) {
			s.t.Fatalf("not as it was:\n%+v\n%+v", f, want)
		}
	}
}

// plantMany plants flow logs, one a VPC: some that are equal but for their tags, some that are
// equal, and some of which each is unlike all others.
func (s *scene) plantMany(tagged, equal, unlike int) (ids []string, were []fakeaws.FlowLog) {
	s.t.Helper()
	for n := range tagged + equal + unlike {
		ids = append(ids, s.plant(fmt.Sprintf("vpc-%d", n), func(f *fakeaws.FlowLog) {
			f.DeliverStatus = "SUCCESS"
			f.Tags = map[string]string{"team": "network", "Name": "alike"}
			switch {
			case n < tagged:
				f.Tags["Name"] = f.ResourceID
			case n < tagged+equal:
				f.LogFormat = "${version} ${srcaddr}"
			default:
				f.LogFormat = fmt.Sprintf("${version} %d", n)
			}
		}))
	}
	were = s.world.FlowLogs(account, region)
	s.learn()
	return ids, were
}

// massRestore is a mass deletion, at the rates that AWS allows: 50 creates at once and 5 more a second.
type massRestore struct {
	tagged, equal, unlike int // flow logs, as mass has them

	breaks  func(*scene)  // what goes wrong; called before the record of the deletion arrives
	heals   func(*scene)  // a minute later
	gone    []string      // resources that the attacker deletes, too
	kept    []string      // resources whose flow logs AWS refuses until it heals
	dies    int           // the process dies at this point, and is started again; 0: it lives
	daemons int           // that share the queue; 0: one
	creates int           // no more than so many calls until all are back
	half    time.Duration // until half of them are back
	last    time.Duration // until all are that nothing holds back
	healed  time.Duration // until the kept ones are, too
}

// ofAll are the flow logs of the smaller cases: three tenths of a thousand, mixed alike. Where all goes well they
// take 32 creates: one for the tagged, one for the equal, and thirty. AWS allows 50 at once, so none waits.
var ofAll = massRestore{tagged: 180, equal: 90, unlike: 30, creates: 32, half: time.Second, last: time.Second}

func (m massRestore) with(change func(*massRestore)) massRestore {
	change(&m)
	return m
}

// TestMassRestoreAtAWSRates: all flow logs that one call deleted are back, as they were, one each, by
// as few calls as the contract says, and as soon as AWS's rates let these be; whatever fails meanwhile.
// All times are those of the bubble. The contract's thousand take more than ten seconds of computing, so
// only the case without a failure has them; the others have 300.
func TestMassRestoreAtAWSRates(t *testing.T) {
	t.Parallel()
	denied := "Access Denied for LogDestination: flow-logs"
	var refused []string
	for n := range 10 {
		refused = append(refused, fmt.Sprintf("vpc-%d", n*30)) // of each kind
	}
	all := map[string]massRestore{
		"a thousand": {tagged: 600, equal: 300, unlike: 100, creates: 110, half: 2 * time.Second, last: 15 * time.Second},
		"300":        ofAll,
		// Each lost answer costs a repeat of the call.
		"answers are lost": ofAll.with(func(m *massRestore) {
			m.breaks = func(s *scene) { s.world.LoseAnswers("CreateFlowLogs", 3) }
			m.creates += 3
		}),
		// Each of the refused ones is tried alone, after 15, 45 and 105 seconds.
		"a part is refused": ofAll.with(func(m *massRestore) {
			m.kept = refused
			m.breaks = func(s *scene) {
				for _, vpc := range refused {
					s.world.RefuseCreate(vpc, "400", denied)
				}
			}
			m.heals = func(s *scene) {
				for _, vpc := range refused {
					s.world.RefuseCreate(vpc, "", "")
				}
			}
			m.creates += 3 * len(refused)
			m.healed = 2 * time.Minute
		}),
		// AWS names one of them in each refusal: the others share another call, and that one is tried alone.
		"some resources are gone": ofAll.with(func(m *massRestore) {
			m.gone = []string{"vpc-1", "vpc-100", "vpc-170", "vpc-181", "vpc-269", "vpc-280", "vpc-299"}
			m.creates += 2 * len(m.gone)
		}),
		// The tagged go alone, after the call that is refused: 212 calls, of which 162 wait for the rate of five a second.
		"a tag policy refuses the common call": ofAll.with(func(m *massRestore) {
			m.breaks = func(s *scene) {
				s.world.Configure(func(e *fakeawstest.EC2Settings) { e.TagPolicy = fakeawstest.TagPolicy{Required: []string{"Name"}} })
			}
			m.creates += 180
			m.half, m.last = 5*time.Second, 34*time.Second
		}),
		// Together they make three times the calls: 96, of which 46 wait for the rate, and what AWS throttles.
		"three daemons": ofAll.with(func(m *massRestore) {
			m.daemons = 3
			m.creates *= 4
			m.half, m.last = 2*time.Second, 15*time.Second
		}),
	}
	for _, point := range []int{4, 7, 12, 48} {
		// Calls under way when it died, four at most, are made again.
		all[fmt.Sprintf("killed at point %d", point)] = ofAll.with(func(m *massRestore) {
			m.dies = point
			m.breaks = func(s *scene) { s.world.AllowDuplicates(true) }
			m.creates += callsAtOnce
		})
	}
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, m.play)
		})
	}
}

// callsAtOnce is how many calls Flowkeeper makes at the same time.
const callsAtOnce = 4

func (m massRestore) play(t *testing.T) {
	s := newScene(t)
	s.bubble = true
	ids, were := s.plantMany(m.tagged, m.equal, m.unlike)
	daemons := []*scene{s}
	for len(daemons) < m.daemons {
		daemons = append(daemons, s.secondDaemon())
	}
	for _, d := range daemons[1:] {
		d.learn()
	}
	f := s.attack(ids...)
	for _, vpc := range m.gone {
		s.world.RemoveResource(account, region, vpc)
	}
	if m.breaks != nil {
		m.breaks(s)
	}
	s.world.SetRates(fakeawstest.AWSRates())
	began := time.Now()
	back := func(n int) time.Duration {
		for len(s.world.FlowLogs(account, region)) < n && time.Since(began) < time.Hour {
			time.Sleep(10 * time.Millisecond)
		}
		return time.Since(began)
	}
	for _, d := range daemons {
		d.deliver(f)
	}
	if m.dies > 0 {
		m.die(s)
	}
	for _, d := range daemons {
		defer d.run(func() {})()
	}
	lost := len(ids) - len(m.gone)
	half, last := back(len(ids)/2), back(lost-len(m.kept))
	if half > m.half || last > m.last {
		t.Errorf("half are back after %s, all after %s", half, last)
	}
	time.Sleep(time.Until(began.Add(time.Minute)))
	if m.heals != nil {
		m.heals(s)
		if healed := back(lost); healed > m.healed {
			t.Errorf("what was refused is back after %s", healed)
		}
	}
	if n := s.creates(); n > m.creates {
		t.Errorf("%d creates", n)
	}
	time.Sleep(20 * time.Minute)
	s.wantAllRestored(slices.DeleteFunc(slices.Clone(were), func(f fakeaws.FlowLog) bool { return slices.Contains(m.gone, f.ResourceID) }))
	want := map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1}
	if len(m.kept) > 0 {
		want[alert.Blocked] = 1
	}
	for _, d := range daemons {
		for n, id := range ids {
			if slices.Contains(m.gone, were[n].ResourceID) {
				d.wantState(id, incident.Closed, incident.ResourceGone)
			} else {
				d.wantState(id, incident.Verified, "")
			}
		}
		d.wantAlertCounts(want)
	}
}

// die lets the process die at its point, and starts it again.
func (m massRestore) die(s *scene) {
	s.t.Helper()
	c := &crasher{left: m.dies, Store: s.store.Remediation(), EC2: s.api}
	s.r.Store, s.r.Fleet = c, fleet{scope: c}
	stop := s.run(func() {})
	for began := time.Now(); !c.isDead(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			s.t.Fatal("it is not reached")
		}
	}
	stop()
	s.crash()
}

// TestTheStoredAlertOfAMassDeletionIsBounded, whatever formats and tags its flow logs
// have; all of their IDs are in it.
func TestTheStoredAlertOfAMassDeletionIsBounded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	var ids []string
	for k := range 60 {
		ids = append(ids, s.plant(fmt.Sprintf("vpc-%017x", k), func(f *fakeaws.FlowLog) {
			f.LogFormat = strings.Repeat("${pkt-src-aws-service} ", 40)
			f.Tags = map[string]string{}
			for m := range 50 {
				f.Tags[fmt.Sprintf("k%02d-%s", m, strings.Repeat("k", 120))] = strings.Repeat("v", 256)
			}
		}))
	}
	s.learn()
	s.deliver(s.attack(ids...))
	a := s.alerts(alert.Deletion)[0]
	b, err := json.Marshal(a)
	s.must(err)
	if len(b) > 256<<10 || len(a.FlowLogs) != 60 || a.FormatsOmitted != 60 || a.TagsOmitted == 0 {
		t.Errorf("%d bytes, %d flow logs, without the formats of %d, the tags of %d", len(b), len(a.FlowLogs), a.FormatsOmitted, a.TagsOmitted)
	}
	if i := s.incident(ids[59]); len(i.Frozen.Tags) != 50 {
		t.Errorf("the incident has lost its tags: %d", len(i.Frozen.Tags))
	}
}
