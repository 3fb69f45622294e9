package configs

import (
	"encoding/base64"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what Load says into testdata/bad/*.txt")

var goodWebhookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("twenty-four bytes or more"))

const goodRoutingKey = "0123456789abcdefghijABCDEFGHIJkl"

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// each runs f in a subtest for each file that matches the pattern.
func each(t *testing.T, pattern string, f func(t *testing.T, file string)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			f(t, file)
		})
	}
}

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	each(t, "testdata/good/*.yaml", func(t *testing.T, file string) {
		if _, _, err := Load(file, Options{NeedQueue: true}); err != nil {
			t.Error(err)
		}
	})
}

// TestBadFiles: for each bad file, a .txt file next to it has all problems as a user reads them.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	each(t, "testdata/bad/*.yaml", func(t *testing.T, file string) {
		_, _, err := Load(file, Options{NeedQueue: true})
		problems, ok := errors.AsType[*Problems](err)
		if !ok {
			t.Fatalf("no problems, but %v", err)
		}
		got := problems.Error() + "\n"
		golden := strings.TrimSuffix(file, ".yaml") + ".txt"
		if *update {
			write(t, ".", golden, got)
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

func TestEnvironmentWins(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "c.yaml", "queue: {wait_time: 5s}\nremediate: {max_restores: 3}\n")
	c, _, err := Load(file, Options{Environ: []string{
		"FLOWKEEPER_QUEUE_URL=arn:aws:sqs:eu-west-1:111122223333:flowkeeper",
		"FLOWKEEPER_QUEUE_WAIT_TIME=10s",
		"FLOWKEEPER_REMEDIATE_MAX_RESTORES=7",
		"FLOWKEEPER_PORT_80_TCP=tcp://10.0.0.1:80", // Kubernetes sets this for a Service named flowkeeper
	}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Queue.WaitTime != 10*time.Second || c.Remediate.MaxRestores != 7 || c.Queue.URL == "" {
		t.Errorf("%+v", c)
	}
}

func TestEnvironmentIsChecked(t *testing.T) {
	t.Parallel()
	_, _, err := Load("", Options{NeedQueue: true, Environ: []string{
		"FLOWKEEPER_QUEUE_WAIT_TIME=10",
		"FLOWKEEPER_REMEDIATE_MAX_RESTORES=many",
		"FLOWKEEPER_QUEUE_ULR=x",
		"FLOWKEEPER_ALERTS_0_URL=x",
		"FLOWKEEPER_INVENTORY_SCHEDULE=sometimes",
	}})
	want := []string{
		`environment FLOWKEEPER_QUEUE_WAIT_TIME: queue.wait_time "10": a duration needs a unit: write 10s`,
		`environment FLOWKEEPER_REMEDIATE_MAX_RESTORES: remediate.max_restores "many": write a whole number`,
		`environment: FLOWKEEPER_QUEUE_ULR: no such key: did you mean FLOWKEEPER_QUEUE_URL?`,
		`environment: FLOWKEEPER_ALERTS_0_URL: lists are set in the file only`,
		`environment FLOWKEEPER_INVENTORY_SCHEDULE: inventory.schedule "sometimes"`,
		`queue.url`,
	}
	if err == nil {
		t.Fatal("no problem")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("missing: %s\nin:\n%v", w, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
		t.Errorf("%d problems, want %d:\n%v", n, len(want), err)
	}
}

// TestEachPlaceHasItsOwnProblem: a mistake in the file is reported with the line of the file, even if a variable sets
// the same key.
func TestEachPlaceHasItsOwnProblem(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "c.yaml", "queue: {wait_time: 7}\n")
	inFile := file + `:1: queue.wait_time "7": a duration needs a unit: write 7s`
	for value, want := range map[string]string{
		"20s": inFile,
		"8":   inFile + "\n" + `environment FLOWKEEPER_QUEUE_WAIT_TIME: queue.wait_time "8": a duration needs a unit: write 8s`,
	} {
		if _, _, err := Load(file, Options{Environ: []string{"FLOWKEEPER_QUEUE_WAIT_TIME=" + value}}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	const missing = "no such file: write it"
	_, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{})
	if err == nil || !strings.HasSuffix(err.Error(), "none.yaml: "+missing+" (configs/flowkeeper.yaml is a commented example), or name another with --config") {
		t.Error(err)
	}
	// A missing secret is a problem of the file that names it, not a missing file.
	file := write(t, t.TempDir(), "c.yaml", "alerts:\n- {type: webhook, name: a, url_file: /nowhere/at/all}\n")
	if _, _, err = Load(file, Options{}); err == nil || strings.Contains(err.Error(), missing) {
		t.Error(err)
	}
}

// TestTheServicesCopyHasNoPath: systemd gives the service a copy of the file in /run. A problem does not show the path
// of this copy, because nobody should edit it.
func TestTheServicesCopyHasNoPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, dir, "flowkeeper.yaml", "queue:\n  ulr: x\n")
	_, _, err := Load(file, Options{Environ: []string{"CREDENTIALS_DIRECTORY=" + dir}})
	if err == nil || !strings.HasPrefix(err.Error(), "flowkeeper.yaml:2: queue.ulr") {
		t.Error(err)
	}
	_, _, err = Load(file, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), file+":2:") {
		t.Error(err)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "url", "https://alerts.example.com/t0ken\n")
	secret := write(t, dir, "secret", goodWebhookSecret)
	file := write(t, dir, "c.yaml", "alerts:\n- {type: webhook, name: a, url_file: url, secret_file: "+secret+"}\nheartbeat: {url_file: ping}\n")
	write(t, dir, "ping", "https://monitor.example.com/t0ken\n")
	c, _, err := Load(file, Options{Environ: []string{"CREDENTIALS_DIRECTORY=" + dir}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Heartbeat.URL != "https://monitor.example.com/t0ken" || c.Heartbeat.URLFile != "" {
		t.Errorf("heartbeat %+v", c.Heartbeat)
	}
	want := Sink{Type: "webhook", Name: "a", URL: "https://alerts.example.com/t0ken", Secret: goodWebhookSecret, Timeout: 10 * time.Second}
	if d := cmp.Diff(want, c.Alerts[0]); d != "" {
		t.Error(d)
	}
}

// TestSecretsOfTheServiceAlone: only the service gets its secrets as credentials from systemd. For a person who types a
// command, missing secrets are only warnings: commands that show the state need no sink.
func TestSecretsOfTheServiceAlone(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "c.yaml", "alerts:\n- {type: webhook, name: a, url_file: url, secret_file: secret}\n"+
		"- {type: slack, name: b, url_file: chat}\n- {type: pagerduty, name: c, routing_key_file: key}\nheartbeat: {url_file: ping}\nremediate: {token_key_file: key}\nrehearsal: {principals: ['arn:aws:iam::111122223333:role/b']}\n")
	if _, _, err := Load(file, Options{}); err == nil || !strings.Contains(err.Error(), "CREDENTIALS_DIRECTORY=/etc/flowkeeper") {
		t.Errorf("as the service: %v", err)
	}
	c, warnings, err := Load(file, Options{LeaveSecrets: true})
	if err != nil || len(c.Alerts) != 3 {
		t.Fatal(c.Alerts, err)
	}
	var withProblems []string
	for _, w := range warnings {
		if strings.Contains(w.String(), "only the service has") {
			withProblems = append(withProblems, strings.Fields(w.String())[0])
		} else {
			t.Errorf("another warning: %s", w)
		}
	}
	want := []string{"alerts[0].secret_file:", "alerts[0].url_file:", "alerts[1].url_file:", "alerts[2].routing_key_file:", "heartbeat.url_file:", "remediate.token_key_file:"}
	if d := cmp.Diff(want, withProblems); d != "" {
		t.Error(d)
	}
	if _, _, err := Load(file, Options{LeaveSecrets: true, Environ: []string{"CREDENTIALS_DIRECTORY=" + t.TempDir()}}); err == nil {
		t.Error("the service starts without the files of its secrets")
	}
}

const goodTokenKey = "0123456789abcdefghijklmnopqrstuv"

func TestTokenKey(t *testing.T) {
	t.Parallel()
	const others = "rehearsal: {principals: ['arn:aws:iam::111122223333:role/b']}\n"
	dir := t.TempDir()
	good, short := write(t, dir, "good", goodTokenKey+"\n"), write(t, dir, "short", goodTokenKey[:31])
	for _, c := range []struct{ name, text, environ, key, warned, problem string }{
		{"none", "", "", "", "", ""},
		{"in the file", "remediate: {token_key: " + goodTokenKey + "}", "", goodTokenKey, "", ""},
		{"in a file of its own", "remediate: {token_key_file: " + good + "}", "", goodTokenKey, "", ""},
		{"in the environment", "", "FLOWKEEPER_REMEDIATE_TOKEN_KEY=" + goodTokenKey, goodTokenKey, "", ""},
		{"both", "remediate: {token_key: " + goodTokenKey + ", token_key_file: " + good + "}", "", "", "", "give token_key or token_key_file, not both"},
		{"short", "remediate: {token_key: " + goodTokenKey[:31] + "}", "", "", "", "fewer than 32 characters"},
		{"short, in a file of its own", "remediate: {token_key_file: " + short + "}", "", "", "", "c.yaml:1: remediate.token_key [secret]: has fewer than 32 characters"},
		{"several daemons without one", others, "", "", "no remediate.token_key that they share", ""},
		{"several daemons with one", others + "remediate: {token_key: " + goodTokenKey + "}", "", goodTokenKey, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, warnings, err := Load(write(t, dir, "c.yaml", c.text), Options{Environ: []string{c.environ}})
			switch {
			case c.problem != "":
				if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), goodTokenKey[:31]) {
					t.Error(err)
				}
			case err != nil || got.Remediate.TokenKey != c.key || got.Remediate.TokenKeyFile != "":
				t.Errorf("%+v, %v", got.Remediate, err)
			case len(warnings) > 1, (len(warnings) == 1) != (c.warned != ""), c.warned != "" && !strings.Contains(warnings[0].String(), c.warned):
				t.Errorf("warnings %v", warnings)
			}
		})
	}
}

// TestI11ProblemsShowNoSecret: many people read the problems of a configuration, and logs have them. So no problem
// shows a secret, even one in the wrong key.
func TestI11ProblemsShowNoSecret(t *testing.T) {
	t.Parallel()
	const token = "T0pS3cretT0kenT0pS3cretT0ken"
	dir := t.TempDir()
	inFile := write(t, dir, "secret", " "+token+" \n"+token)
	for name, text := range map[string]string{
		"secret of the wrong form":      "alerts:\n- {type: webhook, name: a, url: 'https://x.example', secret: " + token + "}\n",
		"secret file of the wrong form": "alerts:\n- {type: webhook, name: a, url: 'https://x.example', secret_file: " + inFile + "}\n",
		"secret as file name":           "alerts:\n- {type: webhook, name: a, url: 'https://x.example', secret_file: whsec_" + token + "}\n",
		"URL without host":              "alerts:\n- {type: webhook, name: a, url: 'https:///" + token + "'}\n",
		"URL in the wrong key":          "aws: {region: 'https://user:" + token + "@x.example'}\n",
		"secret as key":                 "alerts:\n- {type: webhook, name: a, whsec_" + token + ": x}\n",
		"secret as name":                "alerts:\n- {type: webhook, name: " + token + "}\n",
		"secret as type":                "alerts:\n- {type: " + token + ", name: a}\n",
		"no list":                       "alerts: " + token + "\n",
		"not YAML":                      "alerts: [whsec_" + token + ": : {\n",
		"anchor":                        "alerts: *whsec_" + token + "\n",
		"a key twice":                   "alerts:\n- {type: webhook, name: a, secret: x, secret: " + token + "}\n",
		"routing key":                   "alerts:\n- {type: pagerduty, name: a, routing_key: " + token + "x}\n",
		"routing key as URL":            "alerts:\n- {type: pagerduty, name: a, routing_key: x, url: 'https://x.example/" + token + "'}\n",
		"routing key as kind":           "alerts:\n- {type: pagerduty, name: a, kinds: [" + token + "]}\n",
		"routing key as timeout":        "alerts:\n- {type: pagerduty, name: a, timeout: " + token + "}\n",
		"Slack's URL":                   "alerts:\n- {type: slack, name: a, url: 'http://hooks.slack.com/" + token + "'}\n",
		"Slack's URL in kinds":          "alerts:\n- {type: slack, name: a, kinds: ['https://hooks.slack.com/services/T0/B0/x', " + token + "]}\n",
		"heartbeat's URL":               "heartbeat: {url: 'ftp://monitor.example/" + token + "'}\n",
		"heartbeat's URL, and its file": "heartbeat: {url: 'https://monitor.example/" + token + "', url_file: x}\n",
		"secret as number":              "remediate: {max_restores: whsec_" + token + "}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(write(t, t.TempDir(), "c.yaml", text), Options{})
			if err == nil {
				t.Error("no problem")
			} else if strings.Contains(err.Error(), token) {
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
}

// TestI12ProblemsArePrintable: problems quote parts of the file and are printed on terminals, so control characters are
// escaped.
func TestI12ProblemsArePrintable(t *testing.T) {
	t.Parallel()
	_, _, err := Load(write(t, t.TempDir(), "c.yaml", "\"qu\\e[31mue\": 1\nlog: {level: \"\\e[2J\"}\naws: {region: \"a\\u202eb\"}\n"), Options{})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") {
		t.Errorf("%q", err)
	}
}

func TestTooLargeFile(t *testing.T) {
	t.Parallel()
	_, _, err := Load(write(t, t.TempDir(), "c.yaml", strings.Repeat("#", maxFile+1)), Options{})
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Error(err)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	_, warnings, err := Load("testdata/good/warned.yaml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"the queue is in eu-west-1", "alerts[0].url is plain http", "alerts[0] has no secret", "heartbeat.url is plain http", "rules[0]: ignore"} {
		if n >= len(warnings) || !strings.Contains(warnings[n].String(), want) {
			t.Errorf("warning %d is not about %q: %v", n, want, warnings)
		}
	}
}

// TestPlainHTTPIsWarnedOf: a URL with plain http gives a warning, also if its scheme is in capitals, which Go's client
// accepts.
func TestPlainHTTPIsWarnedOf(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int{"http://monitor.example/ping": 1, "HTTP://monitor.example/ping": 1, "https://monitor.example/ping": 0, "HTTP://127.0.0.1:8080/ping": 0} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			_, warnings, err := Load(write(t, t.TempDir(), "c.yaml", "heartbeat: {url: '"+url+"'}\n"), Options{})
			if err != nil || len(warnings) != want {
				t.Errorf("warnings %v, want %d, %v", warnings, want, err)
			}
		})
	}
}

func TestParseQueue(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]QueueRef{
		"https://sqs.eu-west-1.amazonaws.com/111122223333/q":                         {Endpoint: "https://sqs.eu-west-1.amazonaws.com", Region: "eu-west-1", Account: "111122223333", Name: "q"},
		"https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q":                     {Endpoint: "https://sqs.cn-north-1.amazonaws.com.cn", Region: "cn-north-1", Account: "111122223333", Name: "q"},
		"https://vpce-1.sqs.us-gov-west-1.vpce.amazonaws.com/111122223333/q":         {Endpoint: "https://vpce-1.sqs.us-gov-west-1.vpce.amazonaws.com", Region: "us-gov-west-1", Account: "111122223333", Name: "q"},
		"https://us-east-1.queue.amazonaws.com/111122223333/q":                       {Endpoint: "https://us-east-1.queue.amazonaws.com", Region: "us-east-1", Account: "111122223333", Name: "q"},
		"https://QUEUE.amazonaws.com/111122223333/q":                                 {Endpoint: "https://QUEUE.amazonaws.com", Region: "us-east-1", Account: "111122223333", Name: "q"},
		"http://127.0.0.1:4566/000000000000/q":                                       {Endpoint: "http://127.0.0.1:4566", Account: "000000000000", Name: "q"},
		"http://127.0.0.1:4566/queue/us-east-1/000000000000/q":                       {Endpoint: "http://127.0.0.1:4566", Region: "us-east-1", Account: "000000000000", Name: "q"},
		"http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/flow_k-1": {Endpoint: "http://sqs.us-east-1.localhost.localstack.cloud:4566", Region: "us-east-1", Account: "000000000000", Name: "flow_k-1"},
		"arn:aws-us-gov:sqs:us-gov-west-1:111122223333:q":                            {URL: "https://sqs.us-gov-west-1.amazonaws.com/111122223333/q", Region: "us-gov-west-1", Account: "111122223333", Name: "q"},
		"arn:aws-cn:sqs:cn-north-1:111122223333:q":                                   {URL: "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", Region: "cn-north-1", Account: "111122223333", Name: "q"},
		"arn:aws-eusc:sqs:eusc-de-east-1:111122223333:q":                             {URL: "https://sqs.eusc-de-east-1.amazonaws.eu/111122223333/q", Region: "eusc-de-east-1", Account: "111122223333", Name: "q"},
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			if want.URL == "" {
				want.URL = url
			}
			got, err := Queue{URL: url}.Parse()
			if err != nil || got != want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	for _, url := range []string{"", "q", "http://sqs.eu-west-1.amazonaws.com/111122223333/q", "https://sqs.eu-west-1.amazonaws.com/q", "https://user@x/111122223333/q", "arn:aws:sns:eu-west-1:111122223333:q", "https://x/111122223333/q?a=b",
		"https://localhost:4566/000000000000/q.fifo", "arn:aws:sqs:us-gov-west-1:111122223333:q", "http://sqs.eu-west-1.api.aws/111122223333/q"} {
		if got, err := (Queue{URL: url}).Parse(); err == nil {
			t.Errorf("%q is read as %+v, want an error", url, got)
		}
	}
}

func TestTidy(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{2 * time.Hour: "2h", 10 * time.Minute: "10m", 90 * time.Second: "1m30s", 1500 * time.Millisecond: "1.5s", 100 * time.Hour: "100h"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := Tidy(d); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// FuzzLoad: for any file, Load returns a configuration with a valid queue, or problems with printable texts. It does
// not panic.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "flowkeeper.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := Load(write(t, t.TempDir(), "c.yaml", text), Options{NeedQueue: true})
		if err == nil {
			if _, err := c.Queue.Parse(); err != nil {
				t.Error("Load accepts the file, but its queue is not valid: ", err)
			}
			return
		}
		problems, ok := errors.AsType[*Problems](err)
		if !ok || len(*problems) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		for _, p := range *problems {
			if p.Message == "" || strings.ContainsFunc(p.String(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q", p.String())
			}
		}
	})
}
