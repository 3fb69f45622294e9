//go:build linux

package systemd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// upgraded: the newer package is installed, and a flow log is deleted at the same time. The new daemon goes
// on with the old one's incidents.
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
		t.Error("the old process still runs after the upgrade")
	}
	s.runs(t, newVersion)
	s.comesBack(t, lost)
	s.settled(t, lost.ID)
	for id := range incidents {
		s.settled(t, id)
	}
}

// runs waits until the daemon that answers has this version.
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

// stopped: systemctl stop ends the service soon.
func (s *story) stopped(t *testing.T) {
	begun := time.Now()
	s.machine.run(t, "systemctl", "stop", "flowkeeper")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("systemctl stop took %s, want at most 10 s", took)
	}
	s.wants(t, map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
	s.says(t, "the stop", func(e entry) bool { return e.Message == "stopped" && e.Priority == priInfo })
}

// rolledBack: the older package is installed while the service is stopped, which must stay stopped.
func (s *story) rolledBack(t *testing.T) {
	s.machine.run(t, "dpkg", "--install", s.old)
	s.wants(t, map[string]string{"ActiveState": "inactive", "UnitFileState": "enabled"})
	if got := s.machine.run(t, "flowkeeper", "version").stdout; !strings.Contains(got, oldVersion) {
		t.Errorf("flowkeeper version prints %q", got)
	}
	s.machine.run(t, "systemctl", "start", "flowkeeper")
	s.runs(t, oldVersion)
	s.ready(t)
}

// removed: the package is removed, and the configuration and the state file stay.
func (s *story) removed(t *testing.T) {
	s.machine.run(t, "dpkg", "--remove", "flowkeeper")
	s.says(t, "the stop", func(e entry) bool { return e.Message == "stopped" })
	if pid := s.machine.ask(t, "sh", "-c", "grep -l '^Name:.flowkeeper' /proc/[0-9]*/status"); pid != "" {
		t.Errorf("process %s still runs after the removal", pid)
	}
	s.machine.run(t, "rm", "-r", dropIns) // the operator made this, so the operator removes it
	s.machine.run(t, "systemctl", "daemon-reload")
	s.wants(t, map[string]string{"LoadState": "not-found"})
	for path, want := range map[string]bool{"/usr/bin/flowkeeper": false, unitFile: false, conffile: true, privateState + "/state.db": true} {
		if got := s.machine.exists(path); got != want {
			t.Errorf("%s exists: %v, want %v", path, got, want)
		}
	}
}

// purged: the package is purged, and no file is left, above all no secret.
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
