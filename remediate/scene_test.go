package remediate_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"go.uber.org/goleak"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "111122223333"
	region  = "eu-west-1"
	bucket  = "arn:aws:s3:::flow-logs"
	mallory = "arn:aws:iam::111122223333:user/mallory"
)

var scope = inventory.Scope{Account: account, Region: region}

// scene is one Flowkeeper on one AWS, with a clock that only the test moves
// and no goroutines of its own: every step happens when the test says so.
type scene struct {
	t         *testing.T
	world     *fakeawstest.World
	now       time.Time
	bubble    bool // the time is testing/synctest's
	path      string
	store     *store.Store
	policy    incident.Policy
	r         *remediate.Remediator
	rehearser *rehearse.Rehearser
	api       *ec2.Client
	own       string // ARN that api signs as
	events    int
	soon      []inventory.Scope   // scopes for which a refresh was asked
	direct    []alert.Alert       // alerts that bypassed the outbox
	routed    func(alert.Alert)   // called with each alert that is added to the outbox
	sinks     []string            // sinks in addition to the log
	disk      int64               // bytes of the disk with the state file; 0: the size of the machine's disk
	slow      time.Duration       // how long it takes to send one of the direct alerts
	deps      []tamper.Dependency // resources that Flowkeeper needs, in addition to those in the snapshot
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, routed: func(alert.Alert) {}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), path: filepath.Join(t.TempDir(), "state.db"),
		policy: incident.Policy{ConsistencyWindow: 2 * time.Minute, VerifyAfter: 10 * time.Minute, DriftWait: 2 * time.Minute, MaxRestores: 5, RestoreInterval: 10 * time.Minute}}
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
	o := store.Options{Daemon: true, Now: s.clock, Routes: routes{s}}
	if s.disk > 0 {
		o.MaxBytes = s.disk / 2 // the other half is for the -wal and -shm files
		o.Free = func() (int64, error) { return s.disk - s.size(), nil }
	}
	st, err := store.Open(context.Background(), s.path, o)
	s.must(err)
	s.store = st
	s.r = &remediate.Remediator{Store: st.Remediation(), News: st.News(), Fleet: fleet{scope: s.api}, Policy: s.policy, Now: s.clock, Log: slog.New(slog.DiscardHandler),
		Snapshot: st, Refreshes: daemon{s}, Senders: daemon{s}, Tampering: s.tamperHandler(st.Tampering())}
	s.rehearser = &rehearse.Rehearser{Store: st.Rehearsals(), Pipelines: st.Pipelines(), Fleet: daemon{s},
		Restores: s.r, Now: s.clock, Log: s.r.Log, Senders: daemon{s}}
	s.r.Rehearsals = s.rehearser
}

// routes says to which sinks an alert goes.
type routes struct{ s *scene }

func (r routes) For(a alert.Alert) []string {
	r.s.routed(a)
	return append([]string{"log"}, r.s.sinks...)
}

// daemon implements the interfaces through which the packages under test call the daemon. It starts nothing by
// itself.
type daemon struct{ s *scene }

func (d daemon) EC2(sc inventory.Scope) (rehearse.EC2, bool)             { return d.s.r.Fleet.EC2(sc) }
func (d daemon) Caller(context.Context, inventory.Scope) (string, error) { return d.s.own, nil }
func (d daemon) All() []tamper.Dependency                                { return d.s.deps }
func (daemon) Asks(context.Context, inventory.Scope) func(error)         { return func(error) {} }
func (daemon) Often(inventory.Scope)                                     {}
func (daemon) Wake()                                                     {}

// Soon notes the scope.
func (d daemon) Soon(sc inventory.Scope) { d.s.soon = append(d.s.soon, sc) }

// AccountSoon notes the account, as a scope without a Region.
func (d daemon) AccountSoon(account string) { d.Soon(inventory.Scope{Account: account}) }

// Bypass notes the alert.
func (d daemon) Bypass(_ context.Context, a alert.Alert) {
	time.Sleep(d.s.slow)
	d.s.direct = append(d.s.direct, a)
}

func (s *scene) tamperHandler(st tamper.Store) *tamper.Handler {
	return &tamper.Handler{Store: st, Policy: s.policy, Dependencies: daemon{s}, Now: s.clock, Refreshes: daemon{s}, Senders: daemon{s}}
}

// size is the size of the state file in bytes, with its -wal and -shm files.
func (s *scene) size() (n int64) {
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(s.path + end); err == nil {
			n += info.Size()
		}
	}
	return n
}

// configured returns a scene with a changed policy.
func configured(t *testing.T, change func(*incident.Policy)) *scene {
	t.Helper()
	s := newScene(t)
	change(&s.policy)
	s.crash()
	return s
}

// run starts the restorer. stop ends it.
func (s *scene) run(keepAlive func()) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	s.r.Start(ctx, scope, keepAlive, func() { close(ended) })
	return func() {
		cancel()
		<-ended
	}
}

// adopt goes on with a copy of the state file, as a daemon does that has lost its state file.
func (s *scene) adopt(a store.Adoption) {
	s.t.Helper()
	s.must(s.store.CopyTo(s.t.Context(), s.path+".copy"))
	s.must(s.store.Close())
	_, err := store.Adopt(s.t.Context(), s.path+".copy", s.path+".back", a)
	s.must(err)
	s.path += ".back"
	s.start()
}

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
	f := fakeaws.FlowLog{ResourceID: vpc, TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket, LogFormat: "${version}", MaxAggregationInterval: 60,
		FileFormat: "parquet", Tags: map[string]string{"Name": vpc}, CreatedAt: s.clock()}
	if change != nil {
		change(&f)
	}
	return s.world.Plant(account, region, f)
}

// protected returns a scene with n protected flow logs, each on a VPC of its own: vpc-1, vpc-2 ...
func protected(t *testing.T, n int) (s *scene, ids []string) {
	t.Helper()
	s = newScene(t)
	return s, s.protect(n)
}

// protectedOne returns a scene with one protected flow log, on vpc-1.
func protectedOne(t *testing.T) (s *scene, id string) {
	t.Helper()
	s, ids := protected(t, 1)
	return s, ids[0]
}

// learn refreshes the snapshot, and again an hour later: then the flow logs count as an hour old.
func (s *scene) learn() {
	s.t.Helper()
	s.refresh()
	s.sleep(time.Hour)
	s.refresh()
}

func (s *scene) refresh() inventory.Counts {
	s.t.Helper()
	c, err := s.r.Refresh(s.t.Context(), scope)
	s.must(err)
	return c
}

// deliver records the findings of a message, and waits for the calls to AWS that they start.
func (s *scene) deliver(fs ...detection.Finding) {
	s.t.Helper()
	s.must(s.r.RecordFindings(s.t.Context(), fs, func() {}))
	s.r.Wait()
}

// attackAndReconcile deletes flow logs, delivers the record, and does everything that is due then.
func (s *scene) attackAndReconcile(ids ...string) {
	s.t.Helper()
	s.deliver(s.attack(ids...))
	s.reconcile()
}

// reconcileOnce does one step of the restorer.
func (s *scene) reconcileOnce() {
	s.t.Helper()
	_, err := s.r.Reconcile(s.t.Context(), scope, func() {})
	s.must(err)
}

// reconcile does everything that is due now.
func (s *scene) reconcile() {
	s.t.Helper()
	for range 100 {
		n, err := s.r.Reconcile(s.t.Context(), scope, func() {})
		s.must(err)
		if n == 0 {
			return
		}
	}
	s.t.Fatal("after 100 steps something is still due now: an endless loop")
}

// advance moves the clock by d in the way the restorer sleeps: to each time at which something is due, and does
// it.
func (s *scene) advance(d time.Duration) {
	s.t.Helper()
	held := time.Millisecond
	for end := s.now.Add(d); ; {
		s.reconcile()
		var next remediate.Upcoming
		s.must(s.store.View(s.t.Context(), func(tx *store.Tx) (err error) { next, err = tx.NextDue(scope); return err }))
		due := next.At()
		if due.IsZero() || due.After(end) {
			s.now = end
			return
		}
		if due.After(s.now) {
			s.now, held = due, time.Millisecond
		} else { // it is due, but the pace allows no call yet
			s.now = s.now.Add(held)
			held = min(2*held, 250*time.Millisecond)
		}
	}
}

// changeIncident changes the incident of a flow log in the state file.
func (s *scene) changeIncident(id string, change func(*incident.Incident)) {
	s.t.Helper()
	s.must(s.store.Update(s.t.Context(), func(tx *store.Tx) error {
		i, _, err := tx.Incident(scope, id)
		if err != nil {
			return err
		}
		change(&i)
		return tx.PutIncident(i)
	}))
}

// changeEvent changes an event in the state file.
func (s *scene) changeEvent(id string, change func(*incident.Event)) {
	s.t.Helper()
	s.must(s.store.Update(s.t.Context(), func(tx *store.Tx) error {
		e, _, err := tx.Event(scope, id)
		if err != nil {
			return err
		}
		change(&e)
		return tx.PutEvent(e)
	}))
}

// release lets flow logs be deleted for a time, as an operator does. Without IDs it releases all flow logs.
func (s *scene) release(d time.Duration, ids ...string) {
	s.t.Helper()
	n, err := s.store.ChangeRows(s.t.Context(), func(r *inventory.Row) bool {
		r.ReleasedAt, r.ReleasedUntil = s.now.Add(-time.Minute), s.now.Add(d)
		return len(ids) == 0 || slices.Contains(ids, r.ID)
	})
	if s.must(err); n == 0 {
		s.t.Fatal("nothing released")
	}
}

// protect plants n flow logs, each on a VPC of its own, and lets the snapshot learn them.
func (s *scene) protect(n int) (ids []string) {
	s.t.Helper()
	for i := range n {
		ids = append(ids, s.plant(fmt.Sprintf("vpc-%d", i+1), nil))
	}
	s.learn()
	return ids
}

// protectTwo plants two flow logs with different destinations, and lets the snapshot learn them.
func (s *scene) protectTwo() (a, b string) {
	s.t.Helper()
	s.world.AddDestination("arn:aws:s3:::other")
	b = s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })
	return s.protect(1)[0], b
}

// setDue sets when the restorer next works on an incident.
func (s *scene) setDue(id string, after time.Duration) {
	s.t.Helper()
	s.changeIncident(id, func(i *incident.Incident) { i.NextAttemptAt = s.now.Add(after) })
}

func (s *scene) sleep(d time.Duration) {
	if s.bubble {
		time.Sleep(d)
	}
	s.now = s.now.Add(d)
}
