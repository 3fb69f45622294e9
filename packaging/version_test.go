package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVersion: version.sh makes a version of the output of git describe. dpkg, if it is installed, must sort these
// versions in the order of the commits.
func TestVersion(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("version.sh")
	if err != nil {
		t.Fatal(err)
	}
	repo := t.TempDir()
	in := func(name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Dir = repo
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_COMMITTER_DATE=2026-03-01T13:02:26+0100")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	in("git", "init", "-q")
	in("git", "-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "--allow-empty", "-m", "one")
	hash := in("git", "rev-parse", "--short", "HEAD")
	rising := []struct{ described, want string }{
		{hash, "0.0.0~git20260301120226." + hash},
		{hash + "-dirty", "0.0.0~git20260301120226." + hash + ".dirty"},
		{"v1.2.3-rc.1", "1.2.3~rc.1"},
		{"v1.2.3-rc.1-5-g8eade35", "1.2.3~rc.1+5.8eade35"},
		{"v1.2.3", "1.2.3"},
		{"v1.2.3-dirty", "1.2.3+dirty"},
		{"v1.2.4", "1.2.4"},
		{"v1.2.4-5-g8eade35", "1.2.4+5.8eade35"},
		{"v1.2.4-12-g0123456", "1.2.4+12.0123456"},
		{"v1.2.4-12-g0123456-dirty", "1.2.4+12.0123456.dirty"},
		{"v1.10.0", "1.10.0"},
	}
	before := ""
	for _, c := range rising {
		got := in(script, c.described)
		if got != c.want {
			t.Errorf("%s is %s, want %s", c.described, got, c.want)
		}
		if _, err := exec.LookPath("dpkg"); err == nil && before != "" {
			in("dpkg", "--compare-versions", before, "lt", got)
		}
		before = got
	}
	if got := in(script, "dev"); got != "0.0.0~git.dev" {
		t.Errorf("dev is %s", got)
	}
}
