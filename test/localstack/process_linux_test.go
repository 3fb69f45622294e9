package localstack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary play the test process that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("LOCALSTACK_TEST_ROLE") == "parent" {
		p, err := launch(exec.Command("sleep", "600"), syscall.SIGKILL)
		if err != nil {
			panic(err)
		}
		fmt.Println(p.cmd.Process.Pid)
		<-p.done
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func sh(t *testing.T, script string) *process {
	t.Helper()
	p, err := launch(exec.Command("sh", "-c", script), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(0) })
	return p
}

func never(context.Context) error { return errors.New("no answer") }

// said is a probe: it succeeds once the process has printed word.
func said(p *process, word string) func(context.Context) error {
	return func(context.Context) error {
		if strings.Contains(p.tail.String(), word) {
			return nil
		}
		return errors.New("has not said " + word)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	t.Run("ended early", func(t *testing.T) {
		t.Parallel()
		err := sh(t, "echo could not load; exit 3").ready(t.Context(), time.Minute, never)
		if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "could not load") {
			t.Errorf("got %v, want the exit status and the last words", err)
		}
	})
	t.Run("its port is taken", func(t *testing.T) {
		t.Parallel()
		err := sh(t, "echo '[Errno 98] Address already in use.'; echo Ready.; exec sleep 600").ready(t.Context(), time.Minute, never)
		if !errors.Is(err, errPortTaken) {
			t.Errorf("got %v, want an error: LocalStack runs on without its port", err)
		}
	})
	t.Run("too slow", func(t *testing.T) {
		t.Parallel()
		p := sh(t, "echo loading; exec sleep 600")
		if err := p.ready(t.Context(), time.Minute, said(p, "loading")); err != nil {
			t.Fatal(err)
		}
		err := p.ready(t.Context(), time.Millisecond, never)
		if err == nil || !strings.Contains(err.Error(), "no answer") || !strings.Contains(err.Error(), "loading") {
			t.Errorf("got %v, want the probe's error and the last words", err)
		}
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		within time.Duration
		killed bool
	}{
		"obeys SIGTERM":    {"echo up; exec sleep 600", time.Minute, false},
		"ignores SIGTERM":  {"trap '' TERM; echo up; while :; do sleep 1; done", 50 * time.Millisecond, true},
		"is already ended": {"echo up", time.Minute, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sh(t, tt.script)
			// The process may end early: this case is about what stop does then.
			_ = p.ready(t.Context(), time.Minute, said(p, "up"))
			if err := p.stop(tt.within); (err != nil) != tt.killed {
				t.Errorf("stop: %v, want an error: %v", err, tt.killed)
			}
			if !gone(p.cmd.Process.Pid) {
				t.Error("still running after stop")
			}
		})
	}
}

// TestKilledParentTakesChildAlong: a test process that is killed leaves no LocalStack behind.
func TestKilledParentTakesChildAlong(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "LOCALSTACK_TEST_ROLE=parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if gone(pid) {
		t.Fatal("the child does not run")
	}
	parent.Process.Kill()
	parent.Wait()
	deadline := time.NewTimer(10 * time.Second)
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for !gone(pid) {
		select {
		case <-deadline.C:
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the child outlived its killed parent")
		case <-every.C:
		}
	}
}

// gone reports whether a process is gone or a zombie: its new parent may be slow to wait for it.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestTailKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	var tl tail
	for i := range 100 {
		fmt.Fprintf(&tl, "li")
		fmt.Fprintf(&tl, "ne %d\n", i)
	}
	got := strings.Split(tl.String(), "\n")
	if last := got[len(got)-1]; last != "line 99" || len(got) > tailLines {
		t.Errorf("%d lines, the last %q", len(got), last)
	}
}
