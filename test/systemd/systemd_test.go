//go:build linux

// Package systemd_test puts the package and the unit under a real systemd, in
// a small Debian that boots in a container, and does to them what operators,
// accidents and attackers do. AWS is the fake one of this process: the
// container shares the host's loopback.
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

// TestMain lets the test binary act as the program that tries the sandbox.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == probeRole {
		os.Exit(probe(os.Stdout))
	}
	os.Exit(m.Run())
}

// story is one machine's life with Flowkeeper.
type story struct {
	ctx     context.Context // ends with the test, or when a person interrupts it
	machine *machine
	world   *world
	old     string // packages, as paths inside the machine
	new     string
	cursor  string // of the journal: what a chapter reads begins here
}

// TestOperatorsStory runs its chapters in order, each in the state that the one before has
// left: to boot a machine for each would take minutes.
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
		{"started without one, it says what to write", (*story).unconfigured},
		{"configured, start returns when it is ready", (*story).configured},
		{"status says how it is", (*story).status},
		{"it runs locked in", (*story).lockedIn},
		{"what breaks in finds nothing", (*story).brokenInto},
		{"a deleted flow log comes back", (*story).deleted},
		{"killed, it comes back with what it missed", (*story).killed},
		{"terminated, it comes back all the same", (*story).terminated},
		{"hung, the watchdog begins it anew", (*story).hung},
		{"a full disk loses nothing", (*story).diskFull},
		{"a typo stops it once, and says where it is", (*story).typo},
		{"upgraded, it goes on", (*story).upgraded},
		{"stopped, it ends at once", (*story).stopped},
		{"rolled back while stopped, it stays so", (*story).rolledBack},
		{"removed, its memory and configuration stay", (*story).removed},
		{"purged, nothing is left", (*story).purged},
	} {
		begun := time.Now()
		if !t.Run(c.name, func(t *testing.T) { s.mark(t); c.run(s, t) }) {
			s.logJournal(t)
			return // the others need the state that this one should have left
		}
		t.Logf("%5.1f s: %s", time.Since(begun).Seconds(), c.name)
	}
}

// needMachine skips the test unless a container was asked for, and fails if one was asked for
// and can't run here.
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

// patience is for one thing to happen; on an idle machine each takes seconds.
const patience = 90 * time.Second

// await tries until check is content, or fails with its last complaint.
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
