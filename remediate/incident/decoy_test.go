package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestLateDecoy: somebody deletes a flow log and makes another one in its place, which a refresh protects before the
// loss is reported. Once AWS confirms the loss, that one is a decoy, unless it may have been there before the loss.
func TestLateDecoy(t *testing.T) {
	t.Parallel()
	after := func(r *inventory.Row) { r.CreatedAt = noon.Add(10 * time.Second); rejects(&r.FlowLog) }
	observe := func(o ...inventory.FlowLog) func(*Case) string {
		return func(c *Case) string {
			shown := Observation{At: now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}
			for _, f := range o {
				shown.FlowLogs[f.ID] = f
			}
			c.applyObservation("fl-1", shown)
			return ""
		}
	}
	decoy := made("fl-2", rejects)
	claims := func(at time.Time) func(*Incident) { return func(i *Incident) { i.DeletedAt = at } }
	seenAt := func(at time.Time) func(*Incident) { return func(i *Incident) { i.LastSeenAt = at } }
	const isGone = `row fl-1: State=gone GoneAt=now`
	const absent = `fl-1: AbsentAt=now NextAttemptAt=now`
	const unprotected = `row fl-2: Protected=false DecoyNotice=(of fl-1, due +5m0s)`
	play(t, []scenario{
		{"made after the loss", given(live("fl-1"), pending("fl-1"), live("fl-2", after)), observe(decoy), isGone + `|` + unprotected + `|` + absent},
		{"a drift, and made since it was last seen", given(gone("fl-1"), pending("fl-1", drifted), live("fl-2", after)), observe(decoy), unprotected + `|` + absent},
		{"lost as well", given(live("fl-1"), pending("fl-1"), live("fl-2", after), pending("fl-2")), observe(), isGone + `|` + unprotected + `|` + absent},
		{"I2: two that do the same, both lost as well: neither is the replacement of the other", given(live("fl-1"), pending("fl-1"), live("fl-2", after), pending("fl-2", freezes(rejects)), live("fl-3", after), pending("fl-3", freezes(rejects))), observe(),
			isGone + `|` + unprotected + `|row fl-3: Protected=false DecoyNotice=(of fl-1, due +5m0s)|` + absent},
		{"I2: the loss is not confirmed", given(live("fl-1"), pending("fl-1"), live("fl-2", after)), observe(flowLog("fl-1"), decoy), `fl-1: AliveSince=now TimesAlive=1 NextAttemptAt=+1s`},
		{"I6: it came back itself, in the place of another", given(live("fl-1"), pending("fl-1"), live("fl-2", after, func(r *inventory.Row) { r.RootID = "fl-0" })), observe(decoy), isGone + `|` + absent},
		{"made before the loss", given(live("fl-1"), pending("fl-1", claims(noon.Add(11*time.Second))), live("fl-2", after)), observe(decoy), isGone + `|` + absent},
		{"I2: seen with it, whatever the record claims", given(live("fl-1"), pending("fl-1", claims(noon.Add(-time.Hour)), seenAt(noon)), live("fl-2", after, func(r *inventory.Row) { r.CreatedAt = noon.Add(-policy.ConsistencyWindow) })), observe(decoy), isGone + `|` + absent},
		{"it delivers elsewhere", given(live("fl-1"), pending("fl-1"), live("fl-2", after, does(elsewhere))), observe(decoy), isGone + `|` + absent},
		{"of the same lineage", given(live("fl-1"), pending("fl-1"), live("fl-2", after, func(r *inventory.Row) { r.RootID = "fl-1" })), observe(decoy), isGone + `|` + absent},
		{"of what is not restored", given(live("fl-1", func(r *inventory.Row) { r.Protected = false }), pending("fl-1"), live("fl-2", after)), observe(decoy), `
			row fl-1: State=gone GoneAt=now
			fl-1: State=closed Reason=exempt Advice="it was not protected: a decoy, or outsid…" AbsentAt=now NextAttemptAt=never
			logged fl-1 closed/exempt: it was not protected: a decoy, or outside inventory.destinations`},
	})
}

// TestALateDecoyIsNotRestored: if a late decoy is lost together with the flow log in whose place it was made, only that
// flow log is restored.
func TestALateDecoyIsNotRestored(t *testing.T) {
	t.Parallel()
	after := func(r *inventory.Row) { r.CreatedAt = noon.Add(10 * time.Second); rejects(&r.FlowLog) }
	c := given(live("fl-1"), pending("fl-1"), live("fl-2", after), pending("fl-2", freezes(rejects)))
	o := Observation{At: now, Resources: map[string]bool{"vpc-1": true}}
	for id, want := range map[string]Next{"fl-1": Create, "fl-2": Postpone} {
		i, _ := c.Incident(id)
		if d := c.decideAfter(i, o); d.Next != want {
			t.Errorf("%s: %+v", id, d)
		}
	}
}

// TestALateDecoyStaysOne: an observation may show that a lost flow log was the decoy of another one, whose loss nothing
// has reported yet. From then on the decoy is not protected: when a later record names it, the other flow log may be
// back, and nothing shows any more that it was a decoy.
func TestALateDecoyStaysOne(t *testing.T) {
	t.Parallel()
	after := func(r *inventory.Row) { r.CreatedAt = noon.Add(10 * time.Second); rejects(&r.FlowLog) }
	c := given(live("fl-1"), live("fl-2", after), pending("fl-2", freezes(rejects)))
	c.Now = noon.Add(10*time.Second + policy.ConsistencyWindow) // by now AWS must show what exists
	c.applyObservation("fl-2", Observation{At: c.Now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}})
	row, _ := c.Row("fl-2")
	if i, _ := c.Incident("fl-2"); i.Reason != Exempt || row.Protected {
		t.Errorf("%s %s, protected %t", i.State, i.Reason, row.Protected)
	}
}

// TestTheOrderOfRecordsDecidesNothing: somebody deletes two flow logs to one destination, one after the other. Both are
// restored, whichever record comes first.
func TestTheOrderOfRecordsDecidesNothing(t *testing.T) {
	t.Parallel()
	at := noon.Add(time.Minute)
	older := func(r *inventory.Row) { r.LastSeenAt = at.Add(-5 * time.Minute) }
	younger := func(r *inventory.Row) {
		r.CreatedAt = at.Add(-4 * time.Minute)
		r.FirstSeenAt, r.LastSeenAt = r.CreatedAt, r.CreatedAt
		rejects(&r.FlowLog)
	}
	for _, order := range [][]string{{"fl-1", "fl-2"}, {"fl-2", "fl-1"}} {
		t.Run(strings.Join(order, " before "), func(t *testing.T) {
			t.Parallel()
			c := given(live("fl-1", older), live("fl-2", younger))
			nothing := func() Observation {
				return Observation{At: c.Now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}
			}
			for n, id := range order {
				c.Now = at.Add(time.Duration(n) * 2 * time.Second)
				c.ApplyRecord(id, Record{EventID: "e-" + id, Time: at, Rule: Rule{Action: Restore}})
				c.applyObservation(id, nothing())
			}
			for _, id := range order {
				c.applyObservation(id, nothing())
				i, _ := c.Incident(id)
				if d := c.decideAfter(i, nothing()); d.Next != Create {
					t.Errorf("%s is %s %s, and next is %s", id, i.State, i.Reason, d.Next)
				}
			}
		})
	}
}

// TestWhoIsNoLateDecoy: a flow log is no late decoy of a replacement that AWS need not show yet, and it is none if
// CloudWatch's telemetry role made it. In both cases it is restored at once.
func TestWhoIsNoLateDecoy(t *testing.T) {
	t.Parallel()
	at := noon.Add(10*time.Second + policy.ConsistencyWindow) // by then AWS must show a flow log of 12:00:10
	for name, c := range map[string]*Case{
		"of a young replacement": given(live("fl-1", func(r *inventory.Row) { r.RootID, r.CreatedAt, r.LastSeenAt = "fl-0", at, at }),
			live("fl-2", does(rejects), func(r *inventory.Row) { r.CreatedAt = noon.Add(10 * time.Second) }), pending("fl-2", freezes(rejects))),
		"made by a telemetry rule": given(live("fl-1"),
			live("fl-2", does(rejects), func(r *inventory.Row) { r.CreatedAt, r.CreatedBy = noon.Add(10*time.Second), TelemetryRole(scope) }), pending("fl-2", freezes(rejects))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.Now = at.Add(time.Second)
			i, _ := c.Incident("fl-2")
			if d := c.decideAfter(i, Observation{At: c.Now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}); d.Next != Create {
				t.Errorf("next is %s %s", d.Next, d.Reason)
			}
		})
	}
}

// TestI2ADecoyOfAYoungReplacement: somebody deletes a replacement before AWS has to show it, makes a decoy in its
// place, and deletes that one, too. The record of the first deletion is late. The decoy waits for it, for
// Policy.ConsistencyWindow at most, and is not restored.
func TestI2ADecoyOfAYoungReplacement(t *testing.T) {
	t.Parallel()
	c := given(live("fl-1", func(r *inventory.Row) { r.RootID, r.CreatedAt, r.LastSeenAt, r.WrittenAt = "fl-0", noon, noon, noon }),
		live("fl-2", does(rejects), func(r *inventory.Row) { r.CreatedAt, r.LastSeenAt = noon.Add(time.Second), noon.Add(10*time.Second) }))
	c.Now = noon.Add(20 * time.Second)
	c.ApplyRecord("fl-2", Record{EventID: "e-2", Time: c.Now, Rule: Rule{Action: Restore}})
	after := func(d time.Duration) Decision {
		c.Now = noon.Add(20*time.Second + d)
		i, _ := c.Incident("fl-2")
		return c.decideAfter(i, Observation{At: c.Now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}})
	}
	if d := after(time.Second); d.Next != Postpone {
		t.Errorf("at first, next is %s %s", d.Next, d.Reason)
	}
	if d := after(policy.ConsistencyWindow); d.Next != Close || d.Reason != Exempt {
		t.Errorf("in the end, next is %s %s", d.Next, d.Reason)
	}
}

// TestI2AnEarlyAnswerMakesNoDecoy: the incident waits for the record of another loss. AWS was asked just before the end
// of the wait, and the answer is applied after it. AWS need not show the young replacement fl-1 yet: so fl-2 is not
// closed as its decoy, and AWS is asked again.
func TestI2AnEarlyAnswerMakesNoDecoy(t *testing.T) {
	t.Parallel()
	end := noon.Add(policy.ConsistencyWindow)
	young := end.Add(-10 * time.Second)
	c := given(live("fl-1", func(r *inventory.Row) { r.RootID, r.CreatedAt, r.LastSeenAt, r.WrittenAt = "fl-0", young, young, young }),
		live("fl-2", does(rejects), func(r *inventory.Row) { r.CreatedAt, r.LastSeenAt = noon.Add(-time.Second), noon }),
		pending("fl-2", freezes(rejects)))
	for name, x := range map[string]struct {
		asked time.Time
		next  Next
	}{"before the end": {end.Add(-time.Second), Postpone}, "at the end": {end, Create}} {
		c.Now = end.Add(time.Second)
		i, _ := c.Incident("fl-2")
		d := c.decideAfter(i, Observation{At: x.asked, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}})
		if d.Next != x.next || d.Next == Postpone && !d.At.After(c.Now) {
			t.Errorf("asked %s: next is %s %s at %s", name, d.Next, d.Reason, d.At)
		}
	}
}

// TestAReplacementIsNoDecoy: a replacement that AWS has not shown yet is no decoy of another lost flow log on the
// resource. Otherwise it would not be restored if somebody deletes it at once.
func TestAReplacementIsNoDecoy(t *testing.T) {
	t.Parallel()
	c := given(gone("fl-1"), pending("fl-1"), gone("fl-2"), pending("fl-2"))
	c.ApplyAnswer("fl-2", Answer{Class: Succeeded, ID: "fl-3"}, Observation{}, 0)
	lost, _ := c.Incident("fl-1")
	if row, ok := c.Row("fl-3"); !ok || isLateDecoy(lost, row, policy.ConsistencyWindow) {
		t.Errorf("there is a row of fl-3: %t; it counts as a decoy of fl-1: %+v", ok, row)
	}
}

// TestProtectShown: a flow log that AWS shows together with a replacement is no decoy of it. That counts only
// ConsistencyWindow after the restore: before, AWS may show a flow log that is gone.
func TestProtectShown(t *testing.T) {
	t.Parallel()
	verify := func(o ...inventory.FlowLog) func(*Case) string {
		return func(c *Case) string {
			shown := Observation{At: now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}
			for _, f := range o {
				shown.FlowLogs[f.ID] = f
			}
			c.verify("fl-1", shown)
			return ""
		}
	}
	longAgo := func(i *Incident) { i.RestoredAt = now.Add(-policy.ConsistencyWindow) }
	lately := func(i *Incident) { i.RestoredAt = now.Add(-policy.ConsistencyWindow + 1) }
	of := func(change func(*Incident), more ...any) *Case {
		return given(append(more, gone("fl-1"), back("fl-1", "fl-3", change), live("fl-3"), live("fl-2", unprotected, does(rejects)))...)
	}
	const verified = `fl-1: NextAttemptAt=+8m0s Confirmed=true`
	elsewhere := func(f *inventory.FlowLog) { rejects(f); f.LogDestination += "-2" }
	toAnother := given(gone("fl-1"), back("fl-1", "fl-3", longAgo), live("fl-3"), live("fl-2", unprotected, does(elsewhere)))
	play(t, []scenario{
		{"perhaps a decoy of a flow log to another destination, which came back lately", toAnother, verify(made("fl-3"), made("fl-2", elsewhere)), verified},
		{"shown", of(longAgo), verify(made("fl-3"), made("fl-2", rejects)), `row fl-2: Protected=true |` + verified},
		{"not shown", of(longAgo), verify(made("fl-3")), verified},
		{"too soon", of(lately), verify(made("fl-3"), made("fl-2", rejects)), `fl-1: NextAttemptAt=+8m1s Confirmed=true`},
		{"another one is lost there", of(longAgo, gone("fl-4"), pending("fl-4")), verify(made("fl-3"), made("fl-2", rejects)), verified},
	})
}

// TestMayBeTakenFor: if the last refresh had to show a flow log together with an older one, the flow log is no decoy of
// the older one, whose loss nothing has reported yet. If the older one became live just before the refresh, it may have
// been gone by then.
func TestMayBeTakenFor(t *testing.T) {
	t.Parallel()
	refresh := now.Add(-time.Minute)
	since := refresh.Add(-policy.ConsistencyWindow)
	lost := func(made time.Time) func(*inventory.Row) {
		return func(r *inventory.Row) { r.CreatedAt = made; rejects(&r.FlowLog) }
	}
	older := func(written time.Time) func(*inventory.Row) {
		return func(r *inventory.Row) { r.CreatedAt, r.WrittenAt, r.LastSeenAt = written, written, written }
	}
	decided := func(c *Case) string {
		i, _ := c.Incident("fl-2")
		o := Observation{At: now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}
		return fmt.Sprint(c.facts(i, o).MayBeDecoy)
	}
	for name, x := range map[string]struct {
		made, written time.Time
		want          string
	}{
		"both were there": {since, since.Add(-24 * time.Hour), "false"},
		"the lost one was made just before the refresh":     {since.Add(1), since.Add(-24 * time.Hour), "true"},
		"the older one became live just before the refresh": {since, since, "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := given(live("fl-1", older(x.written)), live("fl-2", lost(x.made)), pending("fl-2", freezes(rejects)), refreshedAt(refresh))
			if got := decided(c); got != x.want {
				t.Error(got)
			}
		})
	}
}
