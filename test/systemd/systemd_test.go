//go:build linux

// Package systemd_test tests the package and the unit with a real systemd, in a small
// Debian that boots in a container. It plays what operators do, accidents, and attackers.
// AWS is the fake in this process, because the container shares the host's loopback.
package systemd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary play the attacker's program in the sandbox.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == probeRole {
		os.Exit(probe(os.Stdout))
	}
	os.Exit(m.Run())
}

// story is the life of one machine with Flowkeeper.
type story struct {
	ctx     context.Context // ends with the test, or when a person interrupts it
	machine *machine
	world   *world
	old     string // packages, as paths inside the machine
	new     string
	cursor  string // of the journal: a chapter reads the entries after it
}

// TestOperatorsStory runs its chapters in order. Each needs the state that the previous one has left,
// because booting a machine for each would take minutes.
func TestOperatorsStory(t *testing.T) {
	t.Parallel()
	needMachine(t)
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s := &story{ctx: ctx}
	s.machine = boot(t, ctx)
	s.world = newWorld(t)
	s.old, s.new = s.packages(t)
	for _, c := range []struct {
		name string
		run  func(*story, *testing.T)
	}{
		{"installed, it waits for its configuration", (*story).installed},
		{"started without a configuration, it says what to write", (*story).unconfigured},
		{"configured, start returns when it is ready", (*story).configured},
		{"systemctl status shows how it is", (*story).status},
		{"it runs in its sandbox", (*story).lockedIn},
		{"an attacker in the sandbox can do nothing", (*story).brokenInto},
		{"a deleted flow log comes back", (*story).deleted},
		{"killed, it comes back with what it missed", (*story).killed},
		{"terminated, it comes back all the same", (*story).terminated},
		{"hung, the watchdog restarts it", (*story).hung},
		{"a full disk loses nothing", (*story).diskFull},
		{"an invalid configuration stops it once, and the log says where the mistake is", (*story).typo},
		{"upgraded, it goes on", (*story).upgraded},
		{"stopped, it ends at once", (*story).stopped},
		{"rolled back while stopped, it stays stopped", (*story).rolledBack},
		{"removed, its state file and configuration stay", (*story).removed},
		{"purged, nothing is left", (*story).purged},
	} {
		begun := time.Now()
		if !t.Run(c.name, func(t *testing.T) { s.mark(t); c.run(s, t) }) {
			s.logJournal(t)
			return // the next chapters need the state that this one should have left
		}
		t.Logf("%5.1f s: %s", time.Since(begun).Seconds(), c.name)
	}
}

// needMachine skips the test unless a person asked for a container, and fails if one was asked for and
// can't run here.
func needMachine(t *testing.T) {
	t.Helper()
	if os.Getenv("FLOWKEEPER_SYSTEMD") != "1" {
		t.Skip("boots a container, as root: make test-systemd")
	}
	if os.Getenv("SHORT") == "1" {
		t.Skip("SHORT=1: left out, as it needs a Debian from the network")
	}
	if os.Geteuid() != 0 {
		t.Fatal("only root can boot a container: sudo make test-systemd")
	}
	for _, tool := range []string{"systemd-nspawn", "debootstrap", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: test/systemd/tools.sh installs it", err)
		}
	}
}

// patience is how long one thing may take. On an idle machine each takes seconds.
const patience = 90 * time.Second

// await calls check until it returns no error, or fails with the last error.
func (s *story) await(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(s.ctx, patience, errors.New("waited "+patience.String()))
	defer cancel()
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v for this: %s: %v", context.Cause(ctx), what, err)
		case <-every.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
