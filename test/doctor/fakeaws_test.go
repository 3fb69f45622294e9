package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/doctor"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

const (
	acct     = "111122223333"
	queueARN = "arn:aws:sqs:eu-west-1:111122223333:flowkeeper"
	roleARN  = "arn:aws:iam::111122223333:role/flow-logs"
)

// fake is a world with a queue, and two flow logs that deliver elsewhere.
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

// TestHealthy has the results if nothing is wrong. The doctor makes no changing call but dry
// runs of creates.
func TestHealthy(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t)
	for _, check := range []string{doctor.Configuration, doctor.StateFile, doctor.DiskSpace, doctor.Credentials, doctor.Clock, doctor.Queue, doctor.QueuePolicy,
		doctor.QueueKey, doctor.QueueRetention, doctor.QueueRedrive, doctor.QueueBacklog, doctor.Describe, doctor.Create, doctor.Tag} {
		r.expect(t, check, doctor.OK)
	}
	for _, check := range []string{doctor.Trail, doctor.EventRule, doctor.NeverDelete, doctor.LogDelivery, doctor.PassRole} {
		r.expect(t, check, doctor.Unknown)
	}
	f.untouched(t)
}

// untouched: a doctor makes dry runs of creates, and no other changing call.
func (f *fake) untouched(t *testing.T) {
	t.Helper()
	for _, c := range f.Calls("") {
		if c.Operation != "CreateFlowLogs" || !c.DryRun {
			t.Errorf("it called %s (dry run: %v)", c.Operation, c.DryRun)
		}
	}
	if n := len(f.FlowLogs(acct, region)); n != 2 {
		t.Errorf("%d flow logs instead of 2", n)
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t, func(d *doctor.Doctor) { d.Warnings = []configs.Warning{"may not be meant"} })
	r.expect(t, doctor.Configuration, doctor.Warn, "may not be meant")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t, func(d *doctor.Doctor) { d.Accounts = []scopes.Account{{ID: "222233334444"}} })
	r.expect(t, doctor.Credentials, doctor.Fail, "is of account 111122223333, not 222233334444", "role_arn")
	r.expect(t, doctor.Describe, doctor.Skipped, "credentials do not work")

	r = f.examine(t, func(d *doctor.Doctor) {
		d.Accounts = []scopes.Account{{ID: acct}, {ID: "222233334444", RoleARN: "arn:aws:iam::222233334444:role/flowkeeper"}}
	})
	r.expect(t, doctor.Credentials, doctor.Fail, "not authorized to perform: sts:AssumeRole", "trust policy of arn:aws:iam::222233334444:role/flowkeeper")
	r.expect(t, doctor.Describe, doctor.OK) // a failure in one account is none in another

	// The account is whichever the credentials are of, and the state file is another's.
	path, kept := filepath.Join(t.TempDir(), "state.db"), inventory.Scope{Account: "222233334444", Region: region}
	remembersOf(t, path, kept, func(*store.Tx) error { return nil })
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at).expect(t, doctor.Credentials, doctor.Fail, "the state file guards account 222233334444, these credentials act in 111122223333", "give the service credentials of 222233334444")
	expectNo(t, f.examine(t, at, func(d *doctor.Doctor) { d.Accounts = []scopes.Account{{ID: acct}} }), doctor.Credentials, doctor.Fail) // it is meant so
	s, err := store.Open(t.Context(), path, store.Options{})
	must(t, err)
	lost := inventory.Row{FlowLog: inventory.FlowLog{ID: "fl-000000c3", Scope: inventory.Scope{Account: acct, Region: region}}, State: inventory.Gone}
	must(t, errors.Join(s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutFlowLog(lost) }), s.Close()))
	expectNo(t, f.examine(t, at), doctor.Credentials, doctor.Fail) // all that it had is lost

	f.cfg.Credentials = static("AKIANOBODY", "x", "")
	f.examine(t).expect(t, doctor.Credentials, doctor.Fail, "AuthFailure", "no such access key")

	f = newFake(t)
	f.Fail("GetCallerIdentity", 100, "ExpiredToken", http.StatusForbidden)
	r = f.examine(t)
	for _, check := range []string{doctor.PassRole, doctor.LogDelivery, doctor.NeverDelete} { // of an unknown account
		r.expect(t, check, doctor.Skipped, "the credentials do not work")
	}
	r.expect(t, doctor.Credentials, doctor.Fail, "ExpiredToken", "have ended: renew them")
	r.expect(t, doctor.Queue, doctor.Skipped, "our own credentials")
	if len(r[doctor.Create]) != 1 || r[doctor.Create][0].Status != doctor.Skipped {
		t.Errorf("%+v", r[doctor.Create])
	}
}

// expectNo result of a check with that status.
func expectNo(t *testing.T, r results, check string, status doctor.Status) {
	t.Helper()
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
		r := f.examine(t, func(d *doctor.Doctor) { d.Now = func() time.Time { return time.Now().Add(off) } })
		r.expect(t, doctor.Clock, want)
	}
}

func TestStateFile(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := filepath.Join(t.TempDir(), "state.db")
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at).expect(t, doctor.StateFile, doctor.OK, "not there yet")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the doctor made a state file")
	}
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = filepath.Dir(path) + "/a/state.db" }).expect(t, doctor.StateFile, doctor.OK, "not there yet")
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = filepath.Dir(path) + "/a/b/state.db" }).expect(t, doctor.StateFile, doctor.Fail, "and the folder above")
	remembers(t, path, func(*store.Tx) error { return nil })
	f.examine(t, at).expect(t, doctor.StateFile, doctor.OK, "2 flow logs protected in 1 scope")
	west := inventory.Scope{Account: acct, Region: "us-west-2"}
	remembersOf(t, path, west, func(*store.Tx) error { return nil })
	f.examine(t, at).expect(t, doctor.StateFile, doctor.Warn, "4 flow logs protected, but not watched any more, for it is not configured: 2 of 111122223333 us-west-2", "inventory.regions")
	f.examine(t, at, func(d *doctor.Doctor) { d.Config.Inventory.Regions = []string{region, "us-west-2"} }).expect(t, doctor.StateFile, doctor.OK, "4 flow logs protected in 2 scopes")
	must(t, os.Chmod(path, 0o644))
	f.examine(t, at).expect(t, doctor.StateFile, doctor.Fail, "open to everybody", "chmod 600 "+path)
	must(t, os.WriteFile(path, []byte(strings.Repeat("no database", 500)), 0o600))
	f.examine(t, at).expect(t, doctor.StateFile, doctor.Fail, "can't be read as a state file")
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path + "/below/state.db" }).expect(t, doctor.StateFile, doctor.Fail, "not a directory")
}

// /proc is a disk on which nothing is free.
func TestDiskSpace(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc here")
	}
	f := newFake(t)
	f.examine(t).expect(t, doctor.DiskSpace, doctor.OK)
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = "/proc/flowkeeper/state.db" }).expect(t, doctor.DiskSpace, doctor.Fail, "0 MiB are free in /proc")
}

// remembers makes a state file that knows the world's flow logs.
func remembers(t *testing.T, path string, more func(*store.Tx) error) (refreshed time.Time) {
	t.Helper()
	return remembersOf(t, path, inventory.Scope{Account: acct, Region: region}, more)
}

// rehearsed writes what rehearsals leave in a state file.
func rehearsed(t *testing.T, path string, what func(rehearse.Tx) error) {
	t.Helper()
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true})
	must(t, err)
	must(t, s.Rehearsals().Update(t.Context(), what))
	must(t, s.Close())
}

func remembersOf(t *testing.T, path string, scope inventory.Scope, more func(*store.Tx) error) (refreshed time.Time) {
	t.Helper()
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true})
	must(t, err)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		for id, set := range map[string]inventory.Settings{
			"fl-000000a1": {ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b"},
			"fl-000000b2": {ResourceID: "vpc-2", TrafficType: "ALL", LogDestinationType: "cloud-watch-logs", LogGroupName: "g", DeliverLogsPermissionARN: roleARN},
		} {
			row := inventory.Row{FlowLog: inventory.FlowLog{ID: id, Scope: scope, Settings: set}, RootID: id, State: inventory.Live, Protected: true}
			if err := tx.PutFlowLog(row); err != nil {
				return err
			}
		}
		return more(tx)
	}))
	refreshed = time.Now()
	must(t, s.Refreshed(t.Context(), scope, refreshed, refreshed))
	must(t, s.Close())
	must(t, os.Remove(path+".lock"))
	return refreshed
}

func TestQueue(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.examine(t, func(d *doctor.Doctor) { d.Config.Queue.URL += "-not" })
	r.expect(t, doctor.Queue, doctor.Fail, "there is no queue flowkeeper-not in account 111122223333", "get-queue-url --queue-name flowkeeper-not", "step 1 of docs/setup.md#by-hand")
	r.expect(t, doctor.QueuePolicy, doctor.Skipped)
	f.Fail("GetQueueAttributes", 10, "AccessDeniedException", http.StatusForbidden)
	f.examine(t).expect(t, doctor.Queue, doctor.Unknown, "allow sqs:GetQueueAttributes")
}

// paste does what the command of a fix would, at the queue.
func paste(t *testing.T, cfg aws.Config, url, fix string) error {
	t.Helper()
	_, text, _ := strings.Cut(fix, " --queue-url "+url+" --attributes '")
	var attributes map[string]string
	must(t, json.Unmarshal([]byte(strings.TrimSuffix(text, "'")), &attributes))
	_, err := sqs.NewFromConfig(cfg).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes})
	return err
}

func TestQueuePolicy(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(t, "Policy", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}}`)
	// Rules can't be asked for here: whose events came by this is not known.
	f.examine(t).expect(t, doctor.QueuePolicy, doctor.Fail, "everybody in the world", "deploy/queue-policy.json")
	owner := `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sqs:*","Resource":"*"},`
	_, rule, _ := strings.Cut(policy(t, "arn:aws:events:eu-west-1:111122223333:rule/ours"), "[")
	rule, _, _ = strings.Cut(rule, "{\n      \"Sid\": \"NobodyElseSends\"")
	f.set(t, "Policy", owner+strings.TrimRight(rule, ", \n")+"]}")
	x := f.examine(t).expect(t, doctor.QueuePolicy, doctor.Warn, "every principal of account 111122223333")
	must(t, paste(t, f.cfg, f.url, x.Fix))
	f.examine(t).expect(t, doctor.QueuePolicy, doctor.OK, "only arn:aws:events:eu-west-1:111122223333:rule/ours")
	f.set(t, "Policy", "")
	f.examine(t).expect(t, doctor.QueuePolicy, doctor.Fail, "no policy")

	// Only the rule may send, and everybody may receive.
	f.set(t, "Policy", strings.Replace(policy(t, "arn:aws:events:eu-west-1:111122223333:rule/ours"), "[", `[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"},`, 1))
	x = f.examine(t).expect(t, doctor.QueuePolicy, doctor.Fail, "may take deletions out of the queue, or change it: everybody in the world")
	must(t, paste(t, f.cfg, f.url, x.Fix))
	f.examine(t).expect(t, doctor.QueuePolicy, doctor.OK, "only arn:aws:events:eu-west-1:111122223333:rule/ours")
}

func TestQueueRetention(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(t, "MessageRetentionPeriod", "3600")
	f.examine(t).expect(t, doctor.QueueRetention, doctor.Fail, "kept for 1 h", `"MessageRetentionPeriod":"1209600"`)
	f.set(t, "MessageRetentionPeriod", "172800")
	x := f.examine(t).expect(t, doctor.QueueRetention, doctor.Warn)
	must(t, paste(t, f.cfg, f.url, x.Fix))
	f.examine(t).expect(t, doctor.QueueRetention, doctor.OK, "14 days")
}

func TestQueueRedrive(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	must(t, f.Send("arn:aws:sqs:eu-west-1:111122223333:flowkeeper-dead", "a message"))
	f.examine(t).expect(t, doctor.QueueRedrive, doctor.Warn, "in the dead-letter queue: 1 message", "start-message-move-task")
	f.set(t, "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:111122223333:flowkeeper-dead","maxReceiveCount":1}`)
	r := f.examine(t)
	x := r.expect(t, doctor.QueueRedrive, doctor.Fail, "after 1 receives")
	r.expect(t, doctor.QueueRedrive, doctor.Warn, "in the dead-letter queue")
	must(t, paste(t, f.cfg, f.url, x.Fix))
	if all := f.examine(t)[doctor.QueueRedrive]; len(all) != 1 || all[0].Status != doctor.Warn {
		t.Errorf("mended: %+v", all)
	}
	f.set(t, "RedrivePolicy", "")
	f.examine(t).expect(t, doctor.QueueRedrive, doctor.Warn, "no dead-letter queue", "create-queue")

	f = newFake(t)
	_, err := sqs.NewFromConfig(f.cfg).DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: aws.String(f.url + "-dead")})
	must(t, err)
	f.examine(t).expect(t, doctor.QueueRedrive, doctor.Fail, "is not there")
}

func TestQueueBacklog(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for range 1000 {
		must(t, f.Send(queueARN, "a message"))
	}
	f.examine(t).expect(t, doctor.QueueBacklog, doctor.Warn, "1000 waiting", "does not run")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP x\nflowkeeper_queue_oldest_message_seconds 360\n")) // the client is the test itself
	}))
	defer s.Close()
	f.examine(t, func(d *doctor.Doctor) { d.Config.HTTP.Listen = strings.TrimPrefix(s.URL, "http://") }).
		expect(t, doctor.QueueBacklog, doctor.Warn, "was 6m0s old")
	if visible, flying := f.QueueDepth(queueARN); visible != 1000 || flying != 0 {
		t.Errorf("the doctor received: %d %d", visible, flying)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f, now := newFake(t), time.Now()
	scope := inventory.Scope{Account: acct, Region: region}
	for _, c := range []struct {
		way  rehearse.PipelineHealth
		want doctor.Status
		says string
	}{
		{rehearse.PipelineHealth{}, doctor.Unknown, "nothing was rehearsed"},
		{rehearse.PipelineHealth{BackAt: now.Add(-time.Minute)}, doctor.OK, "the last one 1m0s ago"},
		{rehearse.PipelineHealth{BackAt: now.Add(-time.Minute), Unanswered: 1, UnansweredSince: now}, doctor.OK, "the last one 1m0s ago"},
		{rehearse.PipelineHealth{BackAt: now.Add(-5 * time.Hour)}, doctor.Unknown, "no rehearsal was made since"},
		{rehearse.PipelineHealth{Unanswered: 1, UnansweredSince: now}, doctor.Unknown, "on its way"},
		{rehearse.PipelineHealth{Unanswered: 2, UnansweredSince: now.Add(-time.Hour)}, doctor.Fail, "no rehearsal ever came back"},
		{rehearse.PipelineHealth{BackAt: now.Add(-2 * time.Hour), Unanswered: 2, UnansweredSince: now.Add(-time.Hour)}, doctor.Fail, "2 rehearsals did not come back"},
	} {
		path := filepath.Join(t.TempDir(), "state.db")
		remembers(t, path, func(*store.Tx) error { return nil })
		rehearsed(t, path, func(tx rehearse.Tx) error { return tx.PutPipelineHealth(scope, c.way) })
		f.examine(t, func(d *doctor.Doctor) {
			d.Config.State.Path, d.Now = path, func() time.Time { return now } // a slow machine is no later
		}).expect(t, doctor.RoundTrip, c.want, c.says)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "DescribeFlowLogs")
	r := f.examine(t)
	r.expect(t, doctor.Describe, doctor.Fail, "not authorized to perform: ec2:DescribeFlowLogs", "allow ec2:DescribeFlowLogs")
	for _, check := range []string{doctor.Create, doctor.Tag, doctor.PassRole, doctor.LogDelivery} {
		r.expect(t, check, doctor.Skipped, "not authorized to perform: ec2:DescribeFlowLogs")
	}
}

// TestNamesAreOptional: without ec2:DescribeTags nothing fails, and the doctor says what is
// missing.
func TestNamesAreOptional(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "DescribeTags")
	f.examine(t).expect(t, doctor.Describe, doctor.OK, "show no names of VPCs", "allow ec2:DescribeTags")
}

func TestCreate(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "CreateFlowLogs")
	r := f.examine(t)
	r.expect(t, doctor.Create, doctor.Fail, "a restore of fl-000000b2", "allow ec2:CreateFlowLogs")
	if len(r[doctor.Create]) != 2 {
		t.Errorf("not one for each destination: %+v", r[doctor.Create])
	}
	r.expect(t, doctor.Tag, doctor.Unknown)
	f.untouched(t)

	// The snapshot wins over what AWS shows: what is gone is tried, too.
	f = newFake(t)
	path := filepath.Join(t.TempDir(), "state.db")
	remembers(t, path, func(*store.Tx) error { return nil })
	f.Remove(acct, region, "fl-000000a1")
	f.Remove(acct, region, "fl-000000b2")
	f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path }).expect(t, doctor.Create, doctor.OK, "2 destinations")

	// A daemon that never creates is not asked to.
	f = newFake(t)
	r = f.examine(t, func(d *doctor.Doctor) { d.Config.Remediate.Mode = "alert" })
	for _, check := range []string{doctor.Create, doctor.Tag, doctor.PassRole, doctor.LogDelivery} {
		r.expect(t, check, doctor.Skipped, "mode is alert")
	}
	if n := len(f.Calls("")); n != 0 {
		t.Errorf("%d calls in mode alert", n)
	}
}

func TestTag(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "CreateTags")
	r := f.examine(t)
	r.expect(t, doctor.Tag, doctor.Fail, "without tags only", "allow ec2:CreateTags")
	r.expect(t, doctor.Create, doctor.OK)
	f.untouched(t)
}

func TestPassRoleByDryRun(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "PassRole")
	r := f.examine(t)
	r.expect(t, doctor.PassRole, doctor.Fail, "a restore with "+roleARN, `"Action":"iam:PassRole","Resource":"`+roleARN+`"`)
	r.expect(t, doctor.Create, doctor.OK)
}

func TestLogDeliveryByDryRun(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Deny("flowkeeper", "CreateLogDelivery")
	f.examine(t).expect(t, doctor.LogDelivery, doctor.Fail, "would be refused", "allow logs:CreateLogDelivery")
}

// The permissions that a restore needs because of a flow log's fields or destination are tried
// by dry runs, and each is reported by its own check.
func TestDelegatedByDryRun(t *testing.T) {
	t.Parallel()
	const stream = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/s"
	for action, statement := range map[string]string{
		"ecs:ListTasks": "RecordFieldsOfECSAndTags", "autoscaling:DescribeTags": "RecordFieldsOfECSAndTags",
		"firehose:TagDeliveryStream": "DeliverToFirehose", "iam:CreateServiceLinkedRole": "MakeTheirServiceLinkedRoles",
	} {
		f := newFake(t)
		for _, log := range []fakeaws.FlowLog{
			{ResourceID: "vpc-3", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", LogFormat: "${ecs-task-arn}"},
			{ResourceID: "vpc-4", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b", TagFields: []fakeaws.TagField{{ResourceType: "instance", Keys: []string{"Name"}}}},
			{ResourceID: "vpc-5", LogDestinationType: "kinesis-data-firehose", LogDestination: stream},
		} {
			log.TrafficType, log.MaxAggregationInterval = "ALL", 600
			f.Plant(acct, region, log)
		}
		f.RemoveServiceLinkedRoles(acct)
		f.examine(t).expect(t, doctor.Create, doctor.OK, "dry runs for 5")
		f.Deny("flowkeeper", action)
		r := f.examine(t)
		r.expect(t, doctor.LogDelivery, doctor.Fail, "would be refused", "allow "+action+" ("+statement)
		r.expect(t, doctor.Create, doctor.OK)
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
	f.examine(t).expect(t, doctor.AlertSinks, doctor.Fail, "no sink is configured")
	f.examine(t, with("", inside)).expect(t, doctor.AlertSinks, doctor.Warn, "near (a topic of the watched account 111122223333)")
	f.examine(t, with("", inside, outside)).expect(t, doctor.AlertSinks, doctor.OK, "far")
	f.examine(t, with(alert.Critical, outside)).expect(t, doctor.AlertSinks, doctor.Fail, "no sink takes alerts of deletions")
	f.examine(t, with("", configs.Sink{Type: "webhook", Name: "here", URL: "http://127.0.0.1:9/"})).expect(t, doctor.AlertSinks, doctor.Warn, "on this machine")

	// One that takes nothing, and one that has.
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(t.Context(), path, store.Options{Daemon: true, Route: func(alert.Alert) []string { return []string{"far", "gone"} }})
	must(t, err)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.AddAlert(alert.Alert{ID: "alrt_1", Kind: alert.Deletion}), tx.AddAlert(alert.Alert{ID: "alrt_2", Kind: alert.Deletion}),
			tx.AddAlert(alert.Alert{ID: "alrt_3", Kind: alert.Deletion})) // waits behind the first
	}))
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at, with("", outside)).expect(t, doctor.AlertSinks, doctor.OK, "far")
	must(t, errors.Join(s.Failed(t.Context(), "far", "alrt_1", sink.Failure{Attempts: 1, NextAt: time.Now(), Cause: "500"}), s.Failed(t.Context(), "far", "alrt_2", sink.Failure{Attempts: 9, NextAt: time.Now(), Cause: "500", Parked: true}),
		s.Failed(t.Context(), "gone", "alrt_2", sink.Failure{Attempts: 9, NextAt: time.Now(), Cause: "500", Parked: true}), s.Close())) // gone is no sink of the configuration
	f.examine(t, at, with("", outside)).expect(t, doctor.AlertSinks, doctor.Fail, "far does not take what it is sent: 3 alerts not delivered, 1 of them given up", "alerts list --failed")

	// A topic of an account that may be our own.
	f.cfg.Credentials = static("AKIANOBODY", "x", "")
	f.examine(t, with("", inside)).expect(t, doctor.AlertSinks, doctor.Unknown, "can't tell whether near is outside")
	f.examine(t, with("", inside, configs.Sink{Type: "webhook", Name: "team", URL: "https://example.com/"})).expect(t, doctor.AlertSinks, doctor.OK, "team")
}

func TestDaemon(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	answers := map[string]string{"/healthz": "ok", "/readyz": "ok"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := answers[r.URL.Path]; a != "ok" {
			http.Error(w, a, http.StatusServiceUnavailable)
		} else {
			_, _ = w.Write([]byte("ok\n")) // the client is the test itself
		}
	}))
	listen := strings.TrimPrefix(s.URL, "http://")
	path := filepath.Join(t.TempDir(), "state.db")
	at := func(d *doctor.Doctor) { d.Config.HTTP.Listen, d.Config.State.Path = listen, path }
	f.examine(t, at).expect(t, doctor.Daemon, doctor.OK, "healthy and ready")
	answers["/readyz"] = "the queue has not answered yet"
	f.examine(t, at).expect(t, doctor.Daemon, doctor.Fail, "not ready: the queue has not answered yet")
	answers["/healthz"] = "no progress: receive"
	f.examine(t, at).expect(t, doctor.Daemon, doctor.Fail, "not healthy: no progress: receive")
	s.Close()
	f.examine(t, at).expect(t, doctor.Daemon, doctor.Unknown, "no daemon runs here")

	// A daemon has worked with this state file, and does not run.
	remembers(t, path, func(*store.Tx) error { return nil })
	f.examine(t, at).expect(t, doctor.Daemon, doctor.Fail, "no daemon runs here, and the one whose state file this is was at work until", "systemctl start flowkeeper")
	f.examine(t, at, func(d *doctor.Doctor) { d.Config.HTTP.Listen = "" }).expect(t, doctor.Daemon, doctor.Fail, "nothing is restored")

	// A process holds the lock and does not answer.
	lock, err := os.Create(path + ".lock")
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	f.examine(t, at).expect(t, doctor.Daemon, doctor.Fail, "holds the state file, but does not answer")
	f.examine(t, at, func(d *doctor.Doctor) { d.Config.HTTP.Listen = "" }).expect(t, doctor.Daemon, doctor.OK, "holds the state file")
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	path := filepath.Join(t.TempDir(), "state.db")
	refreshed := remembers(t, path, func(*store.Tx) error { return nil })
	at := func(d *doctor.Doctor) { d.Config.State.Path = path }
	f.examine(t, at).expect(t, doctor.Refresh, doctor.OK)
	f.examine(t, at, func(d *doctor.Doctor) {
		d.Config.Inventory.Schedule = "@every 1s"
		d.Now = func() time.Time { return refreshed.Add(time.Hour) }
	}).
		expect(t, doctor.Refresh, doctor.Warn, "the last refresh was 1h0m0s ago")
	other := func(d *doctor.Doctor) { d.Config.Inventory.Regions = []string{region, "us-east-1"} }
	f.examine(t, at, other).expect(t, doctor.Refresh, doctor.Warn, "there was no refresh yet")
	f.examine(t).expect(t, doctor.Refresh, doctor.Skipped)
}

func TestRestorable(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	scope := inventory.Scope{Account: acct, Region: region}
	examined := func(more func(*store.Tx) error, rehearsals ...rehearse.Rehearsal) results {
		path := filepath.Join(t.TempDir(), "state.db")
		remembers(t, path, more)
		for _, x := range rehearsals {
			rehearsed(t, path, func(tx rehearse.Tx) error { return tx.PutRehearsal(x) })
		}
		return f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path = path })
	}
	examined(func(*store.Tx) error { return nil }).expect(t, doctor.Restorable, doctor.OK, "2 not rehearsed yet")
	r := examined(func(tx *store.Tx) error {
		return errors.Join(tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-000000c3", State: incident.Blocked, DetectedAt: time.Now()}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-000000d4", State: incident.Open, DetectedAt: time.Now()}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-000000e5", State: incident.Verified, DetectedAt: time.Now()}))
	}, rehearse.Rehearsal{Scope: scope, Target: delivery.Target{Type: "s3", Destination: "arn:aws:s3:::b"}, At: time.Now(), Reason: incident.Permission})
	r.expect(t, doctor.Restorable, doctor.Warn, "1 flow log could not be restored")
	r.expect(t, doctor.Restorable, doctor.Fail, "1 incident is blocked", "stays gone until a person helps", "incidents list --state blocked")
	r.expect(t, doctor.Restorable, doctor.Warn, "1 incident is open", "incidents list --state open")
	examined(func(tx *store.Tx) error {
		row, _, err := tx.FlowLog(scope, "fl-000000a1")
		row.ReleasedUntil = time.Now().Add(2160 * time.Hour)
		return errors.Join(err, tx.PutFlowLog(row))
	}).expect(t, doctor.Restorable, doctor.Warn, "1 flow log is released until 2", "inventory release ID... --undo")
	examined(func(tx *store.Tx) error {
		for _, id := range []string{"fl-000000a1", "fl-000000b2"} {
			row, _, err := tx.FlowLog(scope, id)
			if err != nil {
				return err
			}
			row.Protected = false
			if err := tx.PutFlowLog(row); err != nil {
				return err
			}
		}
		return nil
	}).expect(t, doctor.Restorable, doctor.Warn, "nothing is protected")
}

func TestTelemetryRules(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.examine(t).expect(t, doctor.TelemetryRules, doctor.Skipped)
	examined := func(tags map[string]string, rules ...configs.Rule) results {
		path := filepath.Join(t.TempDir(), "state.db")
		remembers(t, path, func(tx *store.Tx) error {
			row, _, err := tx.FlowLog(inventory.Scope{Account: acct, Region: region}, "fl-000000b2")
			row.Tags = tags
			return errors.Join(err, tx.PutFlowLog(row))
		})
		return f.examine(t, func(d *doctor.Doctor) { d.Config.State.Path, d.Config.Remediate.Rules = path, rules })
	}
	examined(nil).expect(t, doctor.TelemetryRules, doctor.OK, "no flow log has the tag CloudWatchTelemetryRuleManaged")
	managed := map[string]string{incident.TelemetryTag: "true"}
	examined(managed).expect(t, doctor.TelemetryRules, doctor.OK, "1 flow log has the tag", "the built-in rule holds: wait 15m", "list-telemetry-rules")
	examined(managed, configs.Rule{Principal: "arn:aws:iam::" + acct + ":role/else", Action: "ignore"},
		configs.Rule{Principal: "arn:aws:iam::{account}:role/aws-service-role/telemetry-enablement.observabilityadmin.amazonaws.com/*", Action: "wait", Wait: time.Hour}).
		expect(t, doctor.TelemetryRules, doctor.OK, "remediate.rules[1] holds: wait 1h")
}

// If the context ends, Run returns at once, and no goroutine remains.
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
		t.Errorf("%v after %d groups", err, groups)
	}
	full := errors.New("disk full")
	if err := newDoctor(t, f.cfg, f.url).Run(t.Context(), func([]doctor.Result) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
}
