//go:build linux

package systemd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// upgraded installs the newer package, and deletes a flow log meanwhile.
func (s *story) upgraded(t *testing.T) {
	before, incidents := s.show(t, "MainPID"), s.incidents(t)
	lost := s.world.victim(t, other)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.world.strike(t, lost)
	}()
	s.machine.run(t, "dpkg", "--install", s.new)
	<-done
	s.wants(t, map[string]string{"ActiveState": "active", "UnitFileState": "enabled", "Result": "success"})
	if now := s.pid(t); now == before["MainPID"] {
		t.Error("the old process runs on")
	}
	s.runs(t, newVersion)
	s.comesBack(t, lost)
	s.settled(t, lost.ID)
	for id := range incidents {
		s.settled(t, id)
	}
}

// runs wants the process that answers to be of a version.
func (s *story) runs(t *testing.T, version string) {
	t.Helper()
	want := fmt.Sprintf("flowkeeper_build_info{version=%q} 1", version)
	s.await(t, want, func() error {
		if _, body, err := s.world.get("/metrics"); err != nil || !strings.Contains(body, want) {
			return fmt.Errorf("not in /metrics: %v", err)
		}
		return nil
	})
}

// stopped stops the service, which must end soon.
func (s *story) stopped(t *testing.T) {
	begun := time.Now()
	s.machine.run(t, "systemctl", "stop", "flowkeeper")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	s.wants(t, map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
	s.says(t, "the stop", func(e entry) bool { return e.Message == "stopped" && e.Priority == priInfo })
}

// rolledBack installs the older package while the service is stopped: it stays stopped.
func (s *story) rolledBack(t *testing.T) {
	s.machine.run(t, "dpkg", "--install", s.old)
	s.wants(t, map[string]string{"ActiveState": "inactive", "UnitFileState": "enabled"})
	if got := s.machine.run(t, "flowkeeper", "version").stdout; !strings.Contains(got, oldVersion) {
		t.Errorf("version says %q", got)
	}
	s.machine.run(t, "systemctl", "start", "flowkeeper")
	s.runs(t, oldVersion)
	s.ready(t)
}

// removed removes the package: the configuration and the state file stay.
func (s *story) removed(t *testing.T) {
	s.machine.run(t, "dpkg", "--remove", "flowkeeper")
	s.says(t, "the stop", func(e entry) bool { return e.Message == "stopped" })
	if pid := s.machine.ask(t, "sh", "-c", "grep -l '^Name:.flowkeeper' /proc/[0-9]*/status"); pid != "" {
		t.Errorf("it runs on: %s", pid)
	}
	s.machine.run(t, "rm", "-r", dropIns) // the operator's own
	s.machine.run(t, "systemctl", "daemon-reload")
	s.wants(t, map[string]string{"LoadState": "not-found"})
	for path, want := range map[string]bool{"/usr/bin/flowkeeper": false, unitFile: false, conffile: true, privateState + "/state.db": true} {
		if got := s.machine.exists(path); got != want {
			t.Errorf("%s is there: %v, want %v", path, got, want)
		}
	}
}

// purged purges the package: no file is left, secrets included.
func (s *story) purged(t *testing.T) {
	s.machine.run(t, "dpkg", "--purge", "flowkeeper")
	left := s.machine.sh(t, "find / -xdev -iname '*flowkeeper*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/tmp/*'")
	if left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	if units := s.machine.ask(t, "systemctl", "--failed", "--plain", "--no-legend"); units != "" {
		t.Errorf("failed units: %s", units)
	}
}
