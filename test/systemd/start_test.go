//go:build linux

package systemd_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installed: the package is installed with all its files. Without a configuration the service does not run.
func (s *story) installed(t *testing.T) {
	s.machine.run(t, "dpkg", "--install", s.old)
	for path, mode := range map[string]os.FileMode{"/usr/bin/flowkeeper": 0o755, unitFile: 0o644, conffile: 0o640} {
		info, err := os.Lstat(filepath.Join(s.machine.root, path))
		must(t, err)
		if info.Mode() != mode {
			t.Errorf("%s has the mode %v, want %v", path, info.Mode(), mode)
		}
	}
	s.wants(t, map[string]string{"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled"})
	if got := s.machine.run(t, "flowkeeper", "version").stdout; !strings.Contains(got, oldVersion) {
		t.Errorf("flowkeeper version prints %q", got)
	}
	r := s.machine.try(t, "flowkeeper", "check")
	if r.code != 78 || !strings.Contains(r.stderr, "queue.url") {
		t.Errorf("check on the shipped configuration: %s", r)
	}
}

// unconfigured: a start without a configuration fails once, and the log says what to write.
func (s *story) unconfigured(t *testing.T) {
	if r := s.machine.try(t, "systemctl", "start", "flowkeeper"); r.code == 0 {
		t.Error("systemctl start succeeds without queue.url")
	}
	s.failedForGood(t)
	s.loud(t, s.says(t, "queue.url", saysPart("queue.url", "flowkeeper.yaml")))
}

// failedForGood: the daemon has exited with 78, and systemd does not start it again.
func (s *story) failedForGood(t *testing.T) {
	t.Helper()
	// If systemd were to start it again, the state would be "activating", "auto-restart".
	s.wants(t, map[string]string{"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": configProblem, "NRestarts": "0"})
}

// configured: the operator writes the configuration, the credentials and a drop-in, readable by root alone,
// as the comments of the unit say.
func (s *story) configured(t *testing.T) {
	s.machine.write(t, conffile, s.world.configuration())
	s.machine.write(t, "/etc/flowkeeper/aws-credentials", s.world.credentials())
	s.machine.write(t, "/etc/flowkeeper/webhook-secret", secret+"\n")
	offered := dropIn(s.machine.read(t, unitFile))
	if n := strings.Count(offered, "\n"); n != 5 {
		t.Errorf("the unit offers %d settings to take the # off, want 4:\n%s", n-1, offered)
	}
	s.machine.write(t, dropIns+"credentials.conf", offered)
	s.machine.run(t, "systemctl", "daemon-reload")
	s.machine.run(t, "systemctl", "enable", "flowkeeper")
	s.machine.run(t, "systemctl", "start", "flowkeeper")
	// systemctl start returns only when the daemon is ready, so nothing waits here.
	s.wants(t, map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
	must(t, s.world.answers("/healthz", http.StatusOK))
	s.ready(t)
}

// status checks the status line that `systemctl status` shows.
func (s *story) status(t *testing.T) {
	want := "3 flow logs protected in 1 scope"
	s.await(t, "the status line", func() error {
		if got := s.machine.ask(t, "systemctl", "status", "flowkeeper"); !strings.Contains(got, `Status: "`+want) {
			return errors.New(got)
		}
		return nil
	})
}
