package packaging_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMissingToolsFail: a check whose tool is missing fails. Only if SHORT=1 is set is it skipped.
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
	for name, c := range map[string]struct {
		env, script string
		code        int
		says        string
	}{
		"no tool":        {"", "need a-linter its-package; echo went on", 1, "needs a-linter (package its-package"},
		"no tool, SHORT": {"SHORT=1", "need a-linter its-package; echo went on", 0, "SKIPPED"},
		"no root":        {"", "lacks root; echo went on", 1, "needs root; SHORT=1"},
		"no root, SHORT": {"SHORT=1", "lacks root; echo went on", 0, "SKIPPED"},
		"builtin":        {"", "need command it; echo went on", 0, "went on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(shell, "-euc", ". "+tools+"; "+c.script)
			cmd.Env = []string{"PATH=" + t.TempDir(), c.env} // an empty PATH: the script can't install the tool by apt-get either
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.says) || (c.says != "went on" && strings.Contains(string(out), "went on")) {
				t.Errorf("%s %q ends with %d, want %d: %s", c.env, c.script, code, c.code, out)
			}
		})
	}
}
