package configs

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSinksOfPeople(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "url", "https://hooks.slack.com/services/T0/B0/x")
	write(t, dir, "key", goodRoutingKey)
	file := write(t, dir, "c.yaml", "alerts:\n- {type: slack, name: chat, url_file: url, timeout: 1m}\n- {type: slack, name: local, url: 'http://127.0.0.1:1/x'}\n"+
		"- {type: pagerduty, name: pager, routing_key_file: key, kinds: [deletion, closed], url: 'https://events.eu.pagerduty.com'}\n")
	c, warnings, err := Load(file, Options{Environ: []string{"CREDENTIALS_DIRECTORY=" + dir}})
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	want := []Sink{
		{Type: "slack", Name: "chat", URL: "https://hooks.slack.com/services/T0/B0/x", Timeout: time.Minute},
		{Type: "slack", Name: "local", URL: "http://127.0.0.1:1/x", Timeout: 10 * time.Second},
		{Type: "pagerduty", Name: "pager", Kinds: []string{"deletion", "closed"}, RoutingKey: goodRoutingKey, URL: "https://events.eu.pagerduty.com", Timeout: 10 * time.Second},
	}
	if d := cmp.Diff(want, c.Alerts); d != "" {
		t.Error(d)
	}
}

// TestSlackTakesIncomingWebhooksOnly: the URL of a workflow's trigger at Slack is refused: Slack would accept every
// post and start the workflow each time, which need not show the alert. This URL is as secret as that of a webhook, so
// the error does not show it.
func TestSlackTakesIncomingWebhooksOnly(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://hooks.slack.com/services/T0/B0/t0kent0ken":      "",
		"https://HOOKS.slack.com/services/T0/B0/t0kent0ken":      "",
		"https://hooks.slack-gov.com/services/T0/B0/t0kent0ken":  "",
		"https://proxy.example.com/triggers/t0kent0ken":          "", // not at Slack: only a warning
		"https://hooks.slack.com/triggers/T0/1111/t0kent0ken":    "workflow's trigger",
		"https://hooks.slack-gov.com/triggers/T0/11/t0kent0ken":  "workflow's trigger",
		"https://hooks.slack.com/workflows/T0/A0/11/t0kent0ken":  "workflow's trigger",
		"https://hooks.slack.com./triggers/T0/11/t0kent0ken":     "workflow's trigger",
		"https://hooks.slack.com:443/%74riggers/T0/t0kent0ken":   "workflow's trigger",
		"https://hooks.slack.com/commands/T0/1111/t0kent0ken":    "no incoming webhook",
		"https://hooks.slack.com/app/T0/1111/t0kent0ken":         "no incoming webhook",
		"https://hooks.slack.com/services/":                      "no incoming webhook",
		"https://hooks.slack.com":                                "no incoming webhook",
		"https://hooks.slack.com/t0kent0ken/services/T0/B0/1111": "no incoming webhook",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "url", url)
			for _, how := range []string{"url: '" + url + "'", "url_file: " + filepath.Join(dir, "url")} {
				_, _, err := Load(write(t, dir, "c.yaml", "alerts:\n- {type: slack, name: chat, "+how+"}\n"), Options{})
				text := fmt.Sprint(err)
				if (want == "") != (err == nil) || !strings.Contains(text, want) || want != "" && !strings.Contains(text, "https://hooks.slack.com/services/") {
					t.Error(err)
				}
				if strings.Contains(text, "t0kent0ken") || err != nil && strings.Contains(text, "T0/") {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

// TestSinksThatCannotWork: Load refuses sinks that can't work. No other check follows: package sink uses the loaded
// values as they are.
func TestSinksThatCannotWork(t *testing.T) {
	t.Parallel()
	const key = "R0utingKeyR0utingKeyR0utingKey12"
	short := "whsec_" + base64.StdEncoding.EncodeToString([]byte("too short"))
	for sink, want := range map[string]string{
		"webhook, url: 'https://h/x'": "",
		"webhook, url: 'ftp://h/x'":   "write the receiver's URL",
		"webhook, url: 'https:///x'":  "write the receiver's URL",
		"webhook, url: 'http://[::1'": "write the receiver's URL",
		"webhook":                     "write the receiver's URL",
		"webhook, url: 'https://h/x', secret: hunter2hunter2hunter2hunter2hunter2":            "write whsec_",
		"webhook, url: 'https://h/x', secret: whsec_":                                         "write whsec_",
		"webhook, url: 'https://h/x', secret: " + short:                                       "write whsec_",
		"webhook, url: 'https://h/x', secret: 'whsec_!!'":                                     "write whsec_",
		"slack, url: 'ftp://hooks.slack.com/services/T0/B0/hunter2'":                          "copy the incoming webhook's URL",
		"pagerduty, routing_key: " + key:                                                      "",
		"pagerduty, routing_key: short":                                                       "copy the 32 letters and digits",
		"pagerduty, routing_key: " + key + "x":                                                "copy the 32 letters and digits",
		"pagerduty, routing_key: " + key + ", url: 'https://events.pagerduty.com/'":           "",
		"pagerduty, routing_key: " + key + ", url: 'https://events.eu.pagerduty.com'":         "",
		"pagerduty, routing_key: " + key + ", url: 'https://events.pagerduty.com/v2/enqueue'": "no path behind it",
		"pagerduty, routing_key: " + key + ", url: 'https://user@events.pagerduty.com'":       "no path behind it",
		"pagerduty, routing_key: " + key + ", url: 'events.pagerduty.com'":                    "no path behind it",
		"pagerduty, routing_key: " + key + ", url: 'https://events.pagerduty.com?x=y'":        "no path behind it",
	} {
		t.Run(sink, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(write(t, t.TempDir(), "c.yaml", "alerts:\n- {name: a, type: "+sink+"}\n"), Options{})
			if (want == "") != (err == nil) || want != "" && !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), key)) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestWarningsOfSinks(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Sink{
		"":                           {Type: "slack", URL: "https://hooks.slack.com/services/T0/B0/x"},
		"not at hooks.slack.com":     {Type: "slack", URL: "https://hooks.slack.com.example.com/services/T0/B0/x"},
		"people resolve what decoy ": {Type: "pagerduty", Kinds: []string{"tamper", "decoy"}},
	} {
		t.Run(fmt.Sprintf("%q", want), func(t *testing.T) {
			t.Parallel()
			c := Default()
			c.Alerts = []Sink{s}
			got := c.warnings()
			if (want == "") != (len(got) == 0) || want != "" && !strings.Contains(got[0].String(), want) {
				t.Error(got)
			}
			if strings.Contains(fmt.Sprint(got), "services") {
				t.Errorf("a warning shows a secret: %v", got)
			}
		})
	}
}
