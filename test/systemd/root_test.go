//go:build linux

package systemd_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const rootPattern = "flowkeeper-systemd-*"

// newRoot is a new copy of a Debian that boots. Its directory is removed when the test ends, or by the next
// run if the test was killed.
func newRoot(t *testing.T, ctx context.Context) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	cache = filepath.Join(cache, "flowkeeper")
	must(t, os.MkdirAll(cache, 0o755))
	// Only one container at a time, also with other caches: sweep removes files that another
	// one would use.
	hold(t, ctx, "/run/lock/flowkeeper-systemd.lock")
	tarball := debian(t, ctx, cache)
	sweep(t)
	dir, err := os.MkdirTemp("", rootPattern)
	must(t, err)
	t.Cleanup(func() { sweep(t) })
	root := filepath.Join(dir, "root")
	must(t, os.Mkdir(root, 0o755))
	command(t, ctx, "tar", "-C", root, "--numeric-owner", "-xf", tarball)
	return root
}

// sweep removes what earlier machines have left on the host. No machine runs now, because this test holds
// the lock.
func sweep(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), rootPattern))
	must(t, err)
	for _, dir := range append(left, "/run/systemd/nspawn/propagate/"+machineName) {
		must(t, os.RemoveAll(dir))
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	must(t, err)
	for _, dir := range groupsOf(string(self)) {
		removeGroups(dir)
	}
}

// groupsOf are the control groups that nspawn makes inside this process's own. They are mounted alone, or
// together with those of version 1. self is /proc/self/cgroup: a line is "0::/path" or
// "N:name=systemd:/path".
func groupsOf(self string) (dirs []string) {
	for line := range strings.Lines(self) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || parts[1] != "" && parts[1] != "name=systemd" {
			continue
		}
		for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
			ours := filepath.Join(mount, parts[2])
			dirs = append(dirs, filepath.Join(ours, "payload"), filepath.Join(ours, "supervisor"))
		}
	}
	return dirs
}

func TestGroupsOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		self string
		want []string
	}{
		"root": {"0::/\n", []string{"/sys/fs/cgroup/payload", "/sys/fs/cgroup/unified/supervisor"}},
		"a service": {"0::/system.slice/runner.service\n", []string{"/sys/fs/cgroup/system.slice/runner.service/payload",
			"/sys/fs/cgroup/system.slice/runner.service/supervisor"}},
		"the first version": {"9:name=systemd:/user.slice/a:b.scope\n4:memory:/elsewhere\n", []string{"/sys/fs/cgroup/systemd/user.slice/a:b.scope/payload"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := groupsOf(c.self)
			for _, dir := range c.want {
				if !slices.Contains(got, dir) {
					t.Errorf("%s is not among %q", dir, got)
				}
			}
			if len(got) != 6 {
				t.Errorf("got %q, want only this process's own", got)
			}
		})
	}
}

// removeGroups removes control groups, the inner ones first. A group with processes in it is not a
// leftover, and stays.
func removeGroups(dir string) {
	inner, _ := os.ReadDir(dir) // an error means that the group is gone
	for _, e := range inner {
		if e.IsDir() {
			removeGroups(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}

// debian is the path of the tar file that root.sh makes. The first process that needs the file runs
// root.sh.
func debian(t *testing.T, ctx context.Context, cache string) string {
	t.Helper()
	recipe, err := os.ReadFile("root.sh")
	must(t, err)
	path := filepath.Join(cache, fmt.Sprintf("debian-%.12x.tar", sha256.Sum256(recipe)))
	_, err = os.Stat(path)
	if err == nil {
		return path
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	t.Logf("making %s (once, about a minute)", path)
	command(t, ctx, "./root.sh", path+".part")
	must(t, os.Rename(path+".part", path))
	return path
}

// hold locks path until the test ends. The kernel unlocks it if the process dies.
func hold(t *testing.T, ctx context.Context, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("another test holds %s", path)
		case <-every.C:
		}
	}
}

// command runs a program on the host.
func command(t *testing.T, ctx context.Context, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
