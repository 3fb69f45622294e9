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

// wantAllRestored checks that each resource of the planted flow logs has exactly one flow log, with the same
// settings and tags, except for the tag that says which flow log was restored.
func (s *scene) wantAllRestored(planted []fakeaws.FlowLog) {
	s.t.Helper()
	is := map[string][]fakeaws.FlowLog{}
	for _, f := range s.world.FlowLogs(account, region) {
		is[f.ResourceID] = append(is[f.ResourceID], f)
	}
	for _, want := range planted {
		have := is[want.ResourceID]
		if len(have) != 1 {
			s.t.Fatalf("%d flow logs on %s, want 1", len(have), want.ResourceID)
		}
		f := have[0]
		f.Tags = maps.Clone(f.Tags)
		delete(f.Tags, incident.RestoredFrom)
		f.ID, f.CreatedAt = want.ID, want.CreatedAt
		if fmt.Sprintf("%+v", f) != fmt.Sprintf("%+v", want) {
			s.t.Fatalf("restored as\n%+v\nwant\n%+v", f, want)
		}
	}
}

// plantMany plants flow logs, each on a VPC of its own, and lets the snapshot learn them: some are equal except
// for their tags, some are equal, and some differ from all others.
func (s *scene) plantMany(tagged, equal, unlike int) (ids []string, planted []fakeaws.FlowLog) {
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
	planted = s.world.FlowLogs(account, region)
	s.learn()
	return ids, planted
}

// massRestore is a case of a mass deletion, with AWS's real rates: 50 creates at once and 5 more each second.
type massRestore struct {
	tagged, equal, unlike int // flow logs, see plantMany

	breaks  func(*scene)  // makes AWS fail, before the record of the deletion arrives
	heals   func(*scene)  // ends the failure, a minute later
	gone    []string      // resources that the attacker deletes, too, so that their flow logs can't come back
	refused []string      // resources whose flow logs AWS refuses until heals is called
	dies    int           // the process dies at this point, and is started again; 0: it does not die
	daemons int           // daemons that get the record; 0: one
	creates int           // the most creates until all are back
	half    time.Duration // the longest time, from the deletion, until half of the flow logs are back
	last    time.Duration // until all are back, except those of gone and refused
	healed  time.Duration // until the refused ones are back, too
}

// threeHundred is the smaller case: the kinds of flow logs are mixed as in that of a thousand. Without a failure it takes
// 32 creates: one for the tagged flow logs, one for the equal ones, and one for each of the other thirty. AWS allows
// 50 at once, so that no call waits.
var threeHundred = massRestore{tagged: 180, equal: 90, unlike: 30, creates: 32, half: time.Second, last: time.Second}

func (m massRestore) with(change func(*massRestore)) massRestore {
	change(&m)
	return m
}

// TestMassRestoreAtAWSRates: one call deletes many flow logs. Whatever fails, each is restored once, as it was,
// by few calls, and as soon as AWS's rates allow these calls. All times are those of the synctest bubble. A
// thousand flow logs take more than ten seconds of computing, so that only the case without a failure has a
// thousand.
func TestMassRestoreAtAWSRates(t *testing.T) {
	t.Parallel()
	denied := "Access Denied for LogDestination: flow-logs"
	var refused []string
	for n := range 10 {
		refused = append(refused, fmt.Sprintf("vpc-%d", n*30)) // some of each kind
	}
	all := map[string]massRestore{
		"a thousand": {tagged: 600, equal: 300, unlike: 100, creates: 110, half: 2 * time.Second, last: 15 * time.Second},
		"300":        threeHundred,
		// Each lost answer costs a repeat of the call.
		"answers are lost": threeHundred.with(func(m *massRestore) {
			m.breaks = func(s *scene) { s.world.LoseAnswers("CreateFlowLogs", 3) }
			m.creates += 3
		}),
		// Each refused flow log is tried alone, after 15, 45 and 105 seconds.
		"a part is refused": threeHundred.with(func(m *massRestore) {
			m.refused = refused
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
		// Each refusal of AWS names one resource that is gone. Its flow log is tried alone, and the others share another call.
		"some resources are gone": threeHundred.with(func(m *massRestore) {
			m.gone = []string{"vpc-1", "vpc-100", "vpc-170", "vpc-181", "vpc-269", "vpc-280", "vpc-299"}
			m.creates += 2 * len(m.gone)
		}),
		// The tagged flow logs are created alone after the refused call: 212 calls, of which 162 wait for the rate of five a second.
		"a tag policy refuses the common call": threeHundred.with(func(m *massRestore) {
			m.breaks = func(s *scene) {
				s.world.Configure(func(e *fakeawstest.EC2Settings) { e.TagPolicy = fakeawstest.TagPolicy{Required: []string{"Name"}} })
			}
			m.creates += 180
			m.half, m.last = 5*time.Second, 34*time.Second
		}),
		// The daemons make 96 calls, of which 46 wait for the rate, and repeat those that AWS throttles.
		"three daemons": threeHundred.with(func(m *massRestore) {
			m.daemons = 3
			m.creates *= 4
			m.half, m.last = 2*time.Second, 15*time.Second
		}),
	}
	for _, point := range []int{4, 7, 12, 48} {
		// The calls that were under way when the process died, four at most, are repeated.
		all[fmt.Sprintf("killed at point %d", point)] = threeHundred.with(func(m *massRestore) {
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

// callsAtOnce is how many calls a daemon makes at the same time in a scope.
const callsAtOnce = 4

func (m massRestore) play(t *testing.T) {
	s := newScene(t)
	s.bubble = true
	ids, planted := s.plantMany(m.tagged, m.equal, m.unlike)
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
	half, last := back(len(ids)/2), back(lost-len(m.refused))
	if half > m.half || last > m.last {
		t.Errorf("half are back after %s, all after %s; want %s and %s", half, last, m.half, m.last)
	}
	time.Sleep(time.Until(began.Add(time.Minute)))
	if m.heals != nil {
		m.heals(s)
		if healed := back(lost); healed > m.healed {
			t.Errorf("the refused flow logs are back after %s, want %s", healed, m.healed)
		}
	}
	if n := s.creates(); n > m.creates {
		t.Errorf("%d creates, want at most %d", n, m.creates)
	}
	time.Sleep(20 * time.Minute)
	s.wantAllRestored(slices.DeleteFunc(slices.Clone(planted), func(f fakeaws.FlowLog) bool { return slices.Contains(m.gone, f.ResourceID) }))
	want := map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1}
	if len(m.refused) > 0 {
		want[alert.Blocked] = 1
	}
	for _, d := range daemons {
		for n, id := range ids {
			if slices.Contains(m.gone, planted[n].ResourceID) {
				d.wantState(id, incident.Closed, incident.ResourceGone)
			} else {
				d.wantState(id, incident.Verified, "")
			}
		}
		d.wantAlertCounts(want)
	}
}

// die lets the process die at the point m.dies, and starts it again.
func (m massRestore) die(s *scene) {
	s.t.Helper()
	c := &crasher{left: m.dies, Store: s.store.Remediation(), EC2: s.api}
	s.r.Store, s.r.Fleet = c, fleet{scope: c}
	stop := s.run(func() {})
	for began := time.Now(); !c.isDead(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			s.t.Fatal("the process does not come to the point at which it should die")
		}
	}
	stop()
	s.crash()
}

// TestTheStoredAlertOfAMassDeletionIsBounded: flow logs have long formats and many large tags. The alert of
// their deletion has at most 256 KB: it names all flow logs, but leaves out formats and tags.
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
		t.Errorf("the incident has %d tags, want 50", len(i.Frozen.Tags))
	}
}
