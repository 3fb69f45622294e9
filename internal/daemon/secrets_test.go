package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/store"
)

// A secret of each kind. Those in URLs have no characters that are escaped, so that a search finds them in any text.
var secrets = []string{
	"HookUserHookUser", "HookPasswordHookPassword", "HookPathHookPath", "HookQueryHookQuery", "c2lnbmluZyBzZWNyZXQgb2YgMjQgYnl0ZXM=", "signing secret of 24 bytes",
	"SlackPathSlackPathSlackPath", "R0utingKeyR0utingKeyR0utingKey12", "OtherPathOtherPath",
	"AwsSecretAccessKeyAwsSecretAccessKey", "AwsSessionTokenAwsSessionToken",
}

// TestI11NoSecretLeavesTheConfiguration: the receiver of every sink but one refuses all alerts, and repeats the whole
// request in its answer, until the alerts are given up. One alert is sent without the outbox. No secret may be in the
// log, the state file, a printed sink, or the alerts that the working sink gets.
func TestI11NoSecretLeavesTheConfiguration(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Location", r.URL.String())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader([]int{302, 400, 403, 404, 429, 500}[len(body)%6])
		fmt.Fprintf(w, "%s %v %s", r.URL, r.Header, body)
	}))
	t.Cleanup(echo.Close)
	got := &receiver{}
	other := httptest.NewServer(got)
	t.Cleanup(other.Close)
	host := strings.TrimPrefix(echo.URL, "http://")

	c := loadSinks(t, echo.URL, other.URL)
	var out lines
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	base := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &echo.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "AwsSecretAccessKeyAwsSecretAccessKey", "AwsSessionTokenAwsSessionToken"),
	}
	sinks, err := Sinks(c, base, log, "1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), c.State.Path, store.Options{Daemon: true, Routes: Routes(c)})
	if err != nil {
		t.Fatal(err)
	}
	giveUpEverywhere(t, s, sinks, log)
	d := &Daemon{Config: c, Log: log, sinks: sinks, storeHealth: &storeHealth{}}
	alertSenders{d}.Bypass(t.Context(), sample("alrt_direct"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	kept := readAll(t, filepath.Dir(c.State.Path))
	for _, want := range []string{"webhook hook: answered", "slack chat: answered", "pagerduty pager: answered", "sns mail: ", "has not taken alert"} {
		if !strings.Contains(kept, want) && !strings.Contains(out.String(), want) {
			t.Errorf("%q is neither in the state file nor in the log: the test does not reach that failure", want)
		}
	}
	for place, text := range map[string]string{
		"log": out.String(), "state": kept, "other sink": strings.Join(got.bodies, "\n"),
		"printed sinks": fmt.Sprintf("%v %+v %#v", sinks, sinks, sinks),
	} {
		for _, secret := range append(secrets, host) {
			if n := strings.Index(text, secret); n >= 0 {
				t.Errorf("%s holds %s: …%q", place, secret, text[max(0, n-200):min(len(text), n+100)])
			}
		}
	}
	if len(got.bodies) < 5 {
		t.Errorf("the other sink got %d alerts", len(got.bodies))
	}
}

// receiver keeps the bodies of all requests.
type receiver struct {
	mu     sync.Mutex
	bodies []string
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, string(body))
}

// loadSinks loads a configuration with a secret of every kind from a file, as the commands do.
func loadSinks(t *testing.T, failing, working string) configs.Config {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	hook := strings.Replace(failing, "http://", "http://HookUserHookUser:HookPasswordHookPassword@", 1) + "/HookPathHookPath?token=HookQueryHookQuery"
	file := write("flowkeeper.yaml", `
alerts:
- {type: webhook, name: hook, url_file: `+write("hook", hook)+`, secret: whsec_c2lnbmluZyBzZWNyZXQgb2YgMjQgYnl0ZXM=}
- {type: slack, name: chat, url: `+failing+`/SlackPathSlackPathSlackPath}
- {type: pagerduty, name: pager, url: `+failing+`, routing_key_file: `+write("key", "R0utingKeyR0utingKeyR0utingKey12")+`}
- {type: sns, name: mail, topic_arn: "arn:aws:sns:eu-west-1:111122223333:alerts"}
- {type: webhook, name: other, url: `+working+`/OtherPathOtherPath}
state: {path: `+filepath.Join(t.TempDir(), "state.db")+`}
`)
	c, _, err := configs.Load(file, configs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sample(id string) alert.Alert {
	a := alert.Alert{
		ID: id, DedupKey: id, Time: alert.Time{Time: time.Now()}, Kind: alert.Deletion, Level: alert.High, Account: "111122223333", Region: "eu-west-1",
		FlowLogs: []alert.FlowLog{{FlowLogID: "fl-0aaa", ResourceID: "vpc-0aaa", State: "open"}},
	}
	a.Write()
	return a
}

// giveUpEverywhere adds an alert and sends it to each sink every two hours of a fake clock, for longer than the three
// days after which it is given up, so that the alerts about the failing sinks are sent too.
func giveUpEverywhere(t *testing.T, s *store.Store, sinks map[string]sink.Sink, log *slog.Logger) {
	t.Helper()
	now := time.Now()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.AddAlert(sample("alrt_stored")) }); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		now = now.Add(2 * time.Hour)
		for name, to := range sinks {
			sender := sink.NewSender(name, to, s, log)
			sender.Now = func() time.Time { return now }
			sender.TryNext(t.Context())
		}
	}
	parked := 0
	err := s.FindAlerts(context.Background(), store.Filter{}, func(_ alert.Alert, all []sink.Delivery) error {
		for _, d := range all {
			if !d.ParkedAt.IsZero() {
				parked++
			}
		}
		return nil
	})
	if err != nil || parked < 4 {
		t.Fatalf("%d deliveries were given up, want 4 at least; %v", parked, err)
	}
}

// readAll returns the content of every file of a folder.
func readAll(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// TestKindsAreThoseOfAlerts: the kinds that the configuration may name are those that the daemon routes. A pager gets
// sink.PagerKinds.
func TestKindsAreThoseOfAlerts(t *testing.T) {
	t.Parallel()
	c := configs.Default()
	c.Alerts = []configs.Sink{{Type: "pagerduty", Name: "pager"}, {Type: "slack", Name: "chat"}, {Type: "slack", Name: "few", Kinds: []string{"restored"}}}
	all := map[string]string{}
	for _, k := range configs.Kinds {
		names, _ := json.Marshal(Routes(c).For(alert.Alert{Kind: alert.Kind(k), Level: alert.High}))
		all[k] = string(names)
	}
	for _, k := range sink.PagerKinds {
		if all[string(k)] != `["log","pager","chat"]` {
			t.Errorf("%s goes to %s", k, all[string(k)])
		}
		delete(all, string(k))
	}
	if len(all) != 1 || all["restored"] != `["log","chat","few"]` {
		t.Errorf("%v", all)
	}
}
