package incident

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
)

// observedAt is an observation of all VPCs of a case that was made at a time.
func observedAt(c *Case, at time.Time, shown ...inventory.FlowLog) Observation {
	o := Observation{At: at, Resources: map[string]bool{}, FlowLogs: map[string]inventory.FlowLog{}}
	for _, i := range c.incidents.byID {
		o.Resources[i.ResourceID] = true
	}
	for _, f := range shown {
		o.FlowLogs[f.ID] = f
	}
	return o
}

// shared plans the calls for all incidents after an observation made at a time, and returns them: "call", or "again" if
// the same call was sent before.
func shared(most int, at time.Time, shown ...inventory.FlowLog) func(*Case) string {
	return func(c *Case) string {
		before := map[string]string{} // tokens
		for id, i := range c.incidents.byID {
			if i.Call != nil {
				before[id] = i.Call.Token
			}
		}
		o := observedAt(c, at, shown...)
		var out []string
		tokens := map[string]bool{}
		for _, g := range c.Sharing().Share(all(c), func(Incident) Observation { return o }, most) {
			verb := "call"
			if len(g.Incidents) > 0 && before[g.Incidents[0].FlowLogID] == g.Token {
				verb = "again"
			}
			var ids []string
			for _, i := range g.Incidents {
				ids = append(ids, i.FlowLogID)
				if now, _ := c.Incident(i.FlowLogID); now.Call == nil || now.Call.Token != g.Token {
					verb += ", not noted,"
				}
			}
			if made := newCreation(slices.Clone(g.Incidents), c.Policy.TokenKey); made.Token != g.Token || tokens[g.Token] {
				verb += ", with a wrong token,"
			}
			tokens[g.Token] = true
			out = append(out, verb+" "+strings.Join(ids, " "))
		}
		return strings.Join(out, " | = ")
	}
}

// inDoubt adds lost flow logs to a case, each on its own VPC, whose call was sent a while ago.
func inDoubt(ago time.Duration, ns []string, change ...func(*Incident)) func(*Case) {
	return func(c *Case) {
		var some []Incident
		for _, n := range ns {
			lostOn(n, change...)(c)
			i, _ := c.Incident("fl-" + n)
			some = append(some, i)
		}
		token := newCreation(slices.Clone(some), c.Policy.TokenKey).Token
		for _, i := range some {
			sent := SentCall{Token: token}
			if i.Call != nil {
				sent = *i.Call
				sent.Token = token
			}
			sent.At, i.Call = now.Add(-ago), &sent
			c.Load(nil, []Incident{i})
		}
	}
}

func with(n string, change func(*Incident)) func(*Case) {
	return func(c *Case) {
		i, _ := c.Incident("fl-" + n)
		change(&i)
		c.Load(nil, []Incident{i})
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	onOne := func(i *Incident) { on("vpc-1")(i) }
	alive := func(id, vpc string) inventory.FlowLog {
		return flowLog(id, func(f *inventory.FlowLog) { f.ResourceID = vpc })
	}
	madeOn := func(n string, change ...func(*inventory.FlowLog)) inventory.FlowLog {
		return made("fl-new-"+n, append([]func(*inventory.FlowLog){func(f *inventory.FlowLog) { f.ResourceID = "vpc-" + n }}, change...)...)
	}
	ofEvent := func(id string) func(*inventory.FlowLog) {
		return func(f *inventory.FlowLog) { f.Tags = tagMap(RestoredFrom, id) }
	}
	final := func(i *Incident) { i.Call = &SentCall{Final: true} }
	shows := policy.ConsistencyWindow + doneWithin
	nothingLeft := func(i *Incident) { i.NothingMadeAt = now }
	madeAgo := func(ago time.Duration, change ...func(*inventory.FlowLog)) inventory.FlowLog {
		f := madeOn("1", change...)
		f.CreatedAt = now.Add(-ago)
		return f
	}
	play(t, []scenario{
		{"alike: one call", given(lostOn("1"), lostOn("2"), lostOn("3", tags("a", "1"))), shared(9, now), `= call fl-1 fl-2 fl-3 | fl-1: Call=sent(now) | fl-2: Call=sent(now) | fl-3: Call=sent(now)`},
		{"different settings, another event, and one that goes alone", given(lostOn("1"), lostOn("2", freezes(rejects)), lostOn("3"), lostOn("4", func(i *Incident) { i.Group = "e-2" }), lostOn("5", alone)), shared(9, now),
			`
			= call fl-1 fl-3
			= call fl-2
			= call fl-4
			= call fl-5
			fl-1: Call=sent(now)
			fl-3: Call=sent(now)
			fl-2: Call=sent(now)
			fl-4: Call=sent(now)
			fl-5: Call=sent(now)`},
		{"two that go alone", given(lostOn("1", alone), lostOn("2", alone)), shared(9, now), `= call fl-1 | = call fl-2 | fl-1: Call=sent(now) | fl-2: Call=sent(now)`},
		{"I9: one is blocked, because it could not be observed: it shares the call", given(lostOn("1"), lostOn("2", func(i *Incident) { i.State = Blocked }), lostOn("3")), shared(9, now), `= call fl-1 fl-2 fl-3 | fl-1: Call=sent(now) | fl-2: Call=sent(now) | fl-3: Call=sent(now)`},
		{"the same resource twice", given(lostOn("1"), lostOn("2", onOne), lostOn("3")), shared(9, now), `= call fl-1 fl-3 | = call fl-2 | fl-1: Call=sent(now) | fl-3: Call=sent(now) | fl-2: Call=sent(now)`},
		{"at most two calls", given(lostOn("1"), lostOn("2", freezes(rejects)), lostOn("3", freezes(elsewhere))), shared(2, now), `= call fl-1 | = call fl-2 | fl-1: Call=sent(now) | fl-2: Call=sent(now)`},
		{"no call", given(lostOn("1")), shared(0, now), ``},

		{"I2: shown alive", given(lostOn("1"), lostOn("2"), lostOn("3")), shared(9, now, alive("fl-2", "vpc-2")), `= call fl-1 fl-3 | fl-1: Call=sent(now) | fl-3: Call=sent(now)`},
		{"I3: an equivalent is there", given(lostOn("1"), lostOn("2"), lostOn("3")), shared(9, now, madeOn("2")), `= call fl-1 fl-3 | fl-1: Call=sent(now) | fl-3: Call=sent(now)`},
		{"I4: opened since it was observed", given(lostOn("1"), lostOn("2", func(i *Incident) { i.OpenedAt = now })), shared(9, now.Add(-time.Second)), `= call fl-1 | fl-1: Call=sent(now)`},
		{"restored since it was observed", given(lostOn("1"), lostOn("2", func(i *Incident) { i.State, i.NewID = Restored, "fl-9" })), shared(9, now), `= call fl-1 | fl-1: Call=sent(now)`},
		{"closed since it was observed", given(lostOn("1"), lostOn("2", func(i *Incident) { i.State = Closed })), shared(9, now), `= call fl-1 | fl-1: Call=sent(now)`},
		{"waiting", given(lostOn("1"), lostOn("2", func(i *Incident) { i.WaitUntil, i.Waited = now.Add(time.Second), time.Minute })), shared(9, now), `= call fl-1 | fl-1: Call=sent(now)`},
		{"there is no incident", given(lostOn("1")), func(c *Case) string {
			return fmt.Sprint(len(c.Sharing().Share([]string{"fl-9"}, func(Incident) Observation { return observedAt(c, now) }, 9)))
		}, `= 0`},

		{"I4: in doubt, with the same members: the same call", given(inDoubt(10*time.Second, []string{"1", "2"}), lostOn("3")), shared(9, now), `= again fl-1 fl-2 | = call fl-3 | fl-1: Call=sent(now, before -10s) | fl-2: Call=sent(now, before -10s) | fl-3: Call=sent(now)`},
		{"I4: in doubt for so long that AWS must show what was made: the same call even so", given(inDoubt(time.Hour, []string{"1", "2"})), shared(9, now), `= again fl-1 fl-2 | fl-1: Call=sent(now, before -1h0m0s) | fl-2: Call=sent(now, before -1h0m0s)`},
		{"I4: one in doubt, alone", given(inDoubt(10*time.Second, []string{"1"})), shared(9, now), `= again fl-1 | fl-1: Call=sent(now, before -10s)`},
		{"I9: in doubt, and as many as one call may be for", given(inDoubt(10*time.Second, []string{"1", "2"}, halved)), shared(9, now), `= again fl-1 fl-2 | fl-1: Call=sent(now, before -10s) | fl-2: Call=sent(now, before -10s)`},
		{"I4: in doubt, alone by now, and blocked", given(inDoubt(10*time.Second, []string{"1", "2"}), with("1", alone), with("2", func(i *Incident) { i.State = Blocked })), shared(9, now), `fl-1: NextAttemptAt=+10s | fl-2: NextAttemptAt=+10s`},
		{"I9: in doubt, and halved since: not repeated", given(inDoubt(10*time.Second, []string{"1", "2"}, func(i *Incident) { i.AtMost = 1 })), shared(9, now), `fl-1: NextAttemptAt=+10s | fl-2: NextAttemptAt=+10s`},
		{"I9: halved", given(lostOn("1", halved), lostOn("2", halved), lostOn("3", halved)), shared(9, now), `= call fl-1 fl-2 | = call fl-3 | fl-1: Call=sent(now) | fl-2: Call=sent(now) | fl-3: Call=sent(now)`},
		{"a call in doubt comes before others", given(lostOn("1"), inDoubt(10*time.Second, []string{"2", "3"})), shared(1, now), `= again fl-2 fl-3 | fl-2: Call=sent(now, before -10s) | fl-3: Call=sent(now, before -10s)`},
		{"I4: in doubt, and one is there", given(inDoubt(10*time.Second, []string{"1", "2", "3"})), shared(9, now, madeOn("2", ofEvent("e-1"))), `fl-1: NextAttemptAt=+10s | fl-3: NextAttemptAt=+10s`},
		{"I4: in doubt, and one is there: anew, once every observation must show what was made", given(inDoubt(shows, []string{"1", "2", "3"})), shared(9, now, madeOn("2", ofEvent("e-1"))), `= call fl-1 fl-3 | fl-1: Generation=1 Call=sent(now) NothingMadeAt=now | fl-3: Generation=1 Call=sent(now) NothingMadeAt=now`},
		{"I4: in doubt, and one is there: not anew just before that", given(inDoubt(shows-1, []string{"1", "2", "3"})), shared(9, now, madeOn("2", ofEvent("e-1"))), `fl-1: NextAttemptAt=+1ns | fl-3: NextAttemptAt=+1ns`},
		{"I4: in doubt for long, and observed before", given(inDoubt(shows+time.Second, []string{"1", "2", "3"})), shared(9, now.Add(-2*time.Second), madeOn("2", ofEvent("e-1"))), `fl-1: NextAttemptAt=now | fl-3: NextAttemptAt=now`},
		{"I3: AWS shows what an earlier call has made, of which nothing is left", given(lostOn("1", nothingLeft)), shared(9, now, madeAgo(policy.ConsistencyWindow/2+1, ofEvent("e-1"))), `= call fl-1 | fl-1: Call=sent(now)`},
		{"I3: AWS shows what a later call has made", given(lostOn("1", nothingLeft)), shared(9, now, madeAgo(policy.ConsistencyWindow/2, ofEvent("e-1"))), ``},
		{"I3: AWS shows what somebody else has made", given(lostOn("1", nothingLeft)), shared(9, now, madeAgo(policy.ConsistencyWindow)), ``},
		{"I4: in doubt, with another key", given(inDoubt(10*time.Second, []string{"1", "2"}), func(c *Case) { c.Policy.TokenKey = "other" }), shared(9, now), `fl-1: NextAttemptAt=+10s | fl-2: NextAttemptAt=+10s`},
		{"I4: in doubt, and one belongs to another event by now: it stays in its group", given(inDoubt(shows, []string{"1", "2"}), with("1", func(i *Incident) { i.EventID = "e-2" })), shared(9, now), `= again fl-1 fl-2 | fl-1: Call=sent(now, before -2m30s) | fl-2: Call=sent(now, before -2m30s)`},
		{"two are no longer in doubt, and one never was: one call", given(inDoubt(shows, []string{"1", "2"}, final), lostOn("3")), shared(9, now), `
			= call fl-1 fl-2 fl-3
			fl-1: Generation=1 Call=sent(now) NothingMadeAt=now
			fl-2: Generation=1 Call=sent(now) NothingMadeAt=now
			fl-3: Call=sent(now)`},
		{"two are no longer in doubt, but the only call is for another one", given(inDoubt(shows, []string{"1", "2"}, final), lostOn("3", freezes(rejects))), shared(1, now), `= call fl-3 | fl-3: Call=sent(now)`},
		{"I4: final: no repeat", given(inDoubt(10*time.Second, []string{"1", "2"}, final)), shared(9, now), `fl-1: NextAttemptAt=+10s | fl-2: NextAttemptAt=+10s`},
		{"I4: final, alone", given(inDoubt(shows, []string{"1"}, final)), shared(9, now), `= call fl-1 | fl-1: Generation=1 Call=sent(now) NothingMadeAt=now`},
		{"I4: final, and alone by now", given(inDoubt(shows, []string{"1"}, final, alone)), shared(9, now), `= call fl-1 | fl-1: Generation=1 Call=sent(now) NothingMadeAt=now`},
		{"I4: final, with a random token", given(inDoubt(shows, []string{"1"}, final, func(i *Incident) { i.RandomToken = "random" })), shared(9, now), `= call fl-1 | fl-1: Generation=1 RandomToken=2dd64fdab7df4dea7c59f6857dfe200fe04532e7… Call=sent(now) NothingMadeAt=now`},
		{"I4: final, alone, and handed on by another: its own token may have been sent", given(lostOn("1", alone, func(i *Incident) { i.Call = &SentCall{Token: "another's", At: now.Add(-shows), Final: true} })), shared(9, now), `= call fl-1 | fl-1: Call=sent(now) NothingMadeAt=now`},

		{"the clock went back: the call was sent in the future", given(inDoubt(-time.Hour, []string{"1", "2"}, final)), shared(9, now), `fl-1: Call=sent(now, final) NextAttemptAt=+1s | fl-2: Call=sent(now, final) NextAttemptAt=+1s`},
		{"the clock went back: the observation was made in the future", given(inDoubt(10*time.Second, []string{"1", "2"}, final)), shared(9, now.Add(time.Hour)), `fl-1: NextAttemptAt=+10s | fl-2: NextAttemptAt=+10s`},
	})
}

// TestShareChunks: no call has more resources than AWS takes.
func TestShareChunks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		n        int
		resource string
		each     int // flow logs of each resource
		want     []int
	}{
		{"as many as one call takes", MostResources, "vpc-", 1, []int{300}},
		{"one more", MostResources + 1, "vpc-", 1, []int{300, 1}},
		{"seven hundred", 700, "subnet-", 1, []int{300, 300, 100}},
		{"transit gateways", 60, "tgw-", 1, []int{25, 25, 10}},
		{"their attachments", 26, "tgw-attach-", 1, []int{25, 1}},
		{"three on each resource", 9, "vpc-", 3, []int{3, 3, 3}},
		{"two on each of 301 resources", 602, "vpc-", 2, []int{300, 300, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := given()
			for n := range c.n {
				lostOn(fmt.Sprintf("%04d", n), on(fmt.Sprint(c.resource, n/c.each)))(k)
			}
			o := observedAt(k, now)
			var sizes []int
			done, tokens := map[string]bool{}, map[string]bool{}
			for _, g := range k.Sharing().Share(all(k), func(Incident) Observation { return o }, 99) {
				sizes = append(sizes, len(g.Incidents))
				resources := g.Input().ResourceIds
				slices.Sort(resources)
				if len(slices.Compact(resources)) != len(g.Incidents) {
					t.Errorf("a call has a resource twice: %v", g.Input().ResourceIds)
				}
				for _, i := range g.Incidents {
					if done[i.FlowLogID] {
						t.Errorf("%s is in two calls", i.FlowLogID)
					}
					done[i.FlowLogID] = true
				}
				if tokens[g.Token] {
					t.Error("two calls have one token")
				}
				tokens[g.Token] = true
			}
			if !slices.Equal(sizes, c.want) || len(done) != c.n {
				t.Errorf("calls of %v, want %v", sizes, c.want)
			}
		})
	}
}

// TestObserveAt: after a call in doubt, AWS is asked after 1, 2, 4 and 8 s, then every 15 s, and once when every
// observation must show what the call has made.
func TestObserveAt(t *testing.T) {
	t.Parallel()
	sent := SentCall{At: noon}
	var got []time.Duration
	for at := noon; at.Before(sent.showsBy(policy)); {
		at = sent.observeAt(policy, at)
		got = append(got, at.Sub(noon))
	}
	var want []time.Duration
	for _, s := range []int{1, 2, 4, 8, 16, 31, 46, 61, 76, 91, 106, 121, 136, 150} {
		want = append(want, time.Duration(s)*time.Second)
	}
	if !slices.Equal(got, want) {
		t.Errorf("after %v, want %v", got, want)
	}
	if late := noon.Add(time.Hour); !sent.observeAt(policy, late).Equal(late) {
		t.Error("AWS is not asked at once, although every observation must show by now what the call has made")
	}
}

// halved is an incident whose call AWS has refused. Its next call is for two at most.
func halved(i *Incident) { i.AtMost = 2 }

// TestI4NoCallForWhatWasHandedOn: a step plans the calls of a flow log and of its lost replacement
// together. If the first hands its call in doubt on to the second, the second must not be created
// now: the call may have made another flow log, which AWS does not show yet.
func TestI4NoCallForWhatWasHandedOn(t *testing.T) {
	t.Parallel()
	sent := func(token string, ago time.Duration) func(*Incident) {
		return func(i *Incident) {
			i.Group, i.Call = "", &SentCall{Token: token, At: now.Add(-ago), Final: true}
		}
	}
	nothing := func(*Incident) {}
	for name, second := range map[string]func(*Incident){
		"nothing was sent for the second":                                nothing,
		"a call for the second is in doubt, too":                         sent("U", time.Second),
		"a call for the second is in doubt, and would show what it made": sent("U", time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := given(lostOn("1", sent("T", time.Second)), lostOn("2", on("vpc-1"), second), func(c *Case) {
				row, _ := c.Row("fl-2")
				row.CreatedAt, row.Tags = noon, tagMap(RestoredFrom, "fl-1")
				c.Load([]inventory.Row{row}, nil)
			})
			o := observedAt(c, now)
			if calls := c.Sharing().Share([]string{"fl-1", "fl-2"}, func(Incident) Observation { return o }, 9); len(calls) > 0 {
				t.Errorf("%d calls, the first for %s", len(calls), calls[0].Incidents[0].FlowLogID)
			}
			if i, _ := c.Incident("fl-2"); i.Call == nil || i.Call.Token != "T" || !i.Call.Final || !i.Call.At.Equal(now.Add(-time.Second)) {
				t.Errorf("the call in doubt is %+v", i.Call)
			}
		})
	}
}
