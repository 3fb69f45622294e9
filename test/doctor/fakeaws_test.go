package doctor_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

const (
	acct     = "111122223333"
	queueARN = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"
	roleARN  = "arn:aws:iam::111122223333:role/flow-logs"
)

// fake is a fake AWS with a queue and two flow logs that deliver to different destinations.
type fake struct {
	*fakeawstest.World
	cfg aws.Config
	url string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	w := fakeawstest.New(fakeawstest.Options{})
	user := w.User(acct, "flowkeeper", true)
	f := &fake{World: w, cfg: aws.Config{Region: region, HTTPClient: w.HTTPClient(), Credentials: static(user.AccessKeyID, user.SecretAccessKey, ""), RetryMaxAttempts: 1}}
	w.CreateQueue(acct, region, "flowkeeper-dead", nil)
	f.url, _ = w.CreateQueue(acct, region, "flowkeeper", map[string]string{
		"Policy": policy(t, "arn:aws:events:eu-west-1:111122223333:rule/flowkeeper"), "MessageRetentionPeriod": "1209600",
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:111122223333:flowkeeper-dead","maxReceiveCount":"100"}`,
	})
	for id, log := range map[string]fakeaws.FlowLog{
		"fl-000000a1": {ResourceID: "vpc-1", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", FileFormat: "plain-text"},
		"fl-000000b2": {ResourceID: "vpc-2", LogDestinationType: "cloud-watch-logs", LogGroupName: "g", DeliverLogsPermissionARN: roleARN},
	} {
		log.ID, log.TrafficType, log.MaxAggregationInterval = id, "ALL", 600
		w.Plant(acct, region, log)
	}
	return f
}

func policy(t *testing.T, rule string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/queue-policy.json")
	must(t, err)
	return strings.ReplaceAll(string(text), "arn:aws:events:eu-west-1:111122223333:rule/flowkeeper", rule)
}

func (f *fake) examine(t *testing.T, change ...func(*doctor.Doctor)) results {
	t.Helper()
	d := newDoctor(t, f.cfg, f.url)
	for _, c := range change {
		c(d)
	}
	return examine(t, d)
}

func (f *fake) set(t *testing.T, name, value string) {
	t.Helper()
	_, err := sqs.NewFromConfig(f.cfg).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &f.url, Attributes: map[string]string{name: value}})
	must(t, err)
}

// TestHealthy: if nothing is wrong, every check says so. The doctor makes no call that changes anything; its
// creates are dry runs.
func TestHealthy(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t)
	for _, check := range []string{"configuration", "state-file", "disk-space", "credentials", "clock", "queue", "queue-policy",
		"queue-key", "queue-retention", "queue-delay", "queue-redrive", "queue-backlog", "describe", "create", "tag"} {
		r.expect(t, check, doctor.OK)
	}
	for _, check := range []string{"trail", "event-rule", "never-delete", "log-delivery", "pass-role"} {
		r.expect(t, check, doctor.Unknown)
	}
	f.untouched(t)
}

// untouched checks that the doctor changed nothing: it made no changing calls but dry runs of creates.
func (f *fake) untouched(t *testing.T) {
	t.Helper()
	for _, c := range f.Calls("") {
		if c.Operation != "CreateFlowLogs" || !c.DryRun {
			t.Errorf("the doctor called %s (dry run: %v), want only dry runs of creates", c.Operation, c.DryRun)
		}
	}
	if n := len(f.FlowLogs(acct, region)); n != 2 {
		t.Errorf("%d flow logs, want the 2 of before", n)
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t, func(d *doctor.Doctor) { d.Warnings = []configs.Warning{"may not be meant"} })
	r.expect(t, "configuration", doctor.Warn, "may not be meant")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t, func(d *doctor.Doctor) { d.Accounts = []scopes.Account{{ID: "222233334444"}} })
	r.expect(t, "credentials", doctor.Fail, "is of account 111122223333, not 222233334444", "role_arn")
	r.expect(t, "describe", doctor.Skipped, "credentials do not work")

	r = f.examine(t, func(d *doctor.Doctor) {
		d.Accounts = []scopes.Account{{ID: acct}, {ID: "222233334444", RoleARN: "arn:aws:iam::222233334444:role/flowkeeper"}}
	})
	r.expect(t, "credentials", doctor.Fail, "not authorized to perform: sts:AssumeRole", "trust policy of arn:aws:iam::222233334444:role/flowkeeper")
	r.expect(t, "describe", doctor.OK) // the failure in one account must not fail the other

	// No account is configured: the credentials decide, and the state file is of another account.
	path, kept := filepath.Join(t.TempDir(), "state.db"), inventory.Scope{Account: "222233334444", Region: region}
	remembersOf(t, path, kept, func(*store.Tx) error { return nil })
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at).expect(t, "credentials", doctor.Fail, "the state file has protected flow logs of account 222233334444, these credentials act in 111122223333", "give the service credentials of 222233334444")
	expectNo(t, f.examine(t, at, func(d *doctor.Doctor) { d.Accounts = []scopes.Account{{ID: acct}} }), "credentials", doctor.Fail) // the configuration names the account, so people want this
	s, err := store.Open(t.Context(), path, store.Options{})
	must(t, err)
	lost := inventory.Row{FlowLog: inventory.FlowLog{ID: "fl-000000c3", Scope: inventory.Scope{Account: acct, Region: region}}, State: inventory.Gone}
	must(t, errors.Join(s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutFlowLog(lost) }), s.Close()))
	expectNo(t, f.examine(t, at), "credentials", doctor.Fail) // all flow logs in the state file are gone

	f.cfg.Credentials = static("AKIANOBODY", "x", "")
	f.examine(t).expect(t, "credentials", doctor.Fail, "AuthFailure", "no such access key")

	f = newFake(t)
	f.Fail("GetCallerIdentity", 100, "ExpiredToken", http.StatusForbidden)
	r = f.examine(t)
	for _, check := range []string{"pass-role", "log-delivery", "never-delete"} { // these checks need to know the account
		r.expect(t, check, doctor.Skipped, "the credentials do not work")
	}
	r.expect(t, "credentials", doctor.Fail, "ExpiredToken", "have ended: renew them")
	r.expect(t, "queue", doctor.Skipped, "our own credentials")
	if len(r["create"]) != 1 || r["create"][0].Status != doctor.Skipped {
		t.Errorf("create is %+v, want one skipped result", r["create"])
	}
}

// expectNo wants that no result of a check has a status.
func expectNo(t *testing.T, r results, check string, status doctor.Status) {
	t.Helper()
	if len(r[check]) == 0 {
		t.Errorf("no result of %s", check)
	}
	for _, x := range r[check] {
		if x.Status == status {
			t.Errorf("%s: %+v", check, x)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for off, want := range map[time.Duration]doctor.Status{time.Second: doctor.OK, -time.Minute: doctor.Warn, 6 * time.Minute: doctor.Fail, -time.Hour: doctor.Fail} {
		t.Run(off.String(), func(t *testing.T) {
			r := f.examine(t, func(d *doctor.Doctor) { d.Now = func() time.Time { return time.Now().Add(off) } })
			r.expect(t, "clock", want)
		})
	}
}

func TestAlertSinks(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	with := func(level alert.Level, sinks ...configs.Sink) func(*doctor.Doctor) {
		return func(d *doctor.Doctor) {
			d.Config.Alerts = sinks
			for _, s := range sinks {
				d.Routes = append(d.Routes, sink.Route{Name: s.Name, MinLevel: level})
			}
		}
	}
	inside := configs.Sink{Type: "sns", Name: "near", TopicARN: "arn:aws:sns:eu-west-1:111122223333:alerts"}
	outside := configs.Sink{Type: "sns", Name: "far", TopicARN: "arn:aws:sns:eu-west-1:222233334444:alerts"}
	f.examine(t).expect(t, "alert-sinks", doctor.Fail, "no sink is configured")
	f.examine(t, with("", inside)).expect(t, "alert-sinks", doctor.Warn, "near (a topic of the watched account 111122223333)")
	f.examine(t, with("", inside, outside)).expect(t, "alert-sinks", doctor.OK, "far")
	f.examine(t, with(alert.Critical, outside)).expect(t, "alert-sinks", doctor.Fail, "no sink takes alerts of deletions")
	f.examine(t, with("", configs.Sink{Type: "webhook", Name: "here", URL: "http://127.0.0.1:9/"})).expect(t, "alert-sinks", doctor.Warn, "on this machine")

	// A sink that has failed to take an alert, and one that has not.
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true, Routes: alerttest.To{"far", "gone"}})
	must(t, err)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.AddAlert(alert.Alert{ID: "alrt_1", Kind: alert.Deletion}), tx.AddAlert(alert.Alert{ID: "alrt_2", Kind: alert.Deletion}),
			tx.AddAlert(alert.Alert{ID: "alrt_3", Kind: alert.Deletion})) // waits behind the first
	}))
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at, with("", outside)).expect(t, "alert-sinks", doctor.OK, "far")
	must(t, errors.Join(s.Failed(t.Context(), "far", "alrt_1", sink.Failure{Attempts: 1, NextAt: time.Now(), Cause: "500"}), s.Failed(t.Context(), "far", "alrt_2", sink.Failure{Attempts: 9, NextAt: time.Now(), Cause: "500", Parked: true}),
		s.Failed(t.Context(), "gone", "alrt_2", sink.Failure{Attempts: 9, NextAt: time.Now(), Cause: "500", Parked: true}), s.Close())) // the sink gone is not configured any more
	f.examine(t, at, with("", outside)).expect(t, "alert-sinks", doctor.Fail, "far does not take what it is sent: 3 alerts not delivered, 1 of them given up", "alerts list --failed")

	// The topic may be in a watched account.
	f.cfg.Credentials = static("AKIANOBODY", "x", "")
	f.examine(t, with("", inside)).expect(t, "alert-sinks", doctor.Unknown, "can't tell whether near is outside")
	f.examine(t, with("", inside, configs.Sink{Type: "webhook", Name: "team", URL: "https://example.com/"})).expect(t, "alert-sinks", doctor.OK, "team")
}

// TestInterrupted: if the context ends, or the caller returns an error, Run returns at once, and no goroutine
// remains.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	groups := 0
	err := newDoctor(t, f.cfg, f.url).Run(ctx, func([]doctor.Result) error {
		if groups++; groups == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || groups > 5 {
		t.Errorf("Run returned %v after %d groups, want context.Canceled after at most 5", err, groups)
	}
	full := errors.New("disk full")
	if err := newDoctor(t, f.cfg, f.url).Run(t.Context(), func([]doctor.Result) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
}
