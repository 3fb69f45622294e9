package alert

import (
	"os"
	"strings"
	"testing"
)

// TestRunbook: docs/alerts.md tells what to do about each kind, and each
// reason that an alert may give.
func TestRunbook(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, k := range []Kind{Deletion, Attempt, Restored, Closed, Blocked, Decoy, Flapping, Tamper, Pipeline, Destination, Test} {
		if !strings.Contains(text, "\n## "+string(k)+"\n") {
			t.Errorf("nothing about %s", k)
		}
	}
	for _, reason := range []string{"permission", "destination", "role", "limit", "decoy", "invalid", "credentials", "account", "refused"} {
		if !strings.Contains(text, "\n| `"+reason+"` |") {
			t.Errorf("nothing about what is blocked by %s", reason)
		}
	}
	for _, reason := range []string{"resource_gone", "replaced", "released", "still_there"} {
		if !strings.Contains(text, "\n| "+closedBecause(reason)+" |") {
			t.Errorf("nothing about what is closed because %q", closedBecause(reason))
		}
	}
}
