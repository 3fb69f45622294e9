package systemd

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unit is a unit file: the values of "Section.Key", in order.
type unit map[string][]string

func parseUnit(t *testing.T) unit {
	t.Helper()
	f, err := os.Open("flowkeeper.service")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	u, section := unit{}, ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		key, value, assigned := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		case assigned && section != "":
			u[section+"."+key] = append(u[section+"."+key], value)
		default:
			t.Errorf("line %d is no directive: %q", n, line)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return u
}

// required has the lines that the unit must have. They are compared on every machine: without systemd, nothing else
// would notice that a line was lost.
var required = map[string][]string{
	"Unit.AssertPathExists":      {"/etc/flowkeeper/flowkeeper.yaml"},
	"Unit.StartLimitIntervalSec": {"0"},
	"Unit.After":                 {"network-online.target"},
	"Unit.Wants":                 {"network-online.target"},
	"Install.WantedBy":           {"multi-user.target"},

	"Service.Type":                     {"notify"},
	"Service.NotifyAccess":             {"main"},
	"Service.ExecStart":                {"/usr/bin/flowkeeper run --config ${CREDENTIALS_DIRECTORY}/flowkeeper.yaml"},
	"Service.LoadCredential":           {"flowkeeper.yaml:/etc/flowkeeper/flowkeeper.yaml"},
	"Service.Restart":                  {"always"}, // a SIGTERM is no failure for systemd, and must not end the protection
	"Service.RestartSec":               {"5s"},
	"Service.RestartSteps":             {"5"},
	"Service.RestartMaxDelaySec":       {"1min"},
	"Service.RestartPreventExitStatus": {"78"},
	"Service.WatchdogSec":              {"2min"},
	"Service.MemoryMax":                {"512M"},
	"Service.Environment":              {"GOMEMLIMIT=400MiB"},
	"Service.TimeoutStopSec":           {"30s"},
	"Service.StateDirectory":           {"flowkeeper"},
	"Service.StateDirectoryMode":       {"0700"},
	"Service.UMask":                    {"0077"},
	"Service.LimitCORE":                {"0"}, // I11: no secret in a core file
	"Service.ProtectSystem":            {"strict"},
	"Service.NoExecPaths":              {"/ /tmp /var/tmp /dev/shm -/var/lib/private/flowkeeper"},
	"Service.SyslogLevel":              {"err"}, // so that journalctl -p err shows why it ended
	"Service.ExecPaths":                {"/usr/bin/flowkeeper"},
	"Service.CapabilityBoundingSet":    {""},
	"Service.AmbientCapabilities":      {""},
	"Service.KeyringMode":              {"private"},
	"Service.ProtectProc":              {"invisible"},
	"Service.ProcSubset":               {"pid"},
	"Service.RestrictAddressFamilies":  {"AF_UNIX AF_INET AF_INET6"},
	"Service.SystemCallArchitectures":  {"native"},
	"Service.SystemCallFilter":         {"@system-service", "~@privileged @resources"},
	"Service.SystemCallErrorNumber":    {"EPERM"},
}

// hardening has the settings that must be yes.
var hardening = []string{
	"DynamicUser", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "RemoveIPC", "NoNewPrivileges", "RestrictSUIDSGID",
	"PrivateUsers", "RestrictNamespaces", "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
	"ProtectKernelTunables", "ProtectControlGroups", "RestrictRealtime", "LockPersonality", "MemoryDenyWriteExecute",
}

func TestUnitSaysWhatItMust(t *testing.T) {
	t.Parallel()
	u := parseUnit(t)
	for key, want := range required {
		if got := u[key]; !slices.Equal(got, want) {
			t.Errorf("%s is %q, must be %q", key, got, want)
		}
	}
	for _, key := range hardening {
		if got := u["Service."+key]; !slices.Equal(got, []string{"yes"}) {
			t.Errorf("%s is %q, want yes", key, got)
		}
	}
}

// unexpected returns the complaints of systemd-analyze, without those of systemd 252 and 253 about RestartSteps= and
// RestartMaxDelaySec=, which are new in 254.
func unexpected(complaints string) (out []string) {
	for line := range strings.Lines(complaints) {
		if !strings.Contains(line, "Unknown key 'RestartSteps'") && !strings.Contains(line, "Unknown key 'RestartMaxDelaySec'") {
			out = append(out, line)
		}
	}
	return out
}

// maxExposure is the highest allowed score of systemd-analyze security, times ten. systemd 252 gives 1.1, and newer
// versions check more settings. The score is not 0, because the service needs the network and local sockets.
const maxExposure = "15"

// TestUnitPassesSystemdAnalyze: systemd-analyze, where it is installed, finds no fault in the unit, and its score is
// low enough.
func TestUnitPassesSystemdAnalyze(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here; TestUnitSaysWhatItMust has checked the directives")
	}
	text, err := os.ReadFile("flowkeeper.service")
	if err != nil {
		t.Fatal(err)
	}
	// systemd-analyze complains about a program that does not exist, so the unit names this test's.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "flowkeeper.service")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/bin/flowkeeper", program)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", path},
		{"security", "--offline=true", "--no-pager", "--threshold=" + maxExposure, path},
	} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		switch {
		case err != nil:
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		case args[0] == "verify" && len(unexpected(string(out))) > 0:
			t.Errorf("systemd-analyze verify complains: %q", unexpected(string(out)))
		case args[0] == "security":
			_, score, _ := strings.Cut(string(out), "→ ")
			t.Log(strings.TrimSpace(score))
		}
	}
}
