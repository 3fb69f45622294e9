package repeat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// attempt is a refused deletion of a flow log that the snapshot does not have. Its severity is 4.
var attempt = Call{Class: Attempt, Who: "nobody", Scope: inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, Severity: 4,
	Example: alert.Call{EventID: "e", EventName: "DeleteFlowLogs", Principal: "nobody", FlowLogs: 2}}

// of is the call attempt after a change.
func of(change func(*Call)) Call {
	c := attempt
	change(&c)
	return c
}

// graver is a refused deletion of a flow log that the snapshot has. Its severity is 5.
var graver = of(func(c *Call) { c.Severity = 5 })

// named lists the bursts that a call concerns, with their names in the table of TestDecide.
func named(c Call) (all []struct{ name, key string }) {
	own, bounds := c.keys()
	all = append(all, struct{ name, key string }{"own", own})
	for n, name := range []string{"all", "account", "principal"} {
		if n < len(bounds) {
			all = append(all, struct{ name, key string }{name, bounds[len(bounds)-1-n].key})
		}
	}
	return all
}

// have makes a ledger with some bursts, by their names. Unless DueAt is set, their windows are over in a minute.
func have(c Call, inClass int, bursts map[string]Burst) *ledger {
	l := newLedger(noon)
	l.inClass = inClass
	for _, x := range named(c) {
		b, there := bursts[x.name]
		if !there {
			continue
		}
		b.Key, b.Class, b.Scope = x.key, c.Class, c.Scope
		if b.DueAt.IsZero() {
			b.DueAt = noon.Add(time.Minute)
		}
		b.Since = b.DueAt.Add(-Window)
		l.bursts[b.Key] = b
	}
	return l
}

// said describes what a decision has changed.
func (l *ledger) said(c Call, atOnce bool) string {
	var out []string
	for _, a := range l.alerts {
		switch {
		case a.Repeats != nil && a.Kind == alert.Closed:
			out = append(out, "closed")
		case a.Repeats != nil:
			out = append(out, fmt.Sprintf("sum of %d", a.Repeats.Calls))
		default:
			out = append(out, "alert")
		}
	}
	for _, of := range named(c) {
		if b := l.written[of.key]; b != nil {
			out = append(out, fmt.Sprintf("%s marked %d, at once %d, holds %d", of.name, b.Mark, b.AtOnce[c.Severity], b.Held.Calls))
		}
	}
	if atOnce {
		out = append(out, "at once")
	}
	return strings.Join(out, ", ")
}

// TestDecide: the bursts of earlier calls decide whether the alert about a call is sent at once or held.
func TestDecide(t *testing.T) {
	t.Parallel()
	held := Held{Calls: 3, Severity: 4, Gravest: &alert.Alert{Level: alert.Medium}}
	for _, c := range []struct {
		name    string
		call    Call
		bursts  map[string]Burst
		inClass int
		want    string
	}{
		{"the first one", attempt, nil, 0, "alert, own marked 4, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
		{"repeated", attempt, map[string]Burst{"own": {Mark: 4}}, 1, "own marked 4, at once 0, holds 1"},
		{"I2: graver than all before", graver, map[string]Burst{"own": {Mark: 4}}, 1, "alert, own marked 5, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
		{"less grave than one before", attempt, map[string]Burst{"own": {Mark: 5}}, 1, "own marked 5, at once 0, holds 1"},
		{"the window is over, and held some", attempt, map[string]Burst{"own": {Mark: 4, DueAt: noon, Held: held}}, 1, "sum of 3, own marked 4, at once 0, holds 1"},
		{"the window is over, and held none", attempt, map[string]Burst{"own": {Mark: 4, DueAt: noon}}, 1, "alert, own marked 4, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
		{"the window held something graver", graver, map[string]Burst{"own": {Mark: 4, DueAt: noon, Held: Held{Calls: 1, Severity: 5, Gravest: &alert.Alert{}}}}, 1, "sum of 1, own marked 5, at once 0, holds 1"},
		{"the clock went back", attempt, map[string]Burst{"own": {Mark: 4, DueAt: noon.Add(time.Hour), Held: held}}, 1, "sum of 3, own marked 4, at once 0, holds 1"},
		{"one principal among many", attempt, map[string]Burst{"account": {AtOnce: map[int]int{4: 19}}}, 19, "alert, own marked 4, at once 0, holds 0, account marked 0, at once 20, holds 0, at once"},
		{"I12: too many principals", attempt, map[string]Burst{"account": {AtOnce: map[int]int{4: 20}}}, 20, "account marked 0, at once 20, holds 1"},
		{"too many principals, but a graver call", graver, map[string]Burst{"account": {AtOnce: map[int]int{4: 20}}}, 20, "alert, own marked 5, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
		{"too many alerts of its severity: its own burst holds it", graver, map[string]Burst{"own": {Mark: 4}, "account": {AtOnce: map[int]int{5: 20}}}, 20, "own marked 4, at once 0, holds 1"},
		{"after a window that held calls: half as many", attempt, map[string]Burst{"account": {Summaries: 1, AtOnce: map[int]int{4: 10}}}, 20, "account marked 0, at once 10, holds 1"},
		{"after 99 such windows: still one", attempt, map[string]Burst{"account": {Summaries: 99}}, 20, "alert, own marked 4, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
		{"the account's window is over", attempt, map[string]Burst{"account": {DueAt: noon, AtOnce: map[int]int{4: 20}, Held: held}}, 20, "sum of 3, alert, own marked 4, at once 0, holds 0, account marked 4, at once 1, holds 0, at once"},
		{"I12: too many bursts, and the account has none", attempt, nil, 200, "alert, all marked 0, at once 1, holds 0, at once"},
		{"too many bursts, and the burst of all accounts has had its alert", attempt, map[string]Burst{"all": {AtOnce: map[int]int{4: 1}}}, 200, "all marked 0, at once 1, holds 1"},
		{"too many bursts, and the account has one", attempt, map[string]Burst{"account": {}}, 200, "alert, account marked 0, at once 1, holds 0, at once"},
		{"too many bursts, and the account's has had its alert", attempt, map[string]Burst{"account": {AtOnce: map[int]int{4: 1}}}, 200, "account marked 0, at once 1, holds 1"},
		{"too many bursts, but its own goes on", graver, map[string]Burst{"own": {Mark: 4}}, 200, "alert, own marked 5, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
		{"too many bursts, until its own ends", attempt, map[string]Burst{"own": {Mark: 4, DueAt: noon}}, 200, "alert, own marked 4, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
		{"one target of many", of(func(c *Call) { c.Class, c.What = Tampering, "bucket" }), map[string]Burst{"principal": {AtOnce: map[int]int{4: 10}}}, 10, "principal marked 0, at once 10, holds 1"},
		{"deletions of unknown flow logs are over", of(func(c *Call) { c.Class = UnknownDeletion }), map[string]Burst{"own": {Mark: 4, DueAt: noon, Summaries: 1}}, 1,
			"closed, alert, own marked 4, at once 0, holds 0, account marked 0, at once 1, holds 0, at once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := alert.Alert{ID: "a", Kind: alert.Attempt, Level: alert.Medium}
			l := have(c.call, c.inClass, c.bursts)
			if got := l.said(c.call, l.decide(c.call, a)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// TestABurstEnds: after a window in which it held no call, a burst is dropped, without an alert.
func TestABurstEnds(t *testing.T) {
	t.Parallel()
	l := have(attempt, 1, map[string]Burst{"own": {Mark: 4, DueAt: noon}})
	own, _ := attempt.keys()
	if _, there := l.burst(own); there || len(l.alerts) > 0 {
		t.Errorf("the burst goes on: %t, with %d alerts; want none", there, len(l.alerts))
	}
	if b, dropped := l.written[own]; b != nil || !dropped {
		t.Errorf("the burst is not dropped: %+v", b)
	}
}

// TestHeldExamplesDiffer: a principal may repeat one call many times to hide another one. The examples in the summary
// have the other one, too.
func TestHeldExamplesDiffer(t *testing.T) {
	t.Parallel()
	b := Burst{}
	for n := range 30 {
		c := of(func(c *Call) { c.Example.EventID = fmt.Sprint(n) })
		switch n {
		case 5:
			c.Example.Region = "eu-west-2"
		case 25:
			c.Example.Target = "another trail"
		}
		b = b.hold(alert.Alert{ID: fmt.Sprint(n), Actor: &alert.Actor{}}, c, noon)
		b = b.hold(alert.Alert{ID: fmt.Sprint(n), Actor: &alert.Actor{}}, c, noon) // the same record again
	}
	other := 0
	for _, x := range b.Held.Examples {
		if x.Region == "eu-west-2" || x.Target != "" {
			other++
		}
	}
	if b.Held.Calls != 30 || b.Held.FlowLogs != 60 || len(b.Held.Examples) != mostExamples || other != 2 {
		t.Errorf("%d calls, %d flow logs, %d examples, %d of them of another Region or target; want 30, 60, %d, 2", b.Held.Calls, b.Held.FlowLogs, len(b.Held.Examples), other, mostExamples)
	}
}
