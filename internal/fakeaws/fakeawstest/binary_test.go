package fakeawstest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestOnlyTestsUseThis: the binary has package fakeaws for the demo, but must not have package fakeawstest, which is
// for tests.
func TestOnlyTestsUseThis(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "flowkeeper/cmd/flowkeeper").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "flowkeeper/internal/fakeaws") {
		t.Error("the binary has no demo")
	}
	for _, p := range []string{"flowkeeper/internal/fakeaws/fakeawstest", "net/http/httptest", "testing"} {
		if slices.Contains(packages, p) {
			t.Errorf("%s is in the binary", p)
		}
	}
}
