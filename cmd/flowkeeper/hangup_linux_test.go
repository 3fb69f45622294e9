package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHangup: SIGHUP ends the daemon only if the terminal in which it was started was closed. Then the daemon ends
// cleanly. If it was started with nohup, it goes on.
func TestHangup(t *testing.T) {
	t.Parallel()
	const start = `exec env --default-signal=HUP ./flowkeeper run --config f.yaml` // the tests themselves may run under nohup
	t.Run("by kill, in an open terminal", func(t *testing.T) {
		t.Parallel()
		d := inTerminal(t, start)
		d.hangup()
		d.says("SIGHUP: there is no reload; restart to read the configuration again")
		d.alive()
		d.stop()
	})
	t.Run("the terminal is closed", func(t *testing.T) {
		t.Parallel()
		d := inTerminal(t, start)
		if err := d.master.Close(); err != nil {
			t.Fatal(err)
		}
		d.ends()
	})
	t.Run("the terminal is closed, with nohup", func(t *testing.T) {
		t.Parallel()
		d := inTerminal(t, `trap "" HUP; exec ./flowkeeper run --config f.yaml`)
		if err := d.master.Close(); err != nil {
			t.Fatal(err)
		}
		d.hangup()
		d.alive()
		d.stop()
	})
	t.Run("by kill, without a terminal", func(t *testing.T) {
		t.Parallel()
		d := newProcess(t, start+` 2>log`)
		d.start()
		d.hangup()
		d.logged = func() string {
			text, err := os.ReadFile(filepath.Join(d.cmd.Dir, "log"))
			if err != nil {
				t.Error(err)
			}
			return string(text)
		}
		d.says(`"msg":"SIGHUP: there is no reload;`)
		d.alive()
		d.stop()
	})
}

// process is a daemon in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	listen string        // the address of its HTTP server
	master *os.File      // the master side of its terminal; nil: it has none
	logged func() string // returns what it has logged so far
	ended  chan error    // gets the result when the process ends
}

func newProcess(t *testing.T, script string) *process {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &process{t: t, listen: l.Addr().String(), ended: make(chan error, 1)}
	text := fmt.Sprintf("queue: {url: 'http://127.0.0.1:9/111122223333/flowkeeper'}\nstate: {path: state.db}\nhttp: {listen: '%s'}\naws: {region: eu-west-1, endpoint_url: 'http://127.0.0.1:9'}\n", d.listen)
	for _, err := range []error{l.Close(), os.Symlink(self, filepath.Join(dir, "flowkeeper")), os.WriteFile(filepath.Join(dir, "f.yaml"), []byte(text), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d.cmd = exec.Command("/bin/sh", "-c", script)
	d.cmd.Dir, d.cmd.Env = dir, append(os.Environ(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_EC2_METADATA_DISABLED=true", "HTTP_PROXY=", "http_proxy=")
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return d
}

// start starts the daemon and waits until it answers.
func (d *process) start() {
	d.t.Helper()
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = d.cmd.Process.Kill() }) // usually the process has ended before
	go func() { d.ended <- d.cmd.Wait() }()
	d.alive()
}

// inTerminal starts the daemon in a new terminal, which is its controlling terminal.
func inTerminal(t *testing.T, script string) *process {
	t.Helper()
	d := newProcess(t, script)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := master.SyscallConn() // Fd would set the file to blocking mode, and Close would wait for a read
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	cerr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.master = master
	d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = slave, slave, slave
	d.cmd.SysProcAttr.Setctty = true
	var mu sync.Mutex
	var seen bytes.Buffer
	go func() { // ends when the terminal is closed
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			mu.Lock()
			seen.Write(b[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	d.logged = func() string {
		mu.Lock()
		defer mu.Unlock()
		return seen.String()
	}
	d.start()
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *process) hangup() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		d.t.Fatal(err)
	}
}

// within waits up to 20 seconds for a condition.
func (d *process) within(what string, done func() bool) {
	d.t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); {
		select {
		case err := <-d.ended:
			d.t.Fatalf("the daemon ended with %v before it was %s", err, what)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			d.t.Fatalf("the daemon is not %s within 20 s; its log: %s", what, d.logged())
		}
	}
}

func (d *process) says(text string) {
	d.t.Helper()
	d.within("saying "+text, func() bool { return bytes.Contains([]byte(d.logged()), []byte(text)) })
}

// alive checks that the daemon answers, and has not ended.
func (d *process) alive() {
	d.t.Helper()
	d.within("alive", func() bool {
		resp, err := http.Get("http://" + d.listen + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (d *process) stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	d.ends()
}

// ends checks that the daemon ends within 20 seconds, with exit code 0.
func (d *process) ends() {
	d.t.Helper()
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Errorf("the daemon ended with %v, want exit code 0", err)
		}
	case <-time.After(20 * time.Second):
		d.t.Fatal("the daemon still runs after 20 s")
	}
}
