//go:build linux

package systemd_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// lockedIn checks that the service has a user of its own, that systemd gives its sandbox a low exposure
// score, and that no other user can read the secrets.
func (s *story) lockedIn(t *testing.T) {
	s.machine.run(t, "systemd-analyze", "security", "--threshold=11", "--no-pager", unit)
	analysis := strings.Split(s.machine.ask(t, "systemd-analyze", "security", "--no-pager", unit), "\n")
	t.Log(analysis[len(analysis)-1])
	s.wants(t, map[string]string{"DynamicUser": "yes", "LimitCORE": "0"})
	uid := strings.Fields(s.machine.sh(t, "grep ^Uid: /proc/"+s.pid(t)+"/status"))[1]
	if uid == "0" {
		t.Error("the daemon runs as root")
	}
	for path, want := range map[string]string{privateState: "700 " + uid, stateFile: "600 " + uid, "/run/credentials/flowkeeper.service/flowkeeper.yaml": "400 " + uid} {
		if got := strings.TrimSpace(s.machine.sh(t, "stat --dereference --format='%a %u' "+path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	for _, path := range []string{conffile, "/etc/flowkeeper/aws-credentials", "/run/credentials/flowkeeper.service/aws", "/run/credentials/flowkeeper.service/webhook-secret", stateFile} {
		s.machine.run(t, "cat", path)
		if r := s.machine.try(t, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", path); r.code == 0 {
			t.Errorf("anybody can read %s", path)
		}
	}
}

// brokenInto runs an attacker's program instead of the daemon, with the unmodified unit. Each of
// its attempts must fail, unless the daemon needs it. The program is this test binary.
func (s *story) brokenInto(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	copyFile(t, self, s.machine.root+"/opt/probe")
	s.machine.write(t, dropIns+"probe.conf", `[Service]
Type=oneshot
Restart=no
BindReadOnlyPaths=/opt/probe:/usr/bin/flowkeeper
Environment=`+roleVariable+"="+probeRole+"\n")
	s.machine.sh(t, "mkdir -p /var/lib/private/other; systemctl stop flowkeeper; systemctl daemon-reload; systemctl start flowkeeper")
	e := s.says(t, "what the program met", func(e entry) bool { return strings.HasPrefix(e.Message, "[{") })
	var findings []finding
	must(t, json.Unmarshal([]byte(e.Message), &findings))
	if len(findings) != len(attempts()) {
		t.Errorf("%d attempts were made, want %d", len(findings), len(attempts()))
	}
	for _, f := range findings {
		if f.Got != f.Want {
			t.Errorf("%s: %s, want %s", f.Attempt, f.Got, f.Want)
		}
	}
	s.machine.sh(t, "rm -r "+dropIns+"probe.conf /opt/probe /var/lib/private/other "+privateState+"/probe; systemctl daemon-reload; systemctl start flowkeeper")
	s.ready(t)
}
