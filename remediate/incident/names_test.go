package incident

import (
	"fmt"
	"testing"
)

// TestNames: the last value of each kind has the last name, and the next one has none.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{Requeue, "requeue"}, {NextToken, "next token"}, {NextToken + 1, "8"},
		{Created, "created"}, {TagRefused, "tag refused"}, {TagRefused + 1, "8"},
		{Action(0), "none"}, {Ignore, "ignore"}, {Restore, "restore"}, {Restore + 1, "5"}, {Action(-1), "-1"},
		{NoteLineage, "lineage"}, {NoteRequested, "requested"}, {NoteRequested + 1, "8"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("%T: %s, not %s", c.value, got, c.want)
		}
	}
}
