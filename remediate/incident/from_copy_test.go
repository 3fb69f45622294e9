package incident

import (
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestADecoyOfACopyIsDecidedAnew: a copy of the state file may be forged. No alert repeats what the copy says of a
// decoy: its notice comes from the incidents.
func TestADecoyOfACopyIsDecidedAnew(t *testing.T) {
	t.Parallel()
	row := RowFromCopy(inventory.Row{State: inventory.Live, DecoyNotice: &inventory.DecoyNotice{Of: "forged"}})
	row.FlowLog, row.RootID = flowLog("fl-1", rejects), "fl-1"
	c := given(gone("fl-2"), pending("fl-2"))
	c.Load([]inventory.Row{row}, nil)
	if row.DecoyNotice != nil {
		t.Error("the copy's notice counts")
	}
	c.Rows().Exclude("fl-1")
	if row, _ := c.Row("fl-1"); row.Protected || row.DecoyNotice == nil || row.DecoyNotice.Of != "fl-2" {
		t.Errorf("%+v", row)
	}
}

// TestAdopt: what becomes of an incident of a copy depends on the row of its flow log in the copy.
func TestAdopt(t *testing.T) {
	t.Parallel()
	now := noon
	live, gone := inventory.Row{State: inventory.Live}, inventory.Row{State: inventory.Gone}
	wasProtected := inventory.Row{State: inventory.Gone, Protected: true}
	for name, c := range map[string]struct {
		i    Incident
		row  inventory.Row
		want CopyFate
	}{
		"open, shown alive":                {Incident{State: Open}, live, KeptDue},
		"open, protected":                  {Incident{State: Open, WaitUntil: now.Add(time.Hour)}, wasProtected, KeptDue},
		"open, with the time of a restore": {Incident{State: Open, RestoredAt: now}, live, KeptDue},
		"blocked, protected":               {Incident{State: Blocked, StuckAlertedAt: now}, wasProtected, KeptDue},
		"open, not protected":              {Incident{State: Open}, gone, NotKept},
		"released, but alive":              {Incident{State: Closed, Reason: Released}, live, KeptClosed},
		"restored, but alive":              {Incident{State: Verified}, live, KeptClosed},
		"was still there":                  {Incident{State: Closed, Reason: StillThere}, live, KeptAsIs},
		"released, and gone":               {Incident{State: Closed, Reason: Released}, gone, KeptAsIs},
		"restored, and gone itself":        {Incident{State: Verified}, wasProtected, KeptAsIs},
		"in a state that no version knows": {Incident{State: "x"}, wasProtected, NotKept},
		"restored long ago":                {Incident{State: Verified, RestoredAt: now.Add(-time.Hour)}, wasProtected, KeptAsIs},
		"restored lately":                  {Incident{State: Verified, RestoredAt: now.Add(-59 * time.Minute)}, wasProtected, KeptEarlier},
		"restored in the future":           {Incident{State: Restored, RestoredAt: now.Add(1000 * time.Hour), MissingTags: map[string]string{"a": "b"}}, wasProtected, KeptEarlier},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, fate := FromCopy(c.i, c.row, now)
			if fate != c.want {
				t.Fatalf("%v, want %v", fate, c.want)
			}
			if fate == KeptDue && (!got.NextAttemptAt.Equal(now) || !got.WaitUntil.IsZero() || !got.StuckAlertedAt.IsZero() || !got.RestoredAt.IsZero()) {
				t.Errorf("the incident waits, or the alert or the restore of the copy counts: %+v", got)
			}
			if fate == KeptEarlier && (got.RestoredAt.After(now.Add(-time.Hour)) || len(got.MissingTags) != len(c.i.MissingTags)) {
				t.Errorf("%+v", got)
			}
			if fate == KeptClosed && !got.countsRecord() {
				t.Errorf("a record of the deletion would not count: %+v", got)
			}
		})
	}
}

// TestAdoptEvent: whatever alerts were sent according to a copy, an alert names within five minutes what is not back.
func TestAdoptEvent(t *testing.T) {
	t.Parallel()
	now := noon
	i := Incident{EventID: "e-1", Source: ByEvent}
	for name, e := range map[string]Event{
		"over": {ID: "e-1", DeletionAlertedAt: now.Add(-time.Hour), ClosedAlertedAt: now.Add(-time.Minute)},
		"of unknown flow logs, according to the copy": {ID: "e-1", Unknown: true},
		"of the future": {ID: "e-1", DeletionAlertedAt: now.Add(time.Hour), OverdueAt: now.Add(1000 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, inCopy := range []bool{true, false} {
				if got := EventFromCopy(i, e, inCopy, now); got.ID != "e-1" || got.Unknown || !got.mayHavePagerIncident() || got.DeletionAlertedAt.After(now) || got.OverdueAt.After(now.Add(5*time.Minute)) {
					t.Errorf("in the copy: %v: %+v", inCopy, got)
				}
			}
		})
	}
}

func TestStaleFromCopy(t *testing.T) {
	t.Parallel()
	const limit = 48 * time.Hour
	for name, tt := range map[string]struct {
		made, refreshed time.Duration // ago; refreshed 0: never
		want            bool
	}{
		"young":                             {time.Hour, 2 * time.Hour, false},
		"as old as it may be":               {limit, limit, false},
		"the copy is older":                 {limit + 1, limit + 1, true},
		"only the refresh is older":         {time.Hour, limit + 1, true},
		"only the copy is, by its own date": {limit + 1, time.Hour, true},
		"young, and never refreshed":        {time.Hour, 0, false},
		"old, and never refreshed":          {limit + 1, 0, true},
		"of the future":                     {-time.Hour, -time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refreshed time.Time
			if tt.refreshed != 0 {
				refreshed = noon.Add(-tt.refreshed)
			}
			if got := StaleFromCopy(noon.Add(-tt.made), refreshed, noon, limit); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}

// TestATokenOfACopy: AWS refuses a token that is too long, so that the flow log would never come back.
func TestATokenOfACopy(t *testing.T) {
	t.Parallel()
	ours := (&Case{}).randomToken(Incident{FlowLogID: "fl-1"})
	for token, want := range map[string]string{"": "", ours: ours, ours + "0": "", "x": ""} {
		for _, state := range []State{Open, Closed} {
			if got, _ := FromCopy(Incident{State: state, RandomToken: token}, inventory.Row{State: inventory.Live}, noon); got.RandomToken != want {
				t.Errorf("%s: the token %q of a copy becomes %q, want %q", state, token, got.RandomToken, want)
			}
		}
	}
}
