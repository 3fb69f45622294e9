package system_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long one step of the daemon may take. On an idle machine each takes a second or two.
const patience = 90 * time.Second

// daemon is `flowkeeper run` in a process of its own.
type daemon struct {
	binary, config string
	env            []string
	cmd            *exec.Cmd
	stderr         *lockedBuffer
	done           chan struct{} // closed once the process has ended
}

// binary is the one in FLOWKEEPER_BIN, or one that is built now, static as users get it.
func binary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("FLOWKEEPER_BIN"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "flowkeeper")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "flowkeeper/cmd/flowkeeper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build flowkeeper: %v\n%s", err, out)
	}
	return path
}

// writeConfig writes the YAML file. The schedule is far off, so a flow log that comes back was restored because
// of its event.
func writeConfig(t *testing.T, w *world, h *webhook) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "flowkeeper.yaml")
	must(t, os.WriteFile(path, fmt.Appendf(nil, `queue:
  url: %q
  wait_time: 5s
inventory:
  schedule: "@every 1h"
  settle: 2s
rehearsal:
  schedule: ""
alerts:
  - type: webhook
    name: test
    min_level: informational
    url: %q
    secret: %q
state:
  path: %q
http:
  listen: ""
log:
  level: debug
  format: json
aws:
  region: %s
  endpoint_url: %q
`, w.queueURL, h.url, h.secret, filepath.Join(dir, "state.db"), region, w.inst.Endpoint), 0o600))
	return path
}

func startDaemon(t *testing.T, w *world, h *webhook) *daemon {
	t.Helper()
	d := &daemon{
		binary: binary(t), config: writeConfig(t, w, h), stderr: &lockedBuffer{}, done: make(chan struct{}),
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true",
			"AWS_ACCESS_KEY_ID=" + w.account, "AWS_SECRET_ACCESS_KEY=" + secretKey,
		},
	}
	d.cmd = exec.Command(d.binary, "run", "--config", d.config)
	d.cmd.Env, d.cmd.Stderr = d.env, d.stderr
	must(t, d.cmd.Start())
	go func() {
		d.cmd.Wait() // the exit code stays in ProcessState
		close(d.done)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.done
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.stderr)
		}
	})
	return d
}

// secretKey must never be seen in the daemon's log (I11).
const secretKey = "c0ffee-this-is-the-secret-key"

// waitFor calls check until it returns no error. The test fails when the daemon ends, or with the last error.
func (d *daemon) waitFor(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-d.done:
			t.Fatalf("the daemon ended (%v) before %s: %v", d.cmd.ProcessState, what, err)
		case <-deadline.C:
			t.Fatalf("waited %s for this: %s: %v", patience, what, err)
		case <-every.C:
		}
	}
}

// output runs another command on the daemon's state file, while the daemon runs.
func (d *daemon) output(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.binary, append(args, "--config", d.config)...)
	cmd.Env = d.env
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("flowkeeper %v: %w: %s", args, err, exit.Stderr)
	}
	return out, err
}

// stop ends the daemon and wants exit code 0 (I10).
func (d *daemon) stop(t *testing.T, sig syscall.Signal) {
	t.Helper()
	must(t, d.cmd.Process.Signal(sig))
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	select {
	case <-d.done:
	case <-deadline.C:
		t.Fatalf("still running 30 s after %v", sig)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %v, want exit code 0", d.cmd.ProcessState)
	}
}

// lockedBuffer is written by the process's reader and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
