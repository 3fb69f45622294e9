// Package crash_test kills the real binary at random moments while flow logs are deleted, and
// then checks in AWS that each flow log is back exactly once.
package crash_test

import (
	"bytes"
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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

const (
	account  = "111122223333"
	region   = "eu-west-1"
	bucket   = "arn:aws:s3:::flow-logs"
	watched  = 40 // flow logs
	stale    = 200 * time.Millisecond
	patience = 7 * time.Minute // alerts that are held to be summed up come after five
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

// TestI4I10KilledAtRandom: each deleted flow log comes back exactly once with its tags, and each deletion is
// alerted, even if the binary is killed at random moments while AWS throttles, fails, loses answers, refuses
// single resources and shows an earlier state. Half of the kills hit a single daemon. AWS's guard against
// doubles is off for it, so that only Flowkeeper's observations and tokens prevent doubles. The other half hit
// three daemons that share a queue and a token key, and rely on that guard for calls that restore many.
func TestI4I10KilledAtRandom(t *testing.T) {
	t.Parallel()
	binary := build(t)
	for name, daemons := range map[string]int{"one daemon": 1, "three daemons": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := seeded(t)
			w := newWorld(t, binary, daemons)
			for _, d := range w.daemons {
				d.start(t)
			}
			for _, d := range w.daemons {
				w.await(t, "the first refresh", func() bool { return d.lines(t, "inventory", "list") == watched })
			}
			w.aws.Chaos(random.Uint64(), fakeawstest.Odds{Throttled: 0.2, Failed: 0.1, Lost: 0.05})
			w.aws.SetConsistencyDelay(stale)
			deleted, killed := 0, 0
			for ; killed < kills(t)/2; killed++ {
				deleted += w.deleteSome(t, random)
				rest(t, time.Duration(random.IntN(lifetime(killed)))*time.Millisecond)
				d := w.daemons[random.IntN(daemons)]
				d.kill(t)
				d.start(t)
			}
			w.aws.SetOdds(fakeawstest.Odds{})
			w.refuse(nil)
			w.await(t, "every flow log to be back", func() bool { return len(w.missing()) == 0 })
			w.await(t, "every deletion to be alerted", func() bool { return w.alerted() >= w.deletions })
			for _, d := range w.daemons {
				w.await(t, "every incident to be verified or closed", func() bool { return d.settled(t) })
			}
			for id, n := range w.live() {
				if n != 1 {
					t.Errorf("%d flow logs of %s, want 1", n, id)
				}
			}
			if lost := w.missing(); len(lost) > 0 {
				t.Errorf("lost: %v", lost)
			}
			w.checkTags(t)
			all, together := w.creates()
			t.Logf("%d kills, %d flow logs deleted in %d calls, restored by %d calls, of which %d for several", killed, deleted, w.deletions, all, together)
		})
	}
}

// lifetime is how long the daemon lives at most, in milliseconds, before the nth kill. Two lives are short, so
// that a restore is interrupted more than once; the third is long enough for many restores.
func lifetime(n int) int {
	if n%3 == 2 {
		return 800
	}
	return 200
}

// seeded is a generator of random numbers. CRASH_SEED repeats its seed.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("CRASH_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("CRASH_SEED=%s: want a number", v)
		}
		seed = n
	}
	t.Logf("CRASH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// world is the AWS that the daemon works on, and the pager that it calls.
type world struct {
	aws       *fakeawstest.World
	url       string
	daemons   []*daemon
	deletions int      // DeleteFlowLogs calls
	refused   []string // resources whose creates AWS refuses now

	mu     sync.Mutex
	events map[string]bool // alerted
	summed map[string]int  // by the ID of a summary alert: how many more calls it counts, but does not name
}

func newWorld(t *testing.T, binary string, daemons int) *world {
	w := &world{aws: fakeawstest.New(fakeawstest.Options{}), events: map[string]bool{}, summed: map[string]int{}}
	url, stop, err := w.aws.Listen()
	must(t, err)
	t.Cleanup(func() { must(t, stop()) })
	w.url = url
	_, arn := w.aws.CreateQueue(account, region, "flowkeeper", map[string]string{"VisibilityTimeout": "2"})
	w.aws.AddDestination(bucket)
	owner := w.as("owner")
	for n := range watched {
		w.aws.AddResource(account, region, vpc(n))
		_, err := owner.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
			ResourceIds: []string{vpc(n)}, ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: traffic(n),
			LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String(bucket), ClientToken: aws.String(vpc(n)),
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: []types.Tag{
				{Key: aws.String("Owner"), Value: aws.String("network")}, {Key: aws.String("Team"), Value: aws.String(team(n))}}}},
		})
		must(t, err)
	}
	w.aws.TrailTo(arn)
	w.aws.AllowDuplicates(daemons == 1)
	pager := w.pager(t)
	for range daemons {
		w.daemons = append(w.daemons, &daemon{binary: binary, config: w.configure(t, pager)})
	}
	return w
}

func vpc(n int) string { return fmt.Sprintf("vpc-%017x", n+1) }

// traffic makes two kinds of flow logs. One create can restore all of a kind, because they differ only in the
// tag Team.
func traffic(n int) types.TrafficType {
	if n%4 == 0 {
		return types.TrafficTypeReject
	}
	return types.TrafficTypeAll
}

func team(n int) string { return fmt.Sprint("team-", n%3) }

// as is a client of a user whose calls meet no faults.
func (w *world) as(user string) *ec2.Client {
	w.aws.Spare(user)
	key := w.aws.User(account, user, false)
	return ec2.New(ec2.Options{Region: region, BaseEndpoint: &w.url, RetryMaxAttempts: 10,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")})
}

// pager collects the event IDs that deletion alerts name, and counts the calls that they only count.
func (w *world) pager(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var a struct {
			ID      string `json:"id"`
			Kind    string `json:"kind"`
			EventID string `json:"event_id"`
			Repeats *struct {
				Calls    int `json:"calls"`
				Examples []struct {
					EventID string `json:"event_id"`
				} `json:"examples"`
			} `json:"repeats"`
		}
		if err != nil || json.Unmarshal(body, &a) != nil || a.Kind != "deletion" || !w.recorded(a.EventID) {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events[a.EventID] = true
		if a.Repeats == nil {
			return
		}
		w.summed[a.ID] = a.Repeats.Calls - len(a.Repeats.Examples)
		for _, x := range a.Repeats.Examples {
			w.events[x.EventID] = true
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// recorded reports whether an event ID is from CloudTrail; a refresh makes its own.
func (w *world) recorded(id string) bool {
	return !strings.HasPrefix(id, "drift-") && !strings.HasPrefix(id, "lost-")
}

// alerted counts the deletions that alerts name or count.
func (w *world) alerted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.events)
	for _, more := range w.summed {
		n += more
	}
	return n
}

// configure writes the configuration of one daemon. inventory.settle is many times the delay of stale answers,
// because on a busy machine a call may take effect long after it was sent.
func (w *world) configure(t *testing.T, pager string) (path string) {
	dir := t.TempDir()
	path = filepath.Join(dir, "flowkeeper.yaml")
	must(t, os.WriteFile(path, fmt.Appendf(nil, `queue:
  url: %q
  visibility_timeout: 2s
inventory:
  schedule: "@every 5s"
  settle: 1s
remediate:
  drift_wait: 3s
  verify_after: 1s
  max_restores: 100000
  token_key: 0123456789abcdef0123456789abcdef
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
	return path
}

// deleteSome deletes flow logs in one call: many if most are there, else one to three. Each call is by another
// principal. Otherwise these calls would be summed up as repeats of one principal: a daemon does not know yet
// what another one created.
func (w *world) deleteSome(t *testing.T, random *rand.Rand) int {
	live := w.aws.FlowLogs(account, region)
	if len(live) == 0 {
		return 0
	}
	n := 1 + random.IntN(3)
	if len(live) > watched*2/3 {
		n = watched/4 + random.IntN(watched*3/4)
		w.change(random)
	}
	var ids []string
	for _, k := range random.Perm(len(live))[:min(len(live), n)] {
		ids = append(ids, live[k].ID)
	}
	_, err := w.as(fmt.Sprint("mallory-", w.deletions)).DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	must(t, err)
	w.deletions++
	return len(ids)
}

// change changes which resources AWS refuses, which of the known behaviours of AWS it shows, and perhaps loses
// the answer to the next create.
func (w *world) change(random *rand.Rand) {
	var some []string
	for _, n := range random.Perm(watched)[:random.IntN(5)] {
		some = append(some, vpc(n))
	}
	w.refuse(some)
	mixed, first, fails := random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0
	w.aws.Configure(func(s *fakeawstest.EC2Settings) { s.MixedIDs, s.FirstAnswer, s.ExistsFails = mixed, first, fails })
	w.aws.LoseAnswers("CreateFlowLogs", random.IntN(2))
}

// refuse lets creates fail for exactly these resources, each in one of two ways.
func (w *world) refuse(resources []string) {
	for _, id := range w.refused {
		w.aws.RefuseCreate(id, "", "")
	}
	for n, id := range resources {
		if n%2 == 0 {
			w.aws.RefuseCreate(id, "FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.")
		} else {
			w.aws.RefuseCreate(id, "InternalError", "An internal error has occurred")
		}
	}
	w.refused = resources
}

// live counts the flow logs of each resource.
func (w *world) live() map[string]int {
	out := map[string]int{}
	for _, f := range w.aws.FlowLogs(account, region) {
		out[f.ResourceID]++
	}
	return out
}

// missing are the resources that have no flow log.
func (w *world) missing() (ids []string) {
	live := w.live()
	for n := range watched {
		if id := vpc(n); live[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// checkTags checks that each flow log is what it was, with its tags.
func (w *world) checkTags(t *testing.T) {
	was := map[string]int{}
	for n := range watched {
		was[vpc(n)] = n
	}
	for _, f := range w.aws.FlowLogs(account, region) {
		n := was[f.ResourceID]
		if f.TrafficType != string(traffic(n)) || f.Tags["Owner"] != "network" || f.Tags["Team"] != team(n) {
			t.Errorf("%s of %s has traffic type %s and tags %v, want %s and %s", f.ID, f.ResourceID, f.TrafficType, f.Tags, traffic(n), team(n))
		}
	}
}

// creates counts the daemons' creates that made flow logs, and how many of these made more than one.
func (w *world) creates() (all, together int) {
	for _, c := range w.aws.Calls("CreateFlowLogs") {
		if len(c.IDs) == 0 || strings.HasSuffix(c.ARN, "/owner") {
			continue
		}
		all++
		if len(c.IDs) > 1 {
			together++
		}
	}
	return all, together
}

// await waits for a condition.
func (w *world) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !done() {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s; missing %v, alerted %d of %d", patience, what, w.missing(), w.alerted(), w.deletions)
		}
		rest(t, 20*time.Millisecond)
	}
}

// rest waits. When the daemon dies is part of the test, so this wait replaces no condition.
func rest(t *testing.T, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// daemon is one binary with a state of its own, through all its lives.
type daemon struct {
	binary, config string
	cmd            *exec.Cmd
	log            *os.File
}

func (d *daemon) start(t *testing.T) {
	t.Helper()
	log, err := os.Create(filepath.Join(filepath.Dir(d.config), "daemon.log"))
	must(t, err)
	d.log = log
	d.cmd = exec.Command(d.binary, "run", "--config", d.config)
	d.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+account, "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=", "AWS_REGION="+region)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	must(t, d.cmd.Start())
	cmd := d.cmd
	t.Cleanup(func() {
		if d.cmd == cmd {
			d.kill(t)
		}
	})
}

func (d *daemon) kill(t *testing.T) {
	if d.cmd.ProcessState != nil {
		return
	}
	must(t, d.cmd.Process.Kill())
	_ = d.cmd.Wait() // always an error: the process was killed
	if t.Failed() {
		text, _ := os.ReadFile(d.log.Name())
		t.Logf("the log of the killed daemon:\n%s", text)
	}
	d.log.Close()
}

// list returns the output of a list command of the binary: JSON, an object a line.
func (d *daemon) list(t *testing.T, command ...string) []byte {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, d.binary, append(command, "--json", "--config", d.config)...).Output()
	if err != nil {
		return nil // the daemon has not made the state file yet
	}
	return out
}

func (d *daemon) lines(t *testing.T, command ...string) int {
	return bytes.Count(d.list(t, command...), []byte("\n"))
}

// settled reports whether each incident is verified or closed.
func (d *daemon) settled(t *testing.T) bool {
	for line := range bytes.Lines(d.list(t, "incidents", "list")) {
		var i struct {
			State string `json:"state"`
		}
		must(t, json.Unmarshal(line, &i))
		if i.State != "verified" && i.State != "closed" {
			return false
		}
	}
	return true
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
