package alert

import (
	"os"
	"strings"
	"testing"
)

func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	for _, r := range []string{"resource_gone", "replaced", "released", "superseded", "still_there", "exempt", "alert_only", "unknown"} {
		if closedBecause(r) == r {
			t.Errorf("closed: %s has no words", r)
		}
	}
	for _, r := range []string{"permission", "destination", "role", "limit", "decoy", "invalid", "credentials", "account", "refused"} {
		if blockedBy(r) == r {
			t.Errorf("blocked: %s has no words", r)
		}
	}
}

// TestRunbookOfReasons: docs/alerts.md tells what to do about each reason that an
// alert may give.
func TestRunbookOfReasons(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
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
