package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert/alerttest"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/remediate/incident"
)

func testApp(out *bytes.Buffer, environ ...string) *app {
	return &app{Output: term.Output{Stdout: out, Stderr: out}, stdin: strings.NewReader(""), environ: environ, now: func() time.Time { return noon }}
}

// flowkeeper runs a command line, and returns its exit code and all that it printed.
func flowkeeper(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var b bytes.Buffer
	code = testApp(&b).execute(t.Context(), args)
	return code, b.String()
}

// printed returns the output of print.
func printed(t *testing.T, print func(a *app)) string {
	t.Helper()
	var b bytes.Buffer
	a := testApp(&b)
	print(a)
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// stateFile creates a state file as a daemon does, and fills it by write. Its alerts go to the sinks.
func stateFile(t *testing.T, write func(*store.Tx) error, sinks ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true, Routes: alerttest.To(sinks)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Update(t.Context(), write), s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// full is a file on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskIsNoSuccess(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	a := testApp(&b)
	a.Stdout = full{}
	if code := a.execute(t.Context(), []string{"version"}); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(b.String(), "no space left on device") {
		t.Errorf("%q", b.String())
	}
}

// TestNextStep: the next step of a restored flow log is a check, otherwise an attempt. A step whose time has passed is
// shown as due.
func TestNextStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state      incident.State
		at         time.Time
		what, when string
	}{
		{incident.Open, noon.Add(time.Minute), "next attempt", "2026-03-01 12:01:00 UTC (in 60 s)"},
		{incident.Blocked, noon, "next attempt", "due"},
		{incident.Restored, noon.Add(time.Minute), "next check", "2026-03-01 12:01:00 UTC (in 60 s)"},
		{incident.Restored, noon.Add(-2 * time.Minute), "next check", "due"},
		{incident.Verified, time.Time{}, "next attempt", ""},
	} {
		t.Run(string(c.state)+" "+c.when, func(t *testing.T) {
			t.Parallel()
			what, when := nextStep(testApp(nil), incident.Incident{State: c.state, NextAttemptAt: c.at})
			if what != c.what || when != c.when {
				t.Errorf("%q %q, want %q %q", what, when, c.what, c.when)
			}
		})
	}
}
