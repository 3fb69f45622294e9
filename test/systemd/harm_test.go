//go:build linux

package systemd_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	watched = "vpc-00000000000000001"
	other   = "subnet-00000000000000002"
	third   = "vpc-00000000000000003"
)

// deleted: a deleted flow log is alerted and restored.
func (s *story) deleted(t *testing.T) {
	lost := s.world.victim(t, watched)
	s.world.strike(t, lost)
	s.comesBack(t, lost)
	e := s.alerts(t, "deletion", lost.ID, priError)
	if e.Severity != "critical" /* a key without MFA */ || !strings.Contains(e.Actor, "mallory") {
		t.Errorf("the alert is %+v", e)
	}
	s.alerts(t, "restored", lost.ID, priInfo)
	s.await(t, "the pager", func() error { return s.world.pager.rang("deletion", lost.ID) })
	s.settled(t, lost.ID)
}

// settled waits until `flowkeeper incidents list`, which operators type, shows that an incident is over.
func (s *story) settled(t *testing.T, id string) {
	t.Helper()
	s.await(t, id+" is verified", func() error {
		if all := s.incidents(t); all[id] != "verified" {
			return fmt.Errorf("the incidents are %v", all)
		}
		return nil
	})
}

// killed: the daemon is killed in the middle of a restore, and another flow log is deleted while no daemon
// runs. Both come back.
func (s *story) killed(t *testing.T) {
	before := s.show(t, "MainPID", "NRestarts")
	first, second := s.world.victim(t, watched), s.world.victim(t, other)
	s.world.strike(t, first)
	s.machine.run(t, "systemctl", "kill", "--signal=KILL", "--kill-whom=main", unit)
	s.world.strike(t, second)
	s.says(t, "the kill", saysPart("Main process exited", "status=9/KILL"))
	s.restarted(t, before)
	s.comesBack(t, first)
	s.comesBack(t, second)
	s.alerts(t, "deletion", second.ID, priError)
	s.settled(t, first.ID)
	s.settled(t, second.ID)
}

// terminated sends SIGTERM to the daemon without systemctl, as an attacker might. systemd starts it again.
func (s *story) terminated(t *testing.T) {
	before := s.show(t, "MainPID", "NRestarts")
	s.machine.sh(t, "kill "+before["MainPID"])
	lost := s.world.victim(t, watched)
	s.world.strike(t, lost)
	s.says(t, "the end", func(e entry) bool { return e.Message == "stopped" })
	s.restarted(t, before)
	s.comesBack(t, lost)
	s.settled(t, lost.ID)
}

// hung stops the process with SIGSTOP: it does not run any more, but still exists. Only the watchdog can
// notice that.
func (s *story) hung(t *testing.T) {
	s.machine.write(t, dropIns+"watchdog.conf", "[Service]\nWatchdogSec=6s\n")
	s.machine.run(t, "systemctl", "daemon-reload")
	s.machine.run(t, "systemctl", "restart", "flowkeeper")
	s.ready(t)
	before := s.show(t, "MainPID", "NRestarts")
	lost := s.world.victim(t, watched)
	s.machine.run(t, "systemctl", "kill", "--signal=STOP", "--kill-whom=main", unit)
	s.world.strike(t, lost)
	s.loud(t, s.says(t, "the watchdog", saysPart("Watchdog timeout (limit 6s)")))
	s.machine.sh(t, "rm "+dropIns+"watchdog.conf; systemctl daemon-reload") // the watchdog has ended the process; on a slow machine its short limit would end the next one, too
	s.says(t, "the restart's cause", saysPart("Failed with result 'watchdog'"))
	s.restarted(t, before)
	s.comesBack(t, lost)
	s.alerts(t, "deletion", lost.ID, priError)
}

// diskFull fills the disk. A deletion whose incident can't be stored is alerted at once, and restored
// later; its message is not acknowledged before that.
func (s *story) diskFull(t *testing.T) {
	s.machine.run(t, "systemctl", "stop", "flowkeeper")
	s.moveState(t, "mount -t tmpfs -o size=8m none "+privateState)
	s.machine.run(t, "systemctl", "start", "flowkeeper")
	s.ready(t)
	lost := s.world.victim(t, third)
	s.machine.sh(t, "! cat /dev/zero >"+privateState+"/filler 2>/dev/null")
	acknowledged := s.world.aws.Deleted(s.world.queue)
	s.world.strike(t, lost)
	if e := s.alerts(t, "deletion", lost.ID, priError); e.Severity != "critical" {
		t.Errorf("with a full disk, the alert is %+v, want it critical", e)
	}
	s.await(t, "the pager", func() error { return s.world.pager.rang("deletion", lost.ID) })
	s.await(t, "/readyz is 503", func() error { return s.world.answers("/readyz", http.StatusServiceUnavailable) })
	if n := s.world.aws.Deleted(s.world.queue); n != acknowledged {
		t.Errorf("%d messages were acknowledged whose incident is not on disk", n-acknowledged)
	}
	s.says(t, "the full disk", func(e entry) bool { return e.Priority <= priWarning && strings.Contains(e.Message, "full") })
	s.wants(t, map[string]string{"ActiveState": "active"})
	s.machine.run(t, "rm", privateState+"/filler")
	s.says(t, "the room", saysPart("the state file can be written again"))
	s.comesBack(t, lost)
	s.settled(t, lost.ID)
	s.machine.run(t, "systemctl", "stop", "flowkeeper")
	s.moveState(t, "umount "+privateState)
	s.machine.run(t, "systemctl", "start", "flowkeeper")
	s.ready(t)
	s.settled(t, lost.ID)
}

// moveState mounts or unmounts something at the state directory, and keeps the files in it.
func (s *story) moveState(t *testing.T, mount string) {
	t.Helper()
	s.machine.sh(t, "cp -a "+privateState+" /var/tmp/state; "+mount+"; cp -a /var/tmp/state/. "+privateState+"; rm -r /var/tmp/state")
}

// typo restarts the service with an invalid configuration.
func (s *story) typo(t *testing.T) {
	good := s.machine.read(t, conffile)
	s.machine.write(t, conffile, strings.Replace(good, "\n  settle:", "\n  setle:", 1))
	line := 1 + strings.Count(good[:strings.Index(good, "  settle:")], "\n")
	if r := s.machine.try(t, "systemctl", "restart", "flowkeeper"); r.code == 0 {
		t.Error("systemctl restart succeeds with an invalid configuration")
	}
	s.failedForGood(t)
	s.loud(t, s.says(t, "the typo", saysPart("setle", fmt.Sprintf("flowkeeper.yaml:%d", line))))
	lost := s.world.victim(t, watched)
	s.world.strike(t, lost)
	s.machine.write(t, conffile, good)
	s.machine.run(t, "systemctl", "start", "flowkeeper")
	s.comesBack(t, lost)
	s.settled(t, lost.ID)
}
