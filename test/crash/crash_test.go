// Package crash_test kills the real binary at random moments while flow logs
// are deleted, and then counts from outside: nothing lost, nothing doubled.
package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/internal/fakeaws"
)

const (
	account  = "111122223333"
	region   = "eu-west-1"
	bucket   = "arn:aws:s3:::flow-logs"
	watched  = 12 // flow logs
	patience = 2 * time.Minute
)

// kills is how many times the daemon dies; CRASH_KILLS asks for more.
func kills(t *testing.T) int {
	v := os.Getenv("CRASH_KILLS")
	if v == "" {
		return 50
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("CRASH_KILLS=%s: want a number", v)
	}
	return n
}

// TestI4I10KilledAtRandom: with the real binary dying at random moments, in
// the end each flow log that was deleted is there exactly once, and every
// deletion was told at least once. AWS's own guard against doubles is off, so
// that only Flowkeeper's looks and tokens prevent them.
func TestI4I10KilledAtRandom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("CRASH_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("CRASH_SEED=%s: want a number", v)
		}
		seed = n
	}
	t.Logf("CRASH_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := w.start(t)
	w.await(t, "the first refresh", func() bool { return w.listed(t, d) == watched })
	deleted := 0
	for range kills(t) {
		deleted += w.strike(t, random)
		rest(t, time.Duration(random.IntN(200))*time.Millisecond)
		d.kill(t)
		d = w.start(t)
	}
	w.await(t, "every flow log to be back", func() bool { return len(w.missing(t)) == 0 })
	w.await(t, "every deletion to be told", func() bool { return w.told() >= w.struck })
	for target, n := range w.live(t) {
		if n != 1 {
			t.Errorf("%d flow logs at %s", n, target)
		}
	}
	d.kill(t)
	t.Logf("%d kills, %d flow logs deleted in %d calls: none lost, none doubled", kills(t), deleted, w.struck)
}

// world is the AWS that the daemon works on, and the pager that it calls.
type world struct {
	aws    *fakeaws.World
	ec2    *ec2.Client
	binary string
	config string
	url    string
	struck int // DeleteFlowLogs calls

	mu     sync.Mutex
	events map[string]bool // told
}

func newWorld(t *testing.T) *world {
	w := &world{aws: fakeaws.New(fakeaws.Options{}), events: map[string]bool{}, binary: build(t)}
	url, stop, err := w.aws.Listen()
	must(t, err)
	t.Cleanup(func() { must(t, stop()) })
	w.url = url
	_, arn := w.aws.CreateQueue(account, region, "flowkeeper", map[string]string{"VisibilityTimeout": "2"})
	w.aws.AddDestination(bucket)
	user := w.aws.User(account, "mallory", false)
	w.ec2 = ec2.New(ec2.Options{Region: region, BaseEndpoint: &url, RetryMaxAttempts: 10,
		Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, user.SessionToken)})
	for n := range watched {
		id := fmt.Sprintf("vpc-%017x", n+1)
		w.aws.AddResource(account, region, id)
		_, err := w.ec2.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
			ResourceIds: []string{id}, ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: types.TrafficTypeAll,
			LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String(bucket), ClientToken: aws.String(id),
		})
		must(t, err)
	}
	w.aws.TrailTo(arn)
	w.aws.AllowDuplicates(true)
	w.configure(t, w.pager(t))
	return w
}

// pager collects the event IDs of deletion alerts.
func (w *world) pager(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var a struct {
			Kind    string `json:"kind"`
			EventID string `json:"event_id"`
		}
		if err != nil || json.Unmarshal(body, &a) != nil || a.Kind != "deletion" {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events[a.EventID] = true
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (w *world) told() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events)
}

func (w *world) configure(t *testing.T, pager string) {
	dir := t.TempDir()
	w.config = filepath.Join(dir, "flowkeeper.yaml")
	must(t, os.WriteFile(w.config, fmt.Appendf(nil, `queue:
  url: %q
  visibility_timeout: 2s
inventory:
  schedule: "@every 5s"
  settle: 500ms
remediate:
  drift_wait: 3s
  verify_after: 1s
  max_restores: 100000
alerts:
  - {type: webhook, name: pager, min_level: informational, url: %q}
state:
  path: %q
http:
  listen: ""
log:
  format: json
aws:
  region: %s
  endpoint_url: %q
`, w.url+"/queue/"+region+"/"+account+"/flowkeeper", pager, filepath.Join(dir, "state.db"), region, w.url), 0o600))
}

// strike deletes one to three flow logs in one call.
func (w *world) strike(t *testing.T, random *rand.Rand) int {
	live := w.aws.FlowLogs(account, region)
	if len(live) == 0 {
		return 0
	}
	var ids []string
	for _, n := range random.Perm(len(live))[:min(len(live), 1+random.IntN(3))] {
		ids = append(ids, live[n].ID)
	}
	_, err := w.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	must(t, err)
	w.struck++
	return len(ids)
}

// live counts the flow logs at each target.
func (w *world) live(*testing.T) map[string]int {
	out := map[string]int{}
	for _, f := range w.aws.FlowLogs(account, region) {
		out[f.ResourceID]++
	}
	return out
}

func (w *world) missing(t *testing.T) (ids []string) {
	live := w.live(t)
	for n := range watched {
		if id := fmt.Sprintf("vpc-%017x", n+1); live[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// await waits for a condition.
func (w *world) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !done() {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s; missing %v, told %d of %d", patience, what, w.missing(t), w.told(), w.struck)
		}
		rest(t, 20*time.Millisecond)
	}
}

// rest is part of the experiment: the moment at which the daemon dies.
func rest(t *testing.T, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// daemon is one life of the binary.
type daemon struct {
	cmd *exec.Cmd
	log *os.File
}

func (w *world) start(t *testing.T) *daemon {
	t.Helper()
	log, err := os.Create(filepath.Join(filepath.Dir(w.config), "daemon.log"))
	must(t, err)
	d := &daemon{cmd: exec.Command(w.binary, "run", "--config", w.config), log: log}
	d.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+account, "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=", "AWS_REGION="+region)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	must(t, d.cmd.Start())
	t.Cleanup(func() { d.kill(t) })
	return d
}

func (d *daemon) kill(t *testing.T) {
	if d.cmd.ProcessState != nil {
		return
	}
	must(t, d.cmd.Process.Kill())
	_ = d.cmd.Wait() // killed: it has no other way to end
	if t.Failed() {
		text, _ := os.ReadFile(d.log.Name())
		t.Logf("the last daemon said:\n%s", text)
	}
	d.log.Close()
}

// listed counts what the snapshot has.
func (w *world) listed(t *testing.T, d *daemon) int {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, w.binary, "inventory", "list", "--json", "--config", w.config).Output()
	if err != nil {
		return 0 // the daemon has not made the state file yet
	}
	n := 0
	for _, b := range out {
		if b == '\n' {
			n++
		}
	}
	return n
}

// build makes the binary, static as users get it, unless FLOWKEEPER_BIN names
// one.
func build(t *testing.T) string {
	if path := os.Getenv("FLOWKEEPER_BIN"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "flowkeeper")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "flowkeeper/cmd/flowkeeper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build flowkeeper: %v\n%s", err, out)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
