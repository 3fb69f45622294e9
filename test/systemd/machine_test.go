//go:build linux

package systemd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	machineName = "flowkeeper-test"

	bootWithin = 2 * time.Minute  // booting takes three seconds, and longer on a busy machine
	haltWithin = 30 * time.Second // after that the machine is killed
	onceWithin = 2 * time.Minute  // for one command in the machine
)

// machine is a booted container.
type machine struct {
	ctx    context.Context
	root   string // directory with the machine's files, on the host
	leader string // its first process: the number on the host
}

// boot starts a machine. When the test ends, the machine is stopped and removed.
func boot(t *testing.T, ctx context.Context) *machine {
	t.Helper()
	m := &machine{ctx: ctx, root: newRoot(t, ctx)}
	ready, address := listenReady(t)
	console := &bytes.Buffer{}
	cmd := exec.Command("sh", "-c", `mount -t proc proc /proc && exec systemd-nspawn "$@"`, "sh",
		"--quiet", "--boot", "--directory="+m.root, "--machine="+machineName,
		"--register=no", "--keep-unit", "--link-journal=no", "--notify-ready=yes", "--console=pipe")
	cmd.Env = append(cleanEnv(), "NOTIFY_SOCKET="+address)
	cmd.Stdout, cmd.Stderr = console, console
	ended := start(t, cmd)
	t.Cleanup(func() { halt(t, cmd, ended) })
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("the container ended before it had booted:\n%s", console)
	case <-time.After(bootWithin):
		t.Fatalf("the container has not booted within %s", bootWithin)
	case <-ctx.Done():
		t.Fatal("interrupted")
	}
	m.leader = child(t, cmd.Process.Pid)
	if state := m.ask(t, "systemctl", "is-system-running", "--wait"); state != "running" {
		t.Fatalf("the machine is %s:\n%s", state, m.ask(t, "systemctl", "--failed"))
	}
	return m
}

// listenReady returns the address of a socket on which nspawn reports that the container's systemd has
// started everything; ready receives a value then. It goes on reading: if the socket's buffer were full,
// systemd would wait.
func listenReady(t *testing.T) (ready <-chan struct{}, address string) {
	t.Helper()
	address = filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	up := make(chan struct{}, 1)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := l.Read(buf)
			if err != nil {
				return // closed
			}
			if slices.Contains(strings.Split(string(buf[:n]), "\n"), "READY=1") {
				select {
				case up <- struct{}{}:
				default: // a value is there already
				}
			}
		}
	}()
	return up, address
}

// start runs a process in its own PID namespace, so that the kernel kills it, and all that it has started,
// together with the test process. It has its own process group, so that ^C does not reach it. The channel
// closes when it has ended.
func start(t *testing.T, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS,
	}
	cmd.WaitDelay = time.Second
	ended, started := make(chan struct{}), make(chan error)
	go func() {
		// For the kernel, the parent is the thread that forked: it must live as
		// long as the child.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // the result does not matter
		}
		close(ended)
	}()
	must(t, <-started)
	return ended
}

// child is the number of the only process that another one has started.
func child(t *testing.T, parent int) (pid string) {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/status")
	must(t, err)
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), fmt.Sprintf("\nPPid:\t%d\n", parent)) {
			return filepath.Base(filepath.Dir(path))
		}
	}
	t.Fatalf("process %d has no child", parent)
	return ""
}

// halt lets the machine power off, and kills it if it does not.
func halt(t *testing.T, cmd *exec.Cmd, ended <-chan struct{}) {
	t.Helper()
	cmd.Process.Signal(syscall.SIGTERM) // nspawn takes it as "power off"; an error means that it has ended
	select {
	case <-ended:
	case <-time.After(haltWithin):
		t.Errorf("the machine did not power off within %s and was killed", haltWithin)
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
}

// cleanEnv is the environment of programs, without variables of the person who runs the test (AWS_…,
// FLOWKEEPER_…) that would change their behaviour.
func cleanEnv() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", "NO_COLOR=1"}
}

// result is that of a command in the machine.
type result struct {
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
}

// try runs a command in the machine as root, and returns its result.
func (m *machine) try(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(m.ctx, onceWithin)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", m.leader, "--all", "--wd=/", "--"}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = cleanEnv(), &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // processes that it started in the machine may hold the pipes open
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%v: %v: %v", args, err, ctx.Err())
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// run runs a command, which must succeed.
func (m *machine) run(t *testing.T, args ...string) result {
	t.Helper()
	r := m.try(t, args...)
	if r.code != 0 {
		t.Fatalf("%v: %s", args, r)
	}
	return r
}

// ask returns what a command prints, whatever its exit code.
func (m *machine) ask(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(m.try(t, args...).stdout)
}

// sh runs a line of shell.
func (m *machine) sh(t *testing.T, line string) string {
	t.Helper()
	return m.run(t, "sh", "-euc", line).stdout
}

// write makes a file in the machine that only root may read.
func (m *machine) write(t *testing.T, path, text string) {
	t.Helper()
	host := filepath.Join(m.root, path)
	must(t, os.MkdirAll(filepath.Dir(host), 0o755))
	must(t, os.WriteFile(host, []byte(text), 0o600))
	must(t, os.Chmod(host, 0o600))
}

func (m *machine) read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.root, path))
	must(t, err)
	return string(b)
}

// exists follows no link, because links of the container point to other files on the host.
func (m *machine) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(m.root, path))
	return err == nil
}
