package incident

import (
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
)

// TestCauses: Causes is the only place that decides what keeps a flow log from being restored. An alert says AWS's
// answer, or else the first cause that is not a wait.
func TestCauses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later, earlier := now.Add(time.Minute), now.Add(-time.Minute)
	open := Incident{State: Open, Known: true}
	for name, c := range map[string]struct {
		change func(*Incident)
		want   []Cause
		alert  string
	}{
		"nothing":                   {func(*Incident) {}, nil, "nothing was tried yet"},
		"tried":                     {func(i *Incident) { i.Tried = 1 }, nil, ""},
		"not in the snapshot":       {func(i *Incident) { i.Known = false }, []Cause{NotSeen}, causeWords[NotSeen]},
		"still shown":               {func(i *Incident) { i.AliveSince = earlier }, []Cause{StillShown}, causeWords[StillShown]},
		"a rule's wait":             {func(i *Incident) { i.WaitUntil = later }, []Cause{AwaitsCaller}, "nothing was tried yet"},
		"a rule's wait is over":     {func(i *Incident) { i.WaitUntil = now }, nil, "nothing was tried yet"},
		"drift_wait":                {func(i *Incident) { i.WaitUntil, i.Source = later, ByDrift }, []Cause{AwaitsRecord}, "nothing was tried yet"},
		"flapping":                  {func(i *Incident) { i.Flapping = true }, []Cause{HeldBack}, causeWords[HeldBack]},
		"still shown, and flapping": {func(i *Incident) { i.Flapping, i.AliveSince = true, earlier }, []Cause{StillShown}, causeWords[StillShown]},
		"never shown":               {func(i *Incident) { i.MissingSince = earlier }, []Cause{NeverShown}, causeWords[NeverShown]},
		"never shown, and flapping": {func(i *Incident) { i.MissingSince, i.Flapping = earlier, true }, []Cause{NeverShown, HeldBack}, causeWords[NeverShown]},
		"AWS's answer":              {func(i *Incident) { i.Flapping, i.LastError = true, "it is throttled" }, []Cause{HeldBack}, "it is throttled"},
		"blocked, and once flapping": {func(i *Incident) {
			i.State, i.Flapping, i.Stuck = Blocked, true, &Stuck{Kind: alert.Blocked, Message: "denied"}
		}, nil, "denied"},
		"restored, not shown yet": {func(i *Incident) { i.State, i.Flapping = Restored, true }, nil, "DescribeFlowLogs has not answered since"},
		"restored, never shown":   {func(i *Incident) { i.State, i.MissingSince = Restored, earlier }, []Cause{NeverShown}, causeWords[NeverShown]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := open
			c.change(&i)
			if got := Causes(i, now); !slices.Equal(got, c.want) {
				t.Errorf("the causes are %v, want %v", got, c.want)
			}
			if got := i.Why().Message; got != c.alert {
				t.Errorf("the alert says %q, want %q", got, c.alert)
			}
		})
	}
}
