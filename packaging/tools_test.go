package packaging_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMissingToolsFail: a check without its tool has not passed, unless a person
// said SHORT=1.
func TestMissingToolsFail(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Abs("tools.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env, script string
		code        int
		says        string
	}{
		{"", "need a-linter its-package; echo went on", 1, "needs a-linter (package its-package"},
		{"SHORT=1", "need a-linter its-package; echo went on", 0, "SKIPPED"},
		{"", "lacks root; echo went on", 1, "needs root; SHORT=1"},
		{"SHORT=1", "lacks root; echo went on", 0, "SKIPPED"},
		{"", "need command it; echo went on", 0, "went on"}, // a builtin is there
	} {
		cmd := exec.Command(shell, "-euc", ". "+tools+"; "+c.script)
		cmd.Env = []string{"PATH=" + t.TempDir(), c.env} // no apt-get either
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.says) || (c.says != "went on" && strings.Contains(string(out), "went on")) {
			t.Errorf("%s %q ends with %d, want %d: %s", c.env, c.script, code, c.code, out)
		}
	}
}
