package remediate

import (
	"errors"
	"slices"
	"testing"

	"flowkeeper/internal/outage"
)

// TestAnOutageOfSteps: a step that fails begins an outage. A step that did nothing, though something is due,
// does not end it.
func TestAnOutageOfSteps(t *testing.T) {
	t.Parallel()
	type step struct {
		done  int
		isDue bool
		err   error
	}
	full := errors.New("the disk is full")
	fails, waits, idles := step{0, false, full}, step{0, true, nil}, step{}
	for name, tt := range map[string]struct {
		steps []step
		want  []outage.Change
	}{
		"no step fails":                       {[]step{idles, waits, {1, false, nil}, {1, true, nil}}, []outage.Change{outage.None, outage.None, outage.None, outage.None}},
		"begins once":                         {[]step{fails, fails}, []outage.Change{outage.Began, outage.None}},
		"a part of a step failed":             {[]step{{1, true, full}}, []outage.Change{outage.Began}},
		"ends with a step that did something": {[]step{fails, {1, false, nil}}, []outage.Change{outage.Began, outage.Ended}},
		"ends even if more is due":            {[]step{fails, {1, true, nil}}, []outage.Change{outage.Began, outage.Ended}},
		"ends when nothing is due":            {[]step{fails, idles, idles}, []outage.Change{outage.Began, outage.Ended, outage.None}},
		"goes on while a due task waits":      {[]step{fails, waits, fails}, []outage.Change{outage.Began, outage.None, outage.None}},
		"ends when the due task is done":      {[]step{fails, waits, {1, true, nil}}, []outage.Change{outage.Began, outage.None, outage.Ended}},
		"a step that waits is not a failure":  {[]step{waits, idles}, []outage.Change{outage.None, outage.None}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p progress
			var got []outage.Change
			for _, s := range tt.steps {
				got = append(got, p.note(s.done, s.isDue, s.err))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
