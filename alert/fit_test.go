package alert_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

const limit = 250 << 10 // bytes, as for SNS

// TestStoredIsBounded: Stored limits the size of an alert, but never leaves out the IDs of flow logs. A second Stored
// changes nothing.
func TestStoredIsBounded(t *testing.T) {
	t.Parallel()
	many := alerttest.MassDeletion(20000, func(f *alert.FlowLog) { f.Advice = strings.Repeat("x", 400) })
	got := many.Stored()
	if n := size(got); n > 1<<20 || len(got.FlowLogs) != 20000 || got.Omitted != 0 || got.DetailsOmitted != 20000 {
		t.Errorf("%d bytes, %d flow logs, %d left out, the details of %d", n, len(got.FlowLogs), got.Omitted, got.DetailsOmitted)
	}
	once := alerttest.HugeTags().Stored()
	if twice := once.Stored(); size(twice) != size(once) || twice.Text != once.Text {
		t.Errorf("%d bytes, and then %d", size(once), size(twice))
	}
	small := alerttest.Deletion()
	small.Write()
	if size(small.Stored()) != size(small) {
		t.Error("Stored has changed a small alert")
	}
	posted, err := json.Marshal(got.Within(limit))
	var a alert.Alert
	if err != nil || json.Unmarshal(posted, &a) != nil || len(posted) > limit || a.Omitted+len(a.FlowLogs) != 20000 || a.DetailsOmitted != 20000 || strings.Count(a.Text, "Left out of this message's data: ") != 1 {
		t.Errorf("%d bytes, %d flow logs and %d left out, %v", len(posted), len(a.FlowLogs), a.Omitted, err)
	}
}

// size is how many bytes of JSON the alert takes.
func size(a alert.Alert) int {
	data, _ := json.Marshal(a)
	return len(data)
}

func TestWithinSaysHowManyItLeavesOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := alerttest.Deletion()
		one := a.FlowLogs[0]
		one.Advice = strings.Repeat("ü", rapid.IntRange(0, alert.MaxField).Draw(t, "length"))
		a.FlowLogs, a.FailedFlowLogs = nil, nil
		a.Write()
		n, m := rapid.IntRange(0, 1000).Draw(t, "gone"), rapid.IntRange(0, 1000).Draw(t, "refused")
		for range n {
			a.FlowLogs = append(a.FlowLogs, one)
		}
		for range m {
			a.FailedFlowLogs = append(a.FailedFlowLogs, one)
		}
		message, err := json.Marshal(a.Within(limit))
		var got alert.Alert
		if err != nil || len(message) > limit || json.Unmarshal(message, &got) != nil {
			t.Fatalf("%v, %d bytes", err, len(message))
		}
		if got.Omitted+len(got.FlowLogs)+len(got.FailedFlowLogs) != n+m {
			t.Fatalf("%d flow logs, %d refused ones and %d left out; want %d together", len(got.FlowLogs), len(got.FailedFlowLogs), got.Omitted, n+m)
		}
		if got.ID != a.ID || !strings.HasPrefix(got.Text, a.Text) {
			t.Fatal("only flow logs may be left out")
		}
		for _, x := range []struct {
			n    int
			what string
		}{{got.FormatsOmitted, "the log formats of "}, {got.TagsOmitted, "the tags of "}, {got.DetailsOmitted, "the details of "}} {
			if said := x.what + alert.Plural(x.n, "flow log"); (x.n > 0) != strings.Contains(got.Text, said) {
				t.Fatalf("%d are left out; the text must have %q only if some are: %q", x.n, said, got.Text)
			}
		}
		if got.Omitted > 0 && len(got.FlowLogs)+len(got.FailedFlowLogs) < 2000 && len(message) < limit/2 {
			t.Fatalf("%d left out, although the message has only %d bytes", got.Omitted, len(message))
		}
	})
}
