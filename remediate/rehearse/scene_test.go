package rehearse_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	bucket  = "arn:aws:s3:::flow-logs"
	mallory = "arn:aws:iam::111122223333:user/mallory"
)

var scope = inventory.Scope{Account: account, Region: region}

// scene is one Flowkeeper on one AWS, with a clock that only the test moves and no
// goroutines: every step happens when the test says so.
type scene struct {
	t      *testing.T
	world  *fakeawstest.World
	now    time.Time
	bubble bool // the time is testing/synctest's
	path   string
	store  *store.Store
	api    remediate.EC2
	own    string // ARN that api signs as; empty: AWS does not say
	events int

	remediator *remediate.Remediator
	*rehearse.Rehearser
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), path: filepath.Join(t.TempDir(), "state.db")}
	s.world = fakeawstest.New(fakeawstest.Options{Now: s.clock})
	s.world.AddDestination(bucket)
	user := s.world.User(account, "flowkeeper", true)
	s.own = user.ARN
	s.api = ec2.New(ec2.Options{Region: region, HTTPClient: s.world.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, "")})
	s.start()
	t.Cleanup(func() { s.store.Close() })
	return s
}

func (s *scene) clock() time.Time {
	if s.bubble {
		return time.Now()
	}
	return s.now
}

// start opens the store and wires the parts. crash calls it again.
func (s *scene) start() {
	s.t.Helper()
	st, err := store.Open(context.Background(), s.path, store.Options{Daemon: true, Now: s.clock, Routes: alerttest.To{"log"}})
	s.must(err)
	s.store = st
	log := slog.New(slog.DiscardHandler)
	s.remediator = &remediate.Remediator{Store: st.Remediation(), News: st.News(), Snapshot: st, Fleet: s, Policy: incident.Policy{ConsistencyWindow: 2 * time.Minute}, Now: s.clock, Log: log,
		Refreshes: daemon{s}, Senders: daemon{s}}
	s.Rehearser = &rehearse.Rehearser{Store: st.Rehearsals(), Pipelines: st.Pipelines(), Fleet: daemon{s},
		Restores: s.remediator, Now: s.clock, Log: log, Senders: daemon{s},
		Pause: func(_ context.Context, d time.Duration) bool { s.now = s.now.Add(d); return true }}
	s.remediator.Rehearsals = s.Rehearser
}

// daemon implements the interfaces through which rehearsals and the remediator call the daemon. It starts
// nothing by itself.
type daemon struct{ s *scene }

func (d daemon) EC2(of inventory.Scope) (rehearse.EC2, bool)     { return d.s.EC2(of) }
func (daemon) Soon(inventory.Scope)                              {}
func (daemon) AccountSoon(string)                                {}
func (daemon) Asks(context.Context, inventory.Scope) func(error) { return func(error) {} }
func (daemon) Bypass(context.Context, alert.Alert)               {}
func (daemon) Wake()                                             {}

func (d daemon) Caller(context.Context, inventory.Scope) (string, error) {
	if d.s.own == "" {
		return "", errors.New("STS does not answer")
	}
	return d.s.own, nil
}

// EC2 implements remediate.Fleet.
func (s *scene) EC2(of inventory.Scope) (remediate.EC2, bool) { return s.api, of == scope }

// crash forgets everything that is not on disk.
func (s *scene) crash() {
	s.t.Helper()
	s.must(s.store.Close())
	s.start()
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// plant makes a flow log on a VPC.
func (s *scene) plant(vpc string, change func(*fakeaws.FlowLog)) string {
	f := fakeaws.FlowLog{ResourceID: vpc, TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket, LogFormat: "${version}",
		MaxAggregationInterval: 60, FileFormat: "parquet", Tags: map[string]string{"Name": vpc}, CreatedAt: s.clock()}
	if change != nil {
		change(&f)
	}
	return s.world.Plant(account, region, f)
}

// protect plants n flow logs, each on a VPC of its own, and lets the snapshot learn them.
func (s *scene) protect(n int) {
	s.t.Helper()
	for i := range n {
		s.plant(fmt.Sprintf("vpc-%d", i+1), nil)
	}
	s.refresh()
	s.now = s.now.Add(time.Hour)
	s.refresh()
}

func (s *scene) refresh() inventory.Counts {
	s.t.Helper()
	c, err := s.remediator.Refresh(s.t.Context(), scope)
	s.must(err)
	return c
}

func (s *scene) deliver(fs ...detection.Finding) {
	s.t.Helper()
	s.must(s.remediator.RecordFindings(s.t.Context(), fs, func() {}))
	s.remediator.Wait()
}

func (s *scene) rehearse() rehearse.Result {
	s.t.Helper()
	c, err := s.Rehearse(s.t.Context(), scope, func() {})
	s.must(err)
	return c
}

func (s *scene) health() (h rehearse.PipelineHealth) {
	s.t.Helper()
	s.must(s.Pipelines.View(s.t.Context(), func(tx rehearse.PipelineTx) (err error) { h, err = tx.PipelineHealth(scope); return err }))
	return h
}

// rehearseHourly makes n rehearsals, one an hour. Their records do not come back.
func (s *scene) rehearseHourly(n int) {
	s.t.Helper()
	for range n {
		s.rehearse()
		s.now = s.now.Add(time.Hour)
		s.refresh()
	}
}

// alerts are all alerts, oldest first.
func (s *scene) alerts() (out []alert.Alert) {
	s.t.Helper()
	s.must(s.store.FindAlerts(s.t.Context(), store.Filter{}, func(a alert.Alert, _ []sink.Delivery) error {
		out = append(out, a)
		return nil
	}))
	slices.Reverse(out)
	return out
}

// wantAlerts checks the number of pipeline alerts, and that there are no alerts of another kind.
func (s *scene) wantAlerts(want int) {
	s.t.Helper()
	all := s.alerts()
	if len(all) != want || slices.ContainsFunc(all, func(a alert.Alert) bool { return a.Kind != alert.Pipeline }) {
		s.t.Fatalf("%d alerts, want %d: %+v", len(all), want, all)
	}
}

// broken is a store that can't commit.
type broken struct {
	rehearse.PipelineStore
	err error
}

func (b broken) Update(context.Context, func(rehearse.PipelineTx) error) error { return b.err }

// slow is an EC2 client whose creates take 20 seconds.
type slow struct{ remediate.EC2 }

func (a slow) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, opts ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error) {
	time.Sleep(20 * time.Second)
	return a.EC2.CreateFlowLogs(ctx, in, opts...)
}

// heartbeats notes the longest time between two calls of note.
type heartbeats struct {
	mu      sync.Mutex
	last    time.Time
	silence time.Duration
}

func (b *heartbeats) note() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silence, b.last = max(b.silence, time.Since(b.last)), time.Now()
}
