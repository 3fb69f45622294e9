package localstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 2 * time.Minute // LocalStack takes 5 s; a busy machine much longer
	termWithin  = time.Minute     // from SIGTERM to SIGKILL: a busy machine needs more than 15 s
	tailLines   = 25              // of its log, in an error
)

// process is a LocalStack that this test process started, in a process group of its own.
type process struct {
	cmd  *exec.Cmd
	tail *tail
	done chan struct{} // closed once err is set
	err  error         // how it ended; owned by the goroutine that waits
}

// launch starts cmd. onDeath is the signal that the kernel sends to it if the test process dies without a Stop
// (Linux only).
func launch(cmd *exec.Cmd, onDeath syscall.Signal) (*process, error) {
	p := &process{cmd: cmd, tail: &tail{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	cmd.WaitDelay = time.Second // a grandchild may hold the pipe
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr, onDeath)
	started := make(chan error)
	go func() {
		// For the kernel, the parent is the thread that forked: it must live as
		// long as the child.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// errPortTaken says that another program took the port that was free a moment ago.
var errPortTaken = errors.New("its port is taken")

// ready waits until probe succeeds. The error has the last lines of the log.
func (p *process) ready(ctx context.Context, within time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if strings.Contains(p.tail.String(), "Address already in use") { // LocalStack would run on without its port
			return fmt.Errorf("%w; its last words:\n%s", errPortTaken, p.tail)
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended before it was ready (%w); its last words:\n%s", p.err, p.tail)
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w; its last words:\n%s", within, err, p.tail)
		case <-every.C:
		}
	}
}

// stop ends the whole process group: SIGTERM, and SIGKILL after the deadline.
func (p *process) stop(within time.Duration) error {
	pgid := p.cmd.Process.Pid
	defer syscall.Kill(-pgid, syscall.SIGKILL) // kills processes of the group that outlived the first one
	if err := syscall.Kill(-pgid, syscall.SIGTERM); errors.Is(err, syscall.ESRCH) {
		<-p.done
		return nil
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	syscall.Kill(-pgid, syscall.SIGKILL)
	<-p.done
	return fmt.Errorf("LocalStack ignored SIGTERM for %s and was killed", within)
}

// cleanEnv is the environment of LocalStack, without variables of the person who runs the test (AWS_…, DEBUG,
// PERSISTENCE …) that would change its behaviour.
func cleanEnv(extra ...string) []string {
	var env []string
	for _, key := range []string{"PATH", "HOME", "LANG", "TMPDIR", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return append(env, extra...)
}

// tail keeps the last lines written to it. Safe for concurrent use.
type tail struct {
	mu    sync.Mutex // guards lines
	lines []string   // the last one may be incomplete
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	parts := strings.Split(string(b), "\n")
	if n := len(t.lines); n > 0 {
		parts[0] = t.lines[n-1] + parts[0]
		t.lines = t.lines[:n-1]
	}
	t.lines = append(t.lines, parts...)
	if n := len(t.lines); n > tailLines {
		t.lines = append([]string(nil), t.lines[n-tailLines:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.Join(t.lines, "\n"))
}
