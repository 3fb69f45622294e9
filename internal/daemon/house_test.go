package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
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

	farRegion = "us-east-1"
)

var (
	home = inventory.Scope{Account: account, Region: region}
	far  = inventory.Scope{Account: account, Region: farRegion}
)

// house is a daemon and the fake AWS that it calls, both in this process.
type house struct {
	t        *testing.T
	world    *fakeawstest.World
	queue    string // ARN
	attacker *ec2.Client
	daemon   *Daemon
	pager    *pager
	log      *lines
	ready    chan struct{}
	broken   *brokenStore // the remediator's store; nil: the daemon's own
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

// run starts the daemon. The end of the test stops it.
func (h *house) run() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.stop = cancel
	if h.broken == nil {
		go func() { h.done <- h.daemon.Run(ctx) }()
	} else {
		d := h.connected(ctx)
		h.broken.Store, d.remediator.Store = d.remediator.Store, h.broken
		d.storeHealth.commit = func(ctx context.Context) error {
			return h.broken.Update(ctx, func(remediate.Tx) error { return nil })
		}
		go func() { h.done <- d.loops(ctx) }()
	}
	h.t.Cleanup(func() {
		cancel()
		if err := h.end(); err != nil {
			h.t.Errorf("the daemon ended with: %v", err)
		}
	})
}

// end waits until the daemon has ended, and returns its error. Later calls return nil.
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

// halt stops the daemon, which must end without an error.
func (h *house) halt() {
	h.t.Helper()
	h.stop()
	if err := h.end(); err != nil {
		h.t.Fatalf("the daemon ended with: %v", err)
	}
}

// connected opens the daemon's state file, connects it to AWS, and returns it. None of its loops runs.
func (h *house) connected(ctx context.Context) *Daemon {
	h.t.Helper()
	h.t.Cleanup(h.daemon.close)
	if err := errors.Join(h.daemon.open(ctx), h.daemon.connect(ctx)); err != nil {
		h.t.Fatal(err)
	}
	return h.daemon
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

// restart starts another daemon on the same state file, after the first has ended, and waits for its first refresh.
func (h *house) restart() {
	h.t.Helper()
	h.newDaemon()
	h.refreshed()
}

// newDaemon makes another daemon on the same state file, which does not run yet.
func (h *house) newDaemon() {
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

func (h *house) isRefreshed(s inventory.Scope) bool {
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

// inFile calls fn with the state file. It opens the file as a daemon does (none may run), or as a
// command does, while a daemon may run.
func (h *house) inFile(asDaemon bool, fn func(context.Context, *store.Store) error) {
	h.t.Helper()
	s, err := store.Open(h.t.Context(), h.daemon.Config.State.Path, store.Options{Daemon: asDaemon})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := errors.Join(fn(h.t.Context(), s), s.Close()); err != nil {
		h.t.Fatal(err)
	}
}

// release releases every flow log until a time, as a command in another process does.
func (h *house) release(until time.Time) {
	h.t.Helper()
	h.inFile(false, func(ctx context.Context, s *store.Store) error {
		n, err := s.ChangeRows(ctx, func(r *inventory.Row) bool {
			r.Release(time.Now().Add(-time.Minute), until, "maintenance")
			return true
		})
		if n == 0 {
			h.t.Error("nothing was released")
		}
		return err
	})
}

// sendRecord puts the record of a call by mallory into the queue, as EventBridge does.
func (h *house) sendRecord(account, service, event, parameters string) {
	h.t.Helper()
	body := fmt.Sprintf(`{"detail-type":"AWS API Call via CloudTrail","source":"aws.%s","detail":{"eventSource":"%[1]s.amazonaws.com","eventName":%q,"eventTime":"2026-03-01T12:02:26Z","awsRegion":%q,"recipientAccountId":%q,"eventID":%q,"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory"},"requestParameters":%s}}`,
		service, event, region, account, "e-"+event+account, parameters)
	if err := h.world.Send(h.queue, body); err != nil {
		h.t.Fatal(err)
	}
}

// nameRuleInQueuePolicy gives the daemon another queue, whose policy names the EventBridge rule that may send to it.
func (h *house) nameRuleInQueuePolicy() {
	h.daemon.Config.Queue.URL, h.queue = h.world.CreateQueue(account, region, "ruled", map[string]string{
		"Policy": `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:eu-west-1:111122223333:rule/flowkeeper"}}}]}`})
}

// countOn counts the flow logs on a VPC that have the settings and tags of plant.
func (h *house) countOn(region, vpc string) int {
	n := 0
	for _, f := range h.world.FlowLogs(account, region) {
		if f.ResourceID == vpc && f.FileFormat == "parquet" && f.Tags["Name"] == vpc {
			n++
		}
	}
	return n
}

// get sends a GET request to the daemon's HTTP listener, and returns the status and the body.
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

// awaitBack waits until the flow log on a VPC is back with its original settings.
func (h *house) awaitBack(region, vpc string) {
	h.t.Helper()
	h.await("the flow log to be back", func() bool { return h.countOn(region, vpc) == 1 })
}

// pager keeps the alerts that are sent to it.
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

// brokenStore is a store whose transactions fail while it is full, as on a full disk.
type brokenStore struct {
	remediate.Store
	mu  sync.Mutex
	bad bool
}

func (b *brokenStore) setFull(on bool) {
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
