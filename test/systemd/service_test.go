//go:build linux

package systemd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"flowkeeper/internal/fakeaws"
)

const (
	unit          = "flowkeeper.service"
	unitFile      = "/usr/lib/systemd/system/flowkeeper.service"
	conffile      = "/etc/flowkeeper/flowkeeper.yaml"
	dropIns       = "/etc/systemd/system/flowkeeper.service.d/"
	stateFile     = "/var/lib/flowkeeper/state.db"
	privateState  = "/var/lib/private/flowkeeper" // where systemd keeps the state file
	configProblem = "78"
)

// show returns what systemd says of the service, by property.
func (s *story) show(t *testing.T, properties ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(s.machine.run(t, "systemctl", "show", "--property="+strings.Join(properties, ","), unit).stdout) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		out[key] = value
	}
	return out
}

// wants compares properties of the service with what they must be.
func (s *story) wants(t *testing.T, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got := s.show(t, key)[key]; got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
}

// pid is the daemon's process number in the machine.
func (s *story) pid(t *testing.T) string { return s.show(t, "MainPID")["MainPID"] }

// restarted waits until another process runs and is ready, and systemd has counted a restart. On a slow
// machine systemd may have counted several.
func (s *story) restarted(t *testing.T, before map[string]string) {
	t.Helper()
	n, err := strconv.Atoi(before["NRestarts"])
	must(t, err)
	s.await(t, "systemd starts it anew", func() error {
		now := s.show(t, "MainPID", "ActiveState", "NRestarts")
		count, err := strconv.Atoi(now["NRestarts"])
		if err != nil || count <= n || now["MainPID"] == before["MainPID"] || now["ActiveState"] != "active" {
			return fmt.Errorf("before %v, now %v", before, now)
		}
		return nil
	})
}

// ready waits until /readyz answers 200.
func (s *story) ready(t *testing.T) {
	t.Helper()
	s.await(t, "/readyz is 200", func() error { return s.world.answers("/readyz", 200) })
}

// comesBack waits until a lost flow log is back, exactly once, and its message is acknowledged.
func (s *story) comesBack(t *testing.T, f fakeaws.FlowLog) {
	t.Helper()
	s.await(t, f.ID+" comes back", func() error {
		if err := s.world.restored(f); err != nil {
			return err
		}
		if n := s.world.waiting(); n != 0 {
			return fmt.Errorf("%d messages are not acknowledged", n)
		}
		return nil
	})
}

// incidents are the states of all incidents that `flowkeeper incidents list` shows root, by flow log ID.
func (s *story) incidents(t *testing.T) map[string]string {
	t.Helper()
	out := s.machine.run(t, "flowkeeper", "incidents", "list", "--json").stdout
	states := map[string]string{}
	for line := range strings.Lines(out) {
		var i struct{ ID, State string }
		must(t, json.Unmarshal([]byte(line), &i))
		states[i.ID] = i.State
	}
	return states
}

// packages builds two versions of the package, and copies them into the machine.
func (s *story) packages(t *testing.T) (older, newer string) {
	t.Helper()
	var paths []string
	for _, version := range []string{oldVersion, newVersion} {
		command(t, s.ctx, "make", "-C", "../..", "packages", "ARCHES="+runtime.GOARCH, "VERSION="+version)
		built, err := filepath.Glob("../../dist/flowkeeper_" + version + "*_" + runtime.GOARCH + ".deb")
		must(t, err)
		if len(built) != 1 {
			t.Fatalf("make packages VERSION=%s made %v", version, built)
		}
		path := "/var/tmp/" + filepath.Base(built[0])
		copyFile(t, built[0], filepath.Join(s.machine.root, path))
		paths = append(paths, path)
	}
	return paths[0], paths[1]
}

const (
	oldVersion = "7.0.0"
	newVersion = "7.1.0"
)

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
}
