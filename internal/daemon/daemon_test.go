package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"go.uber.org/goleak"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account  = "111122223333"
	region   = "eu-west-1"
	bucket   = "arn:aws:s3:::flow-logs"
	patience = 30 * time.Second
)

// house is a daemon on a fake AWS, in this process.
type house struct {
	t        *testing.T
	world    *fakeawstest.World
	queue    string // ARN
	attacker *ec2.Client
	daemon   *Daemon
	pager    *pager
	log      *lines
	ready    chan struct{}
	store    func(remediate.Store) remediate.Store // lays something over the store
	stop     context.CancelFunc
	done     chan error
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, world: fakeawstest.New(fakeawstest.Options{}), pager: &pager{}, log: &lines{}, ready: make(chan struct{}), done: make(chan error, 1)}
	var url string
	url, h.queue = h.world.CreateQueue(account, region, "flowkeeper", nil)
	h.world.TrailTo(h.queue)
	h.world.AddDestination(bucket)
	h.attacker = ec2.New(ec2.Options{Region: region, HTTPClient: h.world.HTTPClient(), Credentials: h.user("mallory")})
	c := configs.Default()
	c.Queue.URL, c.Queue.WaitTime = url, time.Second
	c.AWS.Region, c.HTTP.Listen = region, ""
	c.Inventory.Schedule, c.Inventory.Settle = "@every 1s", 200*time.Millisecond
	c.Remediate.DriftWait, c.Remediate.VerifyAfter = 200*time.Millisecond, time.Second
	c.State.Path = filepath.Join(t.TempDir(), "state.db")
	h.daemon = &Daemon{
		Config: c, Version: "test", Log: slog.New(slog.NewJSONHandler(h.log, nil)), Sinks: map[string]sink.Sink{"pager": h.pager},
		AWS:   aws.Config{Region: region, HTTPClient: h.world.HTTPClient(), Credentials: h.user("flowkeeper"), RetryMaxAttempts: 1},
		Ready: func() { close(h.ready) },
	}
	return h
}

func (h *house) user(name string) aws.CredentialsProvider {
	u := h.world.User(account, name, false)
	return credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")
}

func (h *house) plant(region, vpc string) string {
	return h.world.Plant(account, region, fakeaws.FlowLog{ResourceID: vpc, TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket,
		LogFormat: "${version}", MaxAggregationInterval: 60, FileFormat: "parquet", Tags: map[string]string{"Name": vpc}})
}

// run starts the daemon; it is stopped with the test.
func (h *house) run() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.stop = cancel
	if h.store == nil {
		go func() { h.done <- h.daemon.Run(ctx) }()
	} else {
		d := h.daemon
		if err := errors.Join(d.open(ctx), d.connect(ctx)); err != nil {
			h.t.Fatal(err)
		}
		d.remediator.Store = h.store(d.remediator.Store)
		d.storeHealth.commit = func(ctx context.Context) error {
			return d.remediator.Store.Update(ctx, func(remediate.Tx) error { return nil })
		}
		go func() { defer d.close(); h.done <- d.loops(ctx) }()
	}
	h.t.Cleanup(func() {
		cancel()
		if err := h.end(); err != nil {
			h.t.Errorf("the daemon ended with: %v", err)
		}
	})
}

// end waits for the daemon's end; later calls return nil.
func (h *house) end() error {
	h.t.Helper()
	select {
	case err, open := <-h.done:
		if open {
			close(h.done)
		}
		return err
	case <-time.After(patience):
		h.t.Fatalf("the daemon does not end:\n%s", h.log)
		return nil
	}
}

// refreshed starts the daemon and waits for the first refresh.
func (h *house) refreshed() {
	h.t.Helper()
	h.run()
	h.await("the loops to run", func() bool {
		select {
		case <-h.ready:
			return true
		default:
			return false
		}
	})
	h.await("the first refresh", h.daemon.Refreshed)
}

// again starts another daemon on the same state, after the first has ended.
func (h *house) again() {
	h.t.Helper()
	h.anew()
	h.refreshed()
}

// anew is another daemon on the same state, that does not run yet.
func (h *house) anew() {
	h.done, h.ready = make(chan error, 1), make(chan struct{})
	h.daemon = &Daemon{Config: h.daemon.Config, Version: "test", Log: h.daemon.Log, Sinks: h.daemon.Sinks, AWS: h.daemon.AWS, Ready: func() { close(h.ready) }}
}

func (h *house) await(what string, done func() bool) {
	h.t.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(end) {
			h.t.Fatalf("waited %s for %s; the log:\n%s", patience, what, h.log)
		}
		<-tick.C
	}
}

func (h *house) scopeDone(s inventory.Scope) bool {
	r := h.daemon.refreshes
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(s).refreshed()
}

func (h *house) failures(s inventory.Scope) int {
	r := h.daemon.refreshes
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(s).outage.Failures()
}

// strike deletes flow logs as mallory.
func (h *house) strike(ids ...string) {
	h.t.Helper()
	if _, err := h.attacker.DeleteFlowLogs(h.t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids}); err != nil {
		h.t.Fatal(err)
	}
}

// on counts the flow logs on a VPC that are as they were.
func (h *house) on(region, vpc string) int {
	n := 0
	for _, f := range h.world.FlowLogs(account, region) {
		if f.ResourceID == vpc && f.FileFormat == "parquet" && f.Tags["Name"] == vpc {
			n++
		}
	}
	return n
}

// pager keeps the alerts it is sent.
type pager struct {
	mu  sync.Mutex
	got []alert.Alert
}

func (p *pager) Send(_ context.Context, a alert.Alert) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, a)
	return nil
}

func (p *pager) of(k alert.Kind) (out []alert.Alert) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.got {
		if a.Kind == k {
			out = append(out, a)
		}
	}
	return out
}

// lines is the daemon's log.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestDeletedIsToldAndRestored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.strike(id)
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
	h.await("its alerts", func() bool { return len(h.pager.of(alert.Restored)) == 1 && len(h.pager.of(alert.Closed)) == 1 })
	if a := h.pager.of(alert.Deletion); len(a) != 1 || a[0].Actor == nil || !strings.HasSuffix(a[0].Actor.ARN, "user/mallory") {
		t.Errorf("%+v", a)
	}
	h.await("the queue to be empty", func() bool { v, f := h.world.QueueDepth(h.queue); return v+f == 0 })
	h.stop()
	if err := h.end(); err != nil {
		t.Error(err)
	}
}

// TestI10StopsInTheMiddle: a stop while creates are refused and the alert sink
// hangs ends the daemon with nil, and the next start finishes the work.
func TestI10StopsInTheMiddle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.Throttle("CreateFlowLogs", 1)
	h.strike(id)
	h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) == 1 })
	h.stop()
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	h.again()
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
}

// TestUnknownIsToldAndNotMade: nobody ever saw it, so it is told and not made.
func TestUnknownIsToldAndNotMade(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	h.world.MuteTrail(true)
	id := h.plant(region, "vpc-1")
	h.world.MuteTrail(false)
	h.strike(id)
	h.await("the alerts", func() bool {
		return len(h.pager.of(alert.Deletion)) == 1 && strings.Contains(h.log.String(), `"kind":"closed"`)
	})
	if n := len(h.world.Calls("CreateFlowLogs")); n != 0 {
		t.Errorf("%d creates of what nobody knows", n)
	}
	if n := len(h.pager.of(alert.Closed)); n != 0 {
		t.Error("the pager is resolved at once: it is to ring for five minutes")
	}
}

// TestCreatedIsLearnedAtOnce: a flow log made and deleted between two
// refreshes is known all the same.
func TestCreatedIsLearnedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Inventory.Schedule = "@every 1h"
	h.world.AddResource(account, region, "vpc-1")
	h.plant(region, "vpc-2") // to the same bucket, or the new one would be held
	h.refreshed()
	out, err := h.attacker.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
		ResourceIds: []string{"vpc-1"}, ResourceType: "VPC", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: aws.String(bucket),
	})
	if err != nil || len(out.FlowLogIds) != 1 {
		t.Fatalf("%v %v", out, err)
	}
	h.await("the record to be taken", func() bool { return h.world.Deleted(h.queue) > 0 })
	h.strike(out.FlowLogIds...)
	h.await("the flow log to be back", func() bool { return len(h.world.FlowLogs(account, region)) == 2 })
}

// TestDriftAlone: the trail is stopped; the refresh notices.
func TestDriftAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.MuteTrail(true)
	h.strike(id)
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
	h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) == 1 })
	if a := h.pager.of(alert.Deletion)[0]; a.Actor != nil {
		t.Errorf("nobody knows who it was: %+v", a.Actor)
	}
}

// TestOneScopeFails: told once, and the other goes on.
func TestOneScopeFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const other = "222233334444"
	h.daemon.Config.Accounts = []configs.Account{{ID: account}, {ID: other, RoleARN: "arn:aws:iam::" + other + ":role/missing"}}
	id := h.plant(region, "vpc-1")
	h.run()
	scope := inventory.Scope{Account: account, Region: region}
	h.await("the refresh of the healthy scope", func() bool {
		return h.daemon.connected.Load() && h.scopeDone(scope)
	})
	h.await("an alert of the broken one", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
	h.strike(id)
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
	h.await("three more refreshes", func() bool { return h.failures(inventory.Scope{Account: other, Region: region}) > 3 })
	if a := h.pager.of(alert.Pipeline); len(a) != 1 || a[0].Account != other || !strings.Contains(a[0].Cause, "AssumeRole") {
		t.Errorf("told %d times: %+v", len(a), a)
	}
	if n := strings.Count(h.log.String(), "refresh failed"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// TestFailedRefreshIsTriedAgain: soon, however slow the schedule.
func TestFailedRefreshIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Inventory.Schedule = "@every 24h"
	h.plant(region, "vpc-1")
	h.world.Fail("DescribeFlowLogs", 1, "UnauthorizedOperation", http.StatusForbidden)
	h.refreshed()
	if !strings.Contains(h.log.String(), "refresh failed") {
		t.Error("it did not fail")
	}
}

// TestBrokenPage: a passing fault of one page costs nothing.
func TestBrokenPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	h.world.Fail("DescribeFlowLogs", 1, "InternalError", http.StatusInternalServerError)
	h.refreshed()
	if strings.Contains(h.log.String(), "refresh failed") {
		t.Errorf("the whole listing failed:\n%s", h.log)
	}
}

func TestAccountThatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant("us-east-1", "vpc-1")
	h.refreshed()
	for range 3 {
		id := h.plant("us-east-1", "vpc-1")
		if !h.world.Remove(account, "us-east-1", id) {
			t.Fatal(id)
		}
		stranger := ec2.New(ec2.Options{Region: "us-east-1", HTTPClient: h.world.HTTPClient(), Credentials: h.user("mallory")})
		if _, err := stranger.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{h.plant("us-east-1", "vpc-1")}}); err != nil {
			t.Fatal(err)
		}
	}
	h.await("the records to be acknowledged", func() bool { return h.world.Deleted(h.queue) == 3 })
	if n := strings.Count(h.log.String(), "not configured"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if len(h.pager.of(alert.Deletion))+len(h.world.Calls("CreateFlowLogs")) != 0 {
		t.Error("it is none of our business")
	}
}

// TestI8Garbage: counted and left to the queue's redrive policy.
func TestI8Garbage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	for _, body := range []string{"{", "null", "[[[[", strings.Repeat("x", 1000), `{"Type":"Notification","Message":"{"}`} {
		if err := h.world.Send(h.queue, body); err != nil {
			t.Fatal(err)
		}
	}
	h.refreshed()
	h.strike(id)
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
	h.await("the record to be acknowledged", func() bool { return h.world.Deleted(h.queue) > 0 })
	if v, f := h.world.QueueDepth(h.queue); v+f < 5 {
		t.Errorf("%d bodies left of 5: what nobody understood was thrown away", v+f)
	}
}

func TestMissingQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Queue.URL = strings.Replace(h.daemon.Config.Queue.URL, "/flowkeeper", "/flow-keeper", 1)
	if err := h.daemon.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "flow-keeper") {
		t.Errorf("the error names the queue: %v", err)
	}
}

// TestDeletedQueue: an attacker who deletes the queue does not turn us off.
func TestDeletedQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.await("the queue's first answer", func() bool { return h.daemon.queue.ready() == nil })
	h.world.Fail("ReceiveMessage", 1<<30, "AWS.SimpleQueueService.NonExistentQueue", http.StatusBadRequest)
	h.await("the alert", func() bool { return len(h.pager.of(alert.Pipeline)) == 1 })
	a := h.pager.of(alert.Pipeline)[0]
	if want := "Flow logs at risk: the queue flowkeeper in 111122223333 eu-west-1 does not answer any more"; a.Title != want {
		t.Errorf("title %q", a.Title)
	}
	if !strings.Contains(a.Cause, "NonExistentQueue") || !strings.Contains(a.Text, "To do: make the queue again") {
		t.Error(a.Text)
	}
	if err := h.daemon.ready(); err == nil {
		t.Error("ready without a queue")
	}
	h.strike(id)
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
	if n := len(h.pager.of(alert.Pipeline)); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestTheEndOfATrouble is told, under the key by which a pager was opened.
func TestTheEndOfATrouble(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	h.refreshed()
	h.await("the queue's first answer", func() bool { return h.daemon.queue.ready() == nil })
	h.world.Fail("ReceiveMessage", 2, "AccessDenied", http.StatusForbidden)
	h.await("its end", func() bool { return len(h.pager.of(alert.Pipeline)) == 2 })
	if a := h.pager.of(alert.Pipeline); !a[1].Resolves() || a[1].DedupKey != a[0].DedupKey || a[0].Resolves() || a[1].Title != "Works again: the queue answers again" {
		t.Errorf("%+v", a)
	}
}

func TestBadCredentials(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.AWS.Credentials = credentials.NewStaticCredentialsProvider("AKIAUNKNOWN", "secret", "")
	err := h.daemon.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") || strings.Contains(err.Error(), "secret\"") {
		t.Errorf("%v", err)
	}
}

// TestAWSIsAwayAtStart: waited out, with alerts and health working.
func TestAWSIsAwayAtStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.world.Fail("GetCallerIdentity", 1, "InternalFailure", http.StatusInternalServerError)
	h.refreshed()
	if !strings.Contains(h.log.String(), "can't reach AWS yet") {
		t.Errorf("nothing was said of it: %s", h.log)
	}
	h.strike(id)
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
}

// TestI13StartedInAnotherAccount: with credentials of an account that nothing is
// known of, no message is taken for somebody else's, and nothing says that all is
// well.
func TestI13StartedInAnotherAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.await("the queue to answer", func() bool { return h.daemon.ready() == nil })
	h.stop()
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	h.strike(id)
	right, stranger := h.daemon.AWS.Credentials, h.world.User("222233334444", "flowkeeper", false)
	h.daemon.AWS.Credentials = credentials.NewStaticCredentialsProvider(stranger.AccessKeyID, stranger.SecretAccessKey, "")
	h.anew()
	h.run()
	const why = "these credentials act in account 222233334444, and the state file guards 111122223333"
	h.await("the account to be noticed", func() bool { return strings.Count(h.log.String(), why) > 0 })
	if h.daemon.ready() == nil || h.daemon.unwell() == nil {
		t.Error("all is said to be well")
	}
	h.stop()
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	if n := h.world.Deleted(h.queue); n != 0 {
		t.Errorf("%d messages were acknowledged", n)
	}
	h.daemon.AWS.Credentials = right
	h.again()
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })

	// Where accounts are named, the file may guard others besides.
	h.stop()
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	h.daemon.AWS.Credentials = credentials.NewStaticCredentialsProvider(stranger.AccessKeyID, stranger.SecretAccessKey, "")
	h.daemon.Config.Accounts = []configs.Account{{ID: "222233334444"}}
	h.again()
}

// TestI9AllIsLostAndAnotherAccountIsNot: where the account has nothing left, and the
// file has flow logs of another one from earlier days, it is still the right one.
func TestI9AllIsLostAndAnotherAccountIsNot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.world.Deny("flowkeeper", "CreateFlowLogs")
	h.strike(id)
	h.await("it to be blocked", func() bool {
		c, err := h.daemon.store.Counts(t.Context())
		return err == nil && c.Incidents["blocked"] == 1
	})
	h.stop()
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), h.daemon.Config.State.Path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: inventory.FlowLog{ID: "fl-0000000000000beef", Scope: inventory.Scope{Account: "222233334444", Region: region},
			Settings: inventory.Settings{ResourceID: "vpc-9", LogDestinationType: "s3", LogDestination: bucket}}, State: inventory.Live, Protected: true})
	})
	if guarded, gerr := s.Guarded(t.Context()); !slices.Equal(guarded, []string{"222233334444"}) {
		t.Errorf("the file guards %v, %v", guarded, gerr)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	h.world.Allow("flowkeeper", "CreateFlowLogs")
	h.again()
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
}

// TestAccessTakenAwayBeforeARestart: once it has worked, no refusal is a
// reason to give up.
func TestAccessTakenAwayBeforeARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, err := store.Open(t.Context(), h.daemon.Config.State.Path, store.Options{Daemon: true, Route: func(alert.Alert) []string { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err = errors.Join(s.SetFact(t.Context(), factReceived, "2026-01-01T00:00:00Z"), s.Close()); err != nil {
		t.Fatal(err)
	}
	h.world.Fail("GetCallerIdentity", 1, "InvalidClientTokenId", http.StatusForbidden)
	h.refreshed()
}

// TestTheStateFileIsDeleted: an attacker who deletes it takes nothing away. The
// daemon ends, to be started again, and that one has all that was known.
func TestTheStateFileIsDeleted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(h.daemon.Config.State.Path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.end(); !errors.Is(err, store.ErrTaken) {
		t.Fatalf("ended with %v", err)
	}
	h.strike(id)
	h.again()
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
	h.await("the alerts", func() bool { return len(h.pager.of(alert.Deletion)) == 1 && len(h.pager.of(alert.Pipeline)) > 0 })
}

// TestI1FullStore: what can't be stored is told all the same, and stays in the
// queue until it can.
func TestI1FullStore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Queue.VisibilityTimeout = time.Second
	id := h.plant(region, "vpc-1")
	broken := &brokenStore{}
	h.store = func(s remediate.Store) remediate.Store { broken.Store = s; return broken }
	h.refreshed()
	h.await("readiness", func() bool { return h.daemon.ready() == nil })
	broken.full(true)
	h.strike(id)
	h.await("the alert, past the store", func() bool { return len(h.pager.of(alert.Deletion)) > 0 })
	if n := h.world.Deleted(h.queue); n != 0 {
		t.Errorf("%d messages acknowledged that are not stored", n)
	}
	if err := h.daemon.ready(); !errors.Is(err, errNotStored) {
		t.Errorf("ready: %v", err)
	}
	broken.full(false)
	h.await("the flow log to be back", func() bool { return h.on(region, "vpc-1") == 1 })
	h.await("the message to be acknowledged", func() bool { return h.world.Deleted(h.queue) > 0 })
}

// brokenStore has no room for what a message brings, until it has.
type brokenStore struct {
	remediate.Store
	mu  sync.Mutex
	bad bool
}

func (b *brokenStore) full(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad = on
}

func (b *brokenStore) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	b.mu.Lock()
	bad := b.bad
	b.mu.Unlock()
	if bad {
		return fmt.Errorf("write: %w", syscall.ENOSPC)
	}
	return b.Store.Update(ctx, fn)
}

// get asks the daemon's own listener.
func (h *house) get(path string) (int, string) {
	h.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + h.daemon.listener.Addr().String() + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	h.refreshed()
	h.await("readiness", func() bool { code, _ := h.get("/readyz"); return code == http.StatusOK })
	if code, body := h.get("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := h.get("/secrets"); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
	h.daemon.progress.Loop("stuck", -time.Second)
	if code, body := h.get("/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "stuck") {
		t.Errorf("a stalled loop: %d %q", code, body)
	}
}

func TestListenAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	h := newHouse(t)
	h.daemon.Config.HTTP.Listen = taken.Addr().String()
	if err := h.daemon.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("%v", err)
	}
}

// TestSecondDaemon on one state file is refused, before it touches anything.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	second := &Daemon{Config: h.daemon.Config, Log: h.daemon.Log, AWS: h.daemon.AWS}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "state.db") {
		t.Errorf("%v", err)
	}
}

// TestReleaseIsNoticed: a command of another process is obeyed at once.
func TestReleaseIsNoticed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	ctx := t.Context()
	s, err := store.Open(ctx, h.daemon.Config.State.Path, store.Options{Route: func(alert.Alert) []string { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	scope := inventory.Scope{Account: account, Region: region}
	err = s.Update(ctx, func(tx *store.Tx) error {
		row, ok, err := tx.FlowLog(scope, id)
		if err != nil || !ok {
			return errors.Join(err, errors.New("no row"))
		}
		row.ReleasedAt, row.ReleasedUntil = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
		return tx.PutFlowLog(row)
	})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	h.strike(id)
	h.await("the closing alert", func() bool { return len(h.pager.of(alert.Closed)) == 1 })
	if n := h.on(region, "vpc-1"); n != 0 {
		t.Error("restored what was released")
	}
}
