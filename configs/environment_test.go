package configs

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTimeZonesAreNamed: an error names the wrong time zone, and every valid one is accepted.
func TestTimeZonesAreNamed(t *testing.T) {
	t.Parallel()
	for schedule, want := range map[string]string{
		"CRON_TZ=Europe/Berlin 30 2 * * *":   "",
		"TZ=America/New_York 30 2 * * *":     "",
		"TZ=UTC @daily":                      "",
		"CRON_TZ=Europe/Berlin @every 5m":    "",
		"CRON_TZ=Asia/Kolkata  0 2 * * *":    "",
		"CRON_TZ=Europe/Berlim 30 2 * * *":   `no time zone "Europe/Berlim"`,
		"TZ=CEST 30 2 * * *":                 `no time zone "CEST"`,
		"CRON_TZ=../etc/passwd 30 2 * * *":   `no time zone "../etc/passwd"`,
		"CRON_TZ=Nowhere @every 5m":          `no time zone "Nowhere"`,
		"CRON_TZ=Europe/Berlin 30 2 * *":     "not a cron expression",
		"CRON_TZ=Europe/Berlin":              "not a cron expression",
		"CRON_TZ=Europe/Berlin 30 2 31 2 *":  "never comes",
		"CRON_TZ=Europe/Berlin @every 100ms": "whole seconds",
	} {
		t.Run(schedule, func(t *testing.T) {
			t.Parallel()
			for _, key := range []string{"inventory", "rehearsal"} {
				_, _, err := Load(write(t, t.TempDir(), "c.yaml", key+": {schedule: '"+schedule+"'}\n"), Options{})
				if (want == "") != (err == nil) || want != "" && !strings.Contains(err.Error(), want) {
					t.Error(err)
				}
				if want != "" && !strings.Contains(want, "cron") && err != nil && strings.Contains(err.Error(), "cron expression") {
					t.Errorf("the error blames the cron expression, which is valid: %v", err)
				}
			}
		})
	}
}

// TestTimeZonesComeWithTheProgram: every program with this package contains the time zones, because many machines and
// containers have no tzdata. The test searches its own binary for a name that only the data of time zones has.
func TestTimeZonesComeWithTheProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Join([]string{"America", "Argentina", "ComodRivadavia"}, "/") // in parts: the whole name would be in the binary because of this line
	if !strings.Contains(string(program), name) {
		t.Error("the program has no time zones of its own: without tzdata on the machine, schedules with one are refused")
	}
}

// TestTheVariableTZ: the variable TZ decides the time zone of a schedule that names none. Go takes an unknown zone for
// UTC, without an error, so there is a warning.
func TestTheVariableTZ(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		tz, schedule string
		warned       bool
	}{
		{"Europe/Berlim", "30 2 * * *", true},
		{"CET-1CEST", "30 2 * * *", true},
		{"/nowhere/at/all", "30 2 * * *", true},
		{"Europe/Berlim", "@daily", true},
		{"Europe/Berlim", "@every 5m", false},
		{"Europe/Berlim", "CRON_TZ=Europe/Berlin 30 2 * * *", false},
		{"Europe/Berlin", "30 2 * * *", false},
		{":Europe/Berlin", "30 2 * * *", false},
		{"UTC", "30 2 * * *", false},
		{"", "30 2 * * *", false},
	} {
		t.Run("TZ="+x.tz+", "+x.schedule, func(t *testing.T) {
			t.Parallel()
			_, warnings, err := Load(write(t, t.TempDir(), "c.yaml", "inventory: {schedule: '"+x.schedule+"'}\n"), Options{Environ: []string{"TZ=" + x.tz}})
			if err != nil || len(warnings) > 0 != x.warned || x.warned && !strings.Contains(string(warnings[0]), x.tz) {
				t.Errorf("warnings %v, want any: %v; %v", warnings, x.warned, err)
			}
		})
	}
}

// TestVariablesOfKubernetesServicesAreNotOurs: Kubernetes sets variables for each Service, which begin with FLOWKEEPER
// if the name of the Service does. They are no error, whatever the Service is called. A mistyped variable of Flowkeeper
// is one, even if it looks similar.
func TestVariablesOfKubernetesServicesAreNotOurs(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"FLOWKEEPER", "FLOWKEEPER_HTTP", "FLOWKEEPER_ALERTS", "FLOWKEEPER_STATE", "FLOWKEEPER_HTTP_LISTEN", "FLOWKEEPER_ACCOUNTS_0", "FLOWKEEPER_QUEUE_URL_TEST"} {
		_, _, err := Load("", Options{Environ: []string{
			service + "_SERVICE_HOST=10.96.0.12", service + "_SERVICE_PORT=9090", service + "_SERVICE_PORT_METRICS=9090", service + "_SERVICE_PORT_HTTP_ALT=9091",
			service + "_PORT=tcp://10.96.0.12:9090", service + "_PORT_9090_TCP=tcp://10.96.0.12:9090", service + "_PORT_9090_TCP_PROTO=tcp",
			service + "_PORT_9090_TCP_PORT=9090", service + "_PORT_9090_TCP_ADDR=10.96.0.12", service + "_PORT_53_UDP=udp://[fd00::1]:53", service + "_PORT_53_UDP_ADDR=fd00::1",
		}})
		if err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
	for _, mistyped := range []string{
		"FLOWKEEPER_HTTP_LISTN=127.0.0.1:1", "FLOWKEEPER_HTTP_PORT=9090", "FLOWKEEPER_HTTP_SERVICE_HOST=metrics.example.com", "FLOWKEEPER_HTTP_SERVICE_PORT=any",
		"FLOWKEEPER_QUEUE_ULR=x", "FLOWKEEPER_ALERTS_0_URL=tcp://10.96.0.13:1", "FLOWKEEPER_ALERTS_PORT=9090", "FLOWKEEPER_HTTP_PORT_9090_TCP_ADDR=x", "FLOWKEEPER_HTTP_PORT_9090_SSH=tcp://10.96.0.12:9090",
	} {
		name, _, _ := strings.Cut(mistyped, "=")
		if _, _, err := Load("", Options{Environ: []string{mistyped}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want an error that names it", mistyped, err)
		}
	}
	_, _, err := Load("", Options{Environ: []string{"FLOWKEEPER_HTTP_LISTEN=x"}})
	if err == nil || !strings.Contains(err.Error(), "environment FLOWKEEPER_HTTP_LISTEN: http.listen") {
		t.Errorf("a variable of Flowkeeper is not read: %v", err)
	}
}

// TestWhatOnlyShellsReplace: only shells replace ~ and $VARIABLE in a path. So every key with a path refuses them, and
// the error says what to write instead.
func TestWhatOnlyShellsReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{"~/x", "~", "~alice/x", "$HOME/x", "${STATE_DIRECTORY}/x"} {
		for key, text := range map[string]string{
			"state.path":                   "state: {path: '" + path + "'}",
			"heartbeat.url_file":           "heartbeat: {url_file: '" + path + "'}",
			"remediate.token_key_file":     "remediate: {token_key_file: '" + path + "'}",
			"alerts[0].url_file":           "alerts: [{type: slack, name: a, url_file: '" + path + "'}]",
			"alerts[0].secret_file":        "alerts: [{type: webhook, name: a, url: 'https://a.example', secret_file: '" + path + "'}]",
			"alerts[0].routing_key_file":   "alerts: [{type: pagerduty, name: a, routing_key_file: '" + path + "'}]",
			"environment FLOWKEEPER_STATE": "",
		} {
			t.Run(key+" "+path, func(t *testing.T) {
				environ := []string{"HOME=/somewhere/alice", "CREDENTIALS_DIRECTORY=" + dir}
				if text == "" {
					environ = append(environ, "FLOWKEEPER_STATE_PATH="+path)
				}
				for _, leave := range []bool{false, true} {
					_, _, err := Load(write(t, dir, "c.yaml", text+"\n"), Options{Environ: environ, LeaveSecrets: leave})
					if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "replaced here: write ") {
						t.Error(err)
					}
					if path == "~/x" && err != nil && !strings.Contains(err.Error(), "write /somewhere/alice/x") {
						t.Error(err)
					}
				}
			})
		}
	}
	for _, path := range []string{"./~/x", "x~", "a/$b", "/~"} {
		if _, _, err := Load(write(t, dir, "c.yaml", "state: {path: '"+path+"'}\n"), Options{}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if fix := PathFix("~/x", ""); !strings.Contains(fix, "whole path") {
		t.Error(fix)
	}
}

const proxyPassword = "p4ssw0rdp4ssw0rd"

// TestMalformedProxiesAreNamed: if the URL of a proxy is malformed, Go connects without the proxy and reports nothing.
// So it is an error, which names the variable, but does not show its value: that may have a password.
func TestMalformedProxiesAreNamed(t *testing.T) {
	t.Parallel()
	fine := []string{
		"http://proxy:3128", "proxy:3128", "proxy", "10.0.0.1:3128", "http://alice:" + proxyPassword + "@proxy.example.com:3128/", "alice:" + proxyPassword + "@proxy:3128",
		"https://proxy:443", "socks5://proxy:1080", "socks5h://proxy", "HTTP://PROXY:3128", "http://[::1]:3128", "http://alice:%23" + proxyPassword + "@proxy:1", "",
	}
	bad := []string{
		"http://alice:" + proxyPassword + "#1@proxy:3128", "http://alice:12#" + proxyPassword + "@proxy:3128", "http://alice:1/" + proxyPassword + "@proxy:3128",
		"http://alice:" + proxyPassword + "/x@proxy:3128", "http://alice:12?" + proxyPassword + "@proxy:3128", "http://alice:" + proxyPassword + "%zz@proxy:3128",
		"http://http://alice:" + proxyPassword + "@proxy:3128", "htp://alice:" + proxyPassword + "@proxy:3128", "ftp://proxy:21", "http://proxy:port", "http://proxy:99999", "http://proxy:0",
		"http://", "http:///", "://proxy:3128", "http://:3128", "alice:" + proxyPassword + "@:3128", "http:// proxy:3128", " http://proxy:3128", "http://proxy:3128 ", "proxy:3128,proxy2:3128",
		"http://proxy:3128;http://proxy2:3128", "//proxy:3128", "http:/proxy:3128",
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		for _, value := range fine {
			if _, _, err := Load("", Options{Proxies: true, Environ: []string{name + "=" + value}}); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		for _, value := range bad {
			environ := []string{name + "=" + value}
			_, _, err := Load("", Options{Proxies: true, Environ: environ})
			text := fmt.Sprint(err)
			if err == nil || !strings.HasPrefix(text, "environment: "+name+": ") || !strings.Contains(text, "write http://HOST:PORT") {
				t.Errorf("%s=%s: %v", name, value, err)
			}
			for _, secret := range []string{proxyPassword, "alice"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s is shown: %v", secret, err)
				}
			}
			if err := Proxies(environ); fmt.Sprint(err) != text {
				t.Errorf("Proxies says %v, Load says %s", err, text)
			}
			if _, _, err := Load("", Options{Environ: environ}); err != nil {
				t.Errorf("for a command that calls nothing: %v, want no error", err)
			}
		}
	}
	// If both are set, the variable in capitals counts.
	if _, _, err := Load("", Options{Proxies: true, Environ: []string{"HTTPS_PROXY=proxy:1", "https_proxy=http://", "HTTP_PROXY="}}); err != nil {
		t.Error(err)
	}
	if _, _, err := Load("", Options{Proxies: true, Environ: []string{"HTTPS_PROXY=", "https_proxy=http://"}}); err == nil || !strings.Contains(err.Error(), "https_proxy") {
		t.Error(err)
	}
}

// TestNoProxyThatFitsNothing: an entry of NO_PROXY that can match no host gives a warning. The requests that it was
// meant for go through the proxy.
func TestNoProxyThatFitsNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		for _, entry := range []string{"", "*", "localhost", ".svc", "*.example.com", "example.com:8080", "10.0.0.0/8", "10.1.2.3", "10.1.2.3:80", "::1", "[::1]:80", "fd00::/8", "169.254.169.254", "a_b.example", "EXAMPLE.com.", " a , b ,"} {
			if _, warnings, err := Load("", Options{Proxies: true, Environ: []string{name + "=" + entry}}); err != nil || len(warnings) > 0 {
				t.Errorf("%s: %v, %v", entry, warnings, err)
			}
		}
		for _, entry := range []string{"http://a.example", "a.example b.example", "a;b", "10.*", "10.", "192.168.*", "192.168.*.*", "10.0.0.0/33", "10.0.0/8", "a/b", ":8080", "a:port", "[::1]", "*a", "a.*.b", "<local>", "a..b"} {
			_, warnings, err := Load("", Options{Proxies: true, Environ: []string{name + "=localhost," + entry + ",.svc"}})
			if err != nil || len(warnings) != 1 || !strings.HasPrefix(string(warnings[0]), name+": ") || !strings.Contains(string(warnings[0]), fmt.Sprintf("%q", entry)) {
				t.Errorf("%s: %v, %v", entry, warnings, err)
			}
		}
	}
	_, warnings, err := Load("", Options{Proxies: true, Environ: []string{"NO_PROXY=http://alice:" + proxyPassword + "@a" + strings.Repeat(",10.*", 50)}})
	if err != nil || len(warnings) != maxNoProxy+1 || strings.Contains(fmt.Sprint(warnings), proxyPassword) {
		t.Errorf("%v, %v", warnings, err)
	}
}
