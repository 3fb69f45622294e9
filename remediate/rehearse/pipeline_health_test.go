package rehearse

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

var home = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestIsOurs: a rehearsal of a configured principal counts, whatever the name of its session and however AWS
// writes its path.
func TestIsOurs(t *testing.T) {
	t.Parallel()
	h := PipelineHealth{By: "111122223333:user/flowkeeper"}
	others := []string{"arn:aws:iam::111122223333:role/of/teams/flowkeeper-b", "arn:aws:iam::111122223333:user/ops/flowkeeper-c"}
	for name, c := range map[string]struct {
		identity string
		counts   bool
	}{
		"the configured role, in a session":      {"arn:aws:sts::111122223333:assumed-role/flowkeeper-b/i-0a", true},
		"the configured user":                    {"arn:aws:iam::111122223333:user/ops/flowkeeper-c", true},
		"a role of that name in another account": {"arn:aws:sts::222233334444:assumed-role/flowkeeper-b/i-0a", false},
		"a user with the name of the role":       {"arn:aws:iam::111122223333:user/flowkeeper-b", false},
		"a role whose name begins alike":         {"arn:aws:sts::111122223333:assumed-role/flowkeeper-bad/i-0a", false},
		"a session with the name of the role":    {"arn:aws:sts::111122223333:assumed-role/mallory/flowkeeper-b", false},
		"our own principal":                      {"arn:aws:iam::111122223333:user/flowkeeper", true},
		"no principal":                           {"", false},
		"the beginning of an ARN":                {"arn:aws:sts::111122223333:", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := h.isOurs(c.identity, others); got != c.counts {
				t.Errorf("counts: %v, want %v", got, c.counts)
			}
		})
	}
}

func TestSilent(t *testing.T) {
	t.Parallel()
	missed := PipelineHealth{By: "someone", BackAt: noon.Add(-time.Hour), Unanswered: 1, UnansweredSince: noon.Add(-patience)}
	for name, c := range map[string]struct {
		change func(*PipelineHealth)
		silent bool
	}{
		"one did not come back":                    {func(*PipelineHealth) {}, true},
		"it is not known who makes the rehearsals": {func(h *PipelineHealth) { h.By = "" }, false},
		"none ever came back":                      {func(h *PipelineHealth) { h.BackAt = time.Time{} }, false},
		"all came back":                            {func(h *PipelineHealth) { h.Unanswered = 0 }, false},
		"the record may still come":                {func(h *PipelineHealth) { h.UnansweredSince = noon.Add(time.Second - patience) }, false},
		"another daemon may have got it":           {func(h *PipelineHealth) { h.OthersAt = noon.Add(-time.Minute) }, false},
		"other daemons do not get that many":       {func(h *PipelineHealth) { h.OthersAt, h.Unanswered = noon.Add(-time.Minute), sharedMisses }, true},
		"the other daemon is gone for a day":       {func(h *PipelineHealth) { h.OthersAt = noon.Add(-othersFor) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := missed
			if c.change(&h); h.silent(noon) != c.silent {
				t.Errorf("silent: %v, want %v: %+v", !c.silent, c.silent, h)
			}
		})
	}
}

// TestSilenceIsAlertedOnce: people are alerted once that rehearsals do not come back, and once that they come
// back again.
func TestSilenceIsAlertedOnce(t *testing.T) {
	t.Parallel()
	silent := PipelineHealth{By: "someone", BackAt: noon.Add(-time.Hour), Unanswered: 1, UnansweredSince: noon.Add(-patience)}
	arrives := PipelineHealth{By: "someone", BackAt: noon.Add(-time.Hour)}
	for name, tt := range map[string]struct {
		health         PipelineHealth
		alerted        bool // there was an alert before
		silence        int  // alerts that they do not come back
		silenceAlerted bool
		ends           int // alerts that they come back again, when one does
	}{
		"none comes back":         {silent, false, 1, true, 0},
		"still none comes back":   {silent, true, 0, true, 1},
		"all come back":           {arrives, false, 0, false, 0},
		"the last may still come": {arrives, true, 0, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := tt.health
			h.SilenceAlerted = tt.alerted
			fails, works := h.silenceAlerts(home, noon), h.endAlerts(home, noon)
			if len(fails) != tt.silence || h.alerted(home, fails).SilenceAlerted != tt.silenceAlerted {
				t.Errorf("%d alerts of silence, want %d; alerted %v", len(fails), tt.silence, h.alerted(home, fails).SilenceAlerted)
			}
			if len(works) != tt.ends || h.alerted(home, works).SilenceAlerted {
				t.Errorf("%d alerts of its end, want %d; alerted %v", len(works), tt.ends, h.alerted(home, works).SilenceAlerted)
			}
		})
	}
	both := append(silent.silenceAlerts(home, noon), PipelineHealth{SilenceAlerted: true}.endAlerts(home, noon)...)
	if both[0].Level != alert.High || !both[1].Resolves() || both[0].DedupKey != both[1].DedupKey || both[1].RouteLevel != alert.High {
		t.Errorf("%+v", both)
	}
}

func TestSentAndReturned(t *testing.T) {
	t.Parallel()
	h := PipelineHealth{Instance: "x"}
	first := h.sent(noon, noon)
	if first.Unanswered != 1 || !first.UnansweredSince.Equal(noon) {
		t.Errorf("the first: %+v", first)
	}
	second := first.sent(noon.Add(time.Hour), noon.Add(time.Hour))
	if second.Unanswered != 2 || !second.UnansweredSince.Equal(noon) {
		t.Errorf("the second: %+v", second)
	}
	if back := second.sent(noon.Add(-time.Hour), noon); !back.UnansweredSince.Equal(noon.Add(-time.Hour)) {
		t.Errorf("after the clock went back: %+v", back)
	}
	ours := second.returned(detection.RehearsalToken+"x-1-1", noon.Add(2*time.Hour))
	if ours.Unanswered != 0 || !ours.OthersAt.IsZero() || !ours.BackAt.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("ours: %+v", ours)
	}
	if later := ours.sent(noon.Add(time.Hour), noon.Add(2*time.Hour)); later != ours {
		t.Errorf("it came back before it was noted as sent: %+v", later)
	}
	if theirs := second.returned(detection.RehearsalToken+"y-1-1", noon); theirs.OthersAt != noon {
		t.Errorf("another daemon's: %+v", theirs)
	}
	if same := second.madeBy(""); same != second {
		t.Errorf("it is not known who made it: %+v", same)
	}
	if another := second.madeBy("another"); another.By != "another" || another.Unanswered != 0 {
		t.Errorf("another principal: %+v", another)
	}
}
