package incident

import (
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestStepFor: what a step does about an incident after an observation.
func TestStepFor(t *testing.T) {
	t.Parallel()
	at := now
	nothing := Observation{At: at, Resources: map[string]bool{"vpc-1": true}}
	failed := Observation{At: at, Failure: &Answer{Class: TryAgain}}
	shown := nothing
	shown.FlowLogs = map[string]inventory.FlowLog{"fl-1": live("fl-1").FlowLog}
	withNew := nothing
	withNew.FlowLogs = map[string]inventory.FlowLog{"fl-2": live("fl-2").FlowLog}
	lacksTags := func(i *Incident) {
		i.State, i.NewID, i.RestoredAt, i.MissingTags = Restored, "fl-2", noon, map[string]string{"team": "net"}
	}
	for name, tt := range map[string]struct {
		change func(*Incident)
		o      Observation
		want   Step
	}{
		"AWS shows nothing":          {func(*Incident) {}, nothing, StepCreate},
		"it shares a call":           {func(i *Incident) { i.Group = "call 1" }, nothing, StepShare},
		"AWS shows it":               {func(*Incident) {}, shown, StepRecord},
		"AWS was not asked":          {func(*Incident) {}, Observation{At: at}, StepRecord},
		"AWS has not answered":       {func(*Incident) {}, failed, StepRecord},
		"a rule waits":               {func(i *Incident) { i.Action, i.Waited, i.WaitUntil = Wait, time.Hour, now.Add(time.Hour) }, nothing, StepRecord},
		"it is closed":               {func(i *Incident) { i.State = Closed }, nothing, StepRecord},
		"it is back, and lacks tags": {lacksTags, withNew, StepTag},
		"it is back, lacks tags, and AWS does not show it": {lacksTags, nothing, StepRecord},
		"it is blocked, and tried now":                     {func(i *Incident) { i.State = Blocked }, nothing, StepCreate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := given(gone("fl-1"), pending("fl-1", tt.change))
			if i, got := c.StepFor("fl-1", tt.o); got != tt.want || i.FlowLogID != "fl-1" {
				t.Errorf("%d for %s, want %d", got, i.FlowLogID, tt.want)
			}
		})
	}
}
