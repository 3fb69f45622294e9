package pipeline

import (
	"os"
	"strings"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

var home = inventory.Scope{Account: account, Region: region}

// TestAdvice: the alert of an outage says what to do, and names the page that explains it.
func TestAdvice(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/troubleshoot.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := []alert.Part{alert.PartDeparted + " 12 medium", alert.PartAccount + " medium", alert.PartLogFiles + " a-bucket"}
	for p := range advice {
		parts = append(parts, p)
	}
	for _, p := range parts {
		a := NewAlert(home, p, alert.High, "it fails: AWS said no")
		_, anchor, _ := strings.Cut(a.Advice, "docs/troubleshoot.md#")
		anchor, _, _ = strings.Cut(anchor, ")")
		if anchor == "" || !strings.Contains(string(page), "\n## "+anchor+"\n") {
			t.Errorf("%s: the advice %q links no section of docs/troubleshoot.md", p, a.Advice)
		}
		if a := NewAlert(home, p, alert.Informational, "it works"); a.Advice != "" {
			t.Errorf("%s: the alert of the end has advice: %s", p, a.Advice)
		}
	}
}

// TestGraded: the alert that an outage has ended goes to the sinks that got the alert of its begin. A daemon that is
// started later adds neither of them again.
func TestGraded(t *testing.T) {
	t.Parallel()
	ctx, out := t.Context(), newBox()
	graded := func() Graded { return NewGraded(out, home, alert.PartDeparted, "it is back") }
	o := graded()
	o.AlertOnce(ctx, false, "it is away")
	o.AlertOnce(ctx, true, "it is away")
	graded().AlertOnce(ctx, true, "the next daemon says so, too")
	o.End(ctx)
	graded().End(ctx)
	o.AlertOnce(ctx, true, "it is away again")
	var got []string
	for _, a := range out.added {
		got = append(got, string(a.Level)+" to "+string(a.RoutingLevel())+": "+a.Cause)
	}
	want := "medium to medium: it is away; informational to medium: it is back; high to high: it is away again"
	if strings.Join(got, "; ") != want || out.added[0].DedupKey != out.added[1].DedupKey {
		t.Errorf("%q", got)
	}
}
