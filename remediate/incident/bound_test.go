package incident_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"flowkeeper/remediate/incident"
)

// TestI12Bound: whatever bytes a text from outside has, Bound makes it short and valid UTF-8, without control
// characters.
func TestI12Bound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := incident.Bound(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		if !utf8.ValidString(s) || len(s) > 510 || strings.ContainsAny(s, "\x00\n\r\x1b\x7f") {
			t.Fatalf("%q", s)
		}
	})
}
