package daemon

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/logbucket"
	"flowkeeper/internal/metrics"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/watcher"
)

const (
	trail      = "org-trail"
	trailOwner = "999988887777"
	filePrefix = "AWSLogs/o-exampleorgid/" + account + "/CloudTrail/" + region + "/2026/03/01/"
	fileKey    = filePrefix + account + "_CloudTrail_eu-west-1_20260301T1205Z_a b.json.gz"
)

// logHouse is a house whose daemon gets events only from log files, in a bucket in another Region.
func logHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.daemon.Config.Queue.URL, h.queue = h.world.CreateQueue(account, region, "files", nil)
	h.daemon.Config.Inventory.Schedule = "@every 1h"
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	h.daemon.Config.LogFiles.Buckets = []configs.LogBucket{{Name: trail, Owner: trailOwner, Prefix: "AWSLogs/"}}
	h.world.AddBucket("eu-central-1", trail)
	h.world.OwnBucket(trail, trailOwner)
	return h
}

// deletionRecord is the record of a deletion by mallory.
func deletionRecord(event string, ids ...string) string {
	var named []string
	for n, id := range ids {
		named = append(named, fmt.Sprintf(`{"tag":%d,"content":%q}`, n+1, id))
	}
	return fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","eventTime":"2026-03-01T12:02:26Z","awsRegion":%q,"recipientAccountId":%q,"eventID":%q,"eventType":"AwsApiCall","managementEvent":true,"eventCategory":"Management",`+
		`"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory","accountId":"111122223333","userName":"mallory"},"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":[%s]}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":""}}}`,
		region, account, event, strings.Join(named, ","))
}

const otherRecord = `{"eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventID":"other","requestParameters":{"a":"} DeleteFlowLogs {"}}`

// store puts a log file with records into the bucket.
func (h *house) store(key string, records ...string) {
	h.t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := fmt.Fprintf(z, `{"Records":[%s]}`, strings.Join(records, ","))
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.world.PutObject(trail, key, b.Bytes())
}

func (h *house) send(body string) {
	h.t.Helper()
	if err := h.world.Send(h.queue, body); err != nil {
		h.t.Fatal(err)
	}
}

// notice is the message with which CloudTrail announces a log file.
func notice(bucket, key string) string {
	return fmt.Sprintf(`{"s3Bucket":%q,"s3ObjectKey":[%q]}`, bucket, key)
}

// bridged is the message with which EventBridge sends a record.
func bridged(record string) string {
	return `{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","account":"111122223333","region":"eu-west-1","detail":` + record + `}`
}

// awaitEmptyQueue waits until all messages are acknowledged.
func (h *house) awaitEmptyQueue() {
	h.t.Helper()
	h.await("an empty queue", func() bool { visible, hidden := h.world.QueueDepth(h.queue); return visible+hidden == 0 })
}

// TestRestoresByLogFilesAlone: a deletion that only a log file reports is restored, and its alert says who deleted,
// whether CloudTrail or S3 announces the file, directly, through SNS or through EventBridge.
func TestRestoresByLogFilesAlone(t *testing.T) {
	t.Parallel()
	for name, announce := range map[string]func(key string) string{
		"CloudTrail's notice": func(key string) string { return notice(trail, key) },
		"S3's notice": func(key string) string {
			return fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"size":1}}}]}`, trail, strings.ReplaceAll(url.QueryEscape(key), "%2F", "/"))
		},
		"S3's through EventBridge": func(key string) string {
			return fmt.Sprintf(`{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":%q},"object":{"key":%q}}}`, trail, key)
		},
		"CloudTrail's notice through SNS": func(key string) string {
			return fmt.Sprintf(`{"Type":"Notification","TopicArn":"arn:t","Message":%q}`, notice(trail, key))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := logHouse(t)
			id := h.plant(region, "vpc-1")
			h.refreshed()
			h.strike(id)
			h.store(fileKey, otherRecord, deletionRecord("e-1", id), otherRecord)
			h.send(announce(fileKey))
			h.awaitBack(region, "vpc-1")
			h.awaitEmptyQueue()
			h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) > 0 })
			all := h.pager.of(alert.Deletion)
			if len(all) != 1 || all[0].Actor == nil || !strings.HasSuffix(all[0].Actor.ARN, "user/mallory") {
				t.Errorf("%+v", all)
			}
		})
	}
}

// TestBothWaysAreOneEvent: the record of a deletion comes by EventBridge and twice by a log file, in either order.
// There is one alert, and each flow log is restored once.
func TestBothWaysAreOneEvent(t *testing.T) {
	t.Parallel()
	for name, ways := range map[string][]string{
		"EventBridge first": {"bridge", "file", "file"},
		"the file first":    {"file", "bridge", "file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := logHouse(t)
			ids := []string{h.plant(region, "vpc-1"), h.plant(region, "vpc-2")}
			h.refreshed()
			h.strike(ids...)
			record := deletionRecord("e-1", ids...)
			h.store(fileKey, record, record)
			for _, way := range ways {
				if way == "file" {
					h.send(notice(trail, fileKey))
				} else {
					h.send(bridged(record))
				}
				h.awaitEmptyQueue()
				h.awaitBack(region, "vpc-1")
				h.awaitBack(region, "vpc-2")
			}
			if made := len(h.world.Calls("CreateFlowLogs")); h.countOn(region, "vpc-1") != 1 || h.countOn(region, "vpc-2") != 1 || made > 2 {
				t.Errorf("%d creates", made)
			}
			h.await("the alert", func() bool { return len(h.pager.of(alert.Deletion)) > 0 })
			if all := h.pager.of(alert.Deletion); len(all) != 1 || len(all[0].FlowLogs) != 2 {
				t.Errorf("%d alerts of the deletion: %+v", len(all), all)
			}
		})
	}
}

// TestALateLogFileSaysWho: if a refresh finds the loss first, its alert says that a log file may report later who
// deleted. The alert of that record says who, and nothing is restored again.
func TestALateLogFileSaysWho(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	h.daemon.Config.Inventory.Schedule = "@every 1s"
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.strike(id)
	h.await("the alert of the loss", func() bool { return len(h.pager.of(alert.Deletion)) > 0 })
	h.awaitBack(region, "vpc-1")
	if a := h.pager.of(alert.Deletion)[0]; !a.LateRecords || !strings.Contains(a.Text, "a log file may bring minutes later") {
		t.Errorf("%s", a.Text)
	}
	h.store(fileKey, deletionRecord("e-1", id))
	h.send(notice(trail, fileKey))
	h.await("an alert that says who did it", func() bool {
		for _, a := range h.pager.of(alert.Deletion) {
			if a.Actor != nil && strings.HasSuffix(a.Actor.ARN, "user/mallory") {
				return true
			}
		}
		return false
	})
	h.awaitEmptyQueue()
	if h.countOn(region, "vpc-1") != 1 || len(h.world.Calls("CreateFlowLogs")) != 1 {
		t.Error("restored more than once")
	}
}

// TestNothingIsFetchedThatCannotMatter: if the key of an object shows that it can have no record that matters, S3 is
// not called, and the message is acknowledged. A message about a bucket that the configuration does not name stays in
// the queue: somebody may have sent it to make the daemon call foreign buckets.
func TestNothingIsFetchedThatCannotMatter(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	h.refreshed()
	const stranger = "AWSLogs/o-exampleorgid/444455556666/CloudTrail/eu-west-1/2026/03/01/x.json.gz"
	for _, key := range []string{stranger, "AWSLogs/" + account + "/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz", "AWSLogs/" + account + "/vpcflowlogs/eu-west-1/2026/03/01/x.log.gz", "elsewhere/" + fileKey, filePrefix} {
		h.send(notice(trail, key))
	}
	h.awaitEmptyQueue()
	h.send(notice("strangers-bucket", fileKey))
	h.await("the message to be hidden", func() bool { visible, hidden := h.world.QueueDepth(h.queue); return visible == 0 && hidden == 1 })
	h.await("the bucket's name in the log", func() bool { return strings.Contains(h.log.String(), "strangers-bucket") })
	if n := h.value(`flowkeeper_aws_calls_total{operation="GetObject",outcome="ok",service="S3"}`); n != -1 {
		t.Error("S3 was called")
	}
	// Files of the account that owns the bucket are read, and files of every Region of a watched account.
	for _, key := range []string{strings.ReplaceAll(fileKey, account, trailOwner), strings.ReplaceAll(fileKey, region, "us-east-1")} {
		h.store(key, otherRecord)
		h.send(notice(trail, key))
	}
	h.await("two files to be read", func() bool { return h.value(`flowkeeper_log_files_total{outcome="read"}`) == 2 })
	for outcome, want := range map[string]float64{"other_account": 1, "others": 2, "unlisted": 1, "refused": 0, "unreadable": 0} {
		if n := h.value(fmt.Sprintf("flowkeeper_log_files_total{outcome=%q}", outcome)); n != want {
			t.Errorf("%s: %v, want %v", outcome, n, want)
		}
	}
}

// TestABucketThatCanNotBeReadIsAlertedOnce: three messages about files that AWS refuses make one alert, which says what
// to grant. When the files can be read, the deletion is restored, and the outage ends.
func TestABucketThatCanNotBeReadIsAlertedOnce(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.strike(id)
	h.store(fileKey, deletionRecord("e-1", id))
	h.world.RefuseObjects(trail, "", "AccessDenied", "User: arn:aws:iam::111122223333:user/flowkeeper is not authorized to perform: kms:Decrypt on this resource", 403)
	for n := range 3 {
		h.send(notice(trail, fileKey))
		h.await("the message to be hidden", func() bool { visible, hidden := h.world.QueueDepth(h.queue); return visible == 0 && hidden == n+1 })
	}
	h.await("an alert", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
	h.world.AllowObjects(trail)
	h.send(notice(trail, fileKey))
	h.awaitBack(region, "vpc-1")
	h.await("the end of the outage", func() bool { return len(h.pager.of(alert.Pipeline)) == 2 })
	all := h.pager.of(alert.Pipeline)
	if !strings.Contains(all[0].Cause, "allow kms:Decrypt") || all[0].Level != alert.High || !all[1].Resolves() || all[0].DedupKey != all[1].DedupKey {
		t.Errorf("%+v", all)
	}
	if n := strings.Count(h.log.String(), "log files can't be read; "); n != 1 {
		t.Errorf("%d lines of log, want 1", n)
	}
}

// TestI8AFileThatCanNotBeReadIsSuspicious: a log file that is broken or missing may hide a deletion. Its message stays
// in the queue, an alert names the file, and its scope is refreshed, which finds the deletion.
func TestI8AFileThatCanNotBeReadIsSuspicious(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.strike(id)
	h.world.PutObject(trail, fileKey, []byte("\x1f\x8bnone"))
	h.send(notice(trail, fileKey))
	h.send(notice(trail, filePrefix+"deleted.json.gz"))
	h.awaitBack(region, "vpc-1")
	h.await("the messages to be hidden", func() bool { visible, hidden := h.world.QueueDepth(h.queue); return visible == 0 && hidden == 2 })
	h.await("an alert", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
	if all := h.pager.of(alert.Pipeline); len(all) != 1 || !strings.Contains(all[0].Cause, filePrefix) {
		t.Errorf("%+v", all)
	}
}

// TestI8ARefusedFileIsSuspicious: to a role without s3:ListBucket, S3 answers AccessDenied for a file that was deleted.
// So a refused file may hide a deletion, and its scope is refreshed, even if the next file can be read.
func TestI8ARefusedFileIsSuspicious(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(h *house){
		"deleted": func(h *house) { h.world.ForbidListing(trail) },
		"one account's files are denied": func(h *house) {
			h.world.RefuseObjects(trail, "AWSLogs/o-exampleorgid/"+account, "AccessDenied", "Access Denied", 403)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := logHouse(t)
			id := h.plant(region, "vpc-1")
			h.refreshed()
			h.strike(id)
			hide(h)
			other := "AWSLogs/o-exampleorgid/" + trailOwner + "/CloudTrail/" + region + "/2026/03/01/x.json.gz"
			h.store(other, otherRecord)
			h.send(notice(trail, fileKey))
			h.send(notice(trail, other))
			h.awaitBack(region, "vpc-1")
			h.await("the other file", func() bool { return h.value(`flowkeeper_log_files_total{outcome="read"}`) == 1 })
			if n := h.value(`flowkeeper_log_files_total{outcome="refused"}`); n < 1 {
				t.Errorf("%v refused", n)
			}
		})
	}
}

// silent is an HTTP client whose calls get no answer until their context ends. It counts them.
type silent struct{ calls int }

func (s *silent) Do(r *http.Request) (*http.Response, error) {
	s.calls++
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestOneSilenceIsOneFailure: after a call that S3 did not answer, the bucket is not called for a while. Files that are
// not fetched because of that do not count as failures: several failures in a row would cause an alert.
func TestOneSilenceIsOneFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := &silent{}
		d := &Daemon{meters: metrics.New(), Log: slog.New(slog.DiscardHandler), fleet: &scopes.Fleet{}}
		b := newLogBucket(d, logbucket.New(aws.Config{Region: region, HTTPClient: client, RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("a", "s", "")}, configs.LogBucket{Name: trail, Owner: trailOwner}))
		l := &logFiles{d: d, buckets: map[string]*logBucket{trail: b}}
		l.accounts = concernedAccounts{d: d, known: map[string]bool{account: true}, due: time.Now().Add(time.Hour)}
		for range 2 * failuresBefore {
			if err := l.Read(t.Context(), watcher.Object{Bucket: trail, Key: fileKey}, nil); err == nil {
				t.Fatal("the file was read")
			}
			if f := b.failing[folderOf(fileKey)]; client.calls != 1 || f == nil || f.Failures() != 1 {
				t.Fatalf("%d calls, %+v", client.calls, f)
			}
		}
	})
}

// TestAKeyThatS3CannotHave: a key that is longer than S3 allows does not come from AWS. It is logged once, and its
// messages stay in the queue.
func TestAKeyThatS3CannotHave(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	h.refreshed()
	lines := func() int { return strings.Count(h.log.String(), "longer than a key of S3 can be") }
	for n := range 2 {
		h.send(notice(trail, filePrefix+strings.Repeat("x", maxKey)+".json.gz"))
		h.await("the file to be counted", func() bool { return h.value(`flowkeeper_log_files_total{outcome="unreadable"}`) == float64(n+1) })
		h.await("the line of log", func() bool { return lines() > 0 })
	}
	h.await("the messages to be left in the queue", func() bool { visible, hidden := h.world.QueueDepth(h.queue); return visible == 0 && hidden == 2 })
	if n := lines(); n != 1 {
		t.Errorf("%d lines of log, want 1", n)
	}
}

// TestAWrongPrefixIsLogged: if log files lack the configured prefix, or objects are no log files, each is logged once
// for each bucket, with what to set, and stored for doctor. Anybody who may send messages may name any keys, in any
// number: the log must stay short and clean.
func TestAWrongPrefixIsLogged(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	h.daemon.Config.LogFiles.Buckets[0].Prefix = "trail/AWSLogs/"
	h.daemon.Config.LogFiles.Buckets = append(h.daemon.Config.LogFiles.Buckets, configs.LogBucket{Name: "other", Owner: trailOwner})
	d := h.connected(t.Context())
	files := newLogFiles(d).(*logFiles)
	announce := func(bucket, key string) {
		t.Helper()
		if err := files.Read(t.Context(), watcher.Object{Bucket: bucket, Key: key}, nil); err != nil { // S3 has none of these objects
			t.Errorf("%.100q: %v", key, err)
		}
	}
	noted := func(bucket string, isLogFile bool) string {
		t.Helper()
		key, err := d.store.Fact(t.Context(), store.StrangeKeyFact(bucket, isLogFile))
		if err != nil {
			t.Error(err)
		}
		return key
	}
	lines := func() int { return strings.Count(h.log.String(), "\n") }
	before := lines()
	announce(trail, strings.ReplaceAll(fileKey, account, "444455556666")) // of an account that does not matter
	announce(trail, strings.Repeat("x", maxKey)+"/"+fileKey)              // longer than any key of S3
	announce(trail, "AWSLogs/"+account+"/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz")
	if n := lines() - before; n != 0 || noted(trail, true)+noted(trail, false) != "" {
		t.Errorf("%d lines about keys that are no sign of a wrong prefix:\n%s", n, h.log)
	}
	const hostile = "\x1b[2J\u202e/"
	announce(trail, hostile+fileKey)
	for range 1000 {
		announce(trail, fileKey)
	}
	if n := lines() - before; n != 1 || noted(trail, true) != hostile+fileKey {
		t.Errorf("%d lines of log, want 1; the stored key is %q", n, noted(trail, true))
	}
	for n := range 1000 {
		announce(trail, fmt.Sprintf("\x1b[2J%d/%s.txt", n, strings.Repeat("long", 200)))
		announce("other", fmt.Sprintf("%d.txt", n))
	}
	if n := lines() - before; n != 3 || !strings.HasPrefix(noted(trail, false), "\x1b[2J0/") || noted("other", false) != "0.txt" || noted("other", true) != "" {
		t.Errorf("%d lines of log, want 3; the stored keys are %q and %q", n, noted(trail, false), noted("other", false))
	}
	text := h.log.String()
	for _, want := range []string{`"prefix":"trail/AWSLogs/"`, `"begins":"\\x1b[2J\\u202e/AWSLogs/"`, `"set":"prefix: \\x1b[2J\\u202e/AWSLogs/"`, `"bucket":"other"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, strings.Repeat("long", 100)) || strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, `\u001b`) {
		t.Errorf("a key is not shortened, or not cleaned:\n%s", text)
	}
}

// TestAPassedOverKeyIsNotedHourly: a key that is not read is logged once, and one such key an hour is stored, so that
// doctor knows whether they still come.
func TestAPassedOverKeyIsNotedHourly(t *testing.T) {
	t.Parallel()
	var p passedOver
	now := time.Now()
	for _, c := range []struct {
		after     time.Duration
		log, note bool
	}{{0, true, true}, {time.Minute, false, false}, {rememberEvery, false, true}, {rememberEvery + time.Minute, false, false}, {2 * rememberEvery, false, true}} {
		if log, note := p.due(now.Add(c.after)); log != c.log || note != c.note {
			t.Errorf("after %s: log %v, note %v", c.after, log, note)
		}
	}
}

// TestWhoseLogFilesMatter: log files are read if they are of an account of the fleet, of the owner of a bucket of log
// files, or of an account that has something on which the daemon or a protected flow log depends.
func TestWhoseLogFilesMatter(t *testing.T) {
	t.Parallel()
	h := logHouse(t)
	h.daemon.Config.LogFiles.Buckets[0].RoleARN = "arn:aws:iam::222200000001:role/reader"
	h.daemon.Config.Inventory.DependsOn = []string{"arn:aws:kms:eu-west-1:222200000003:key/*", "*"}
	d := h.connected(t.Context())
	d.Config.Organization = configs.Organization{RoleName: "flowkeeper", ListRoleARN: "arn:aws:iam::222200000002:role/lister"}
	d.depends.follow(d.Config, d.fleet.Scopes())
	files := newLogFiles(d).(*logFiles)
	now := time.Now()
	matters := func(account string) bool { return files.accounts.has(t.Context(), account, now) }
	for n := 1; n <= 3; n++ {
		if a := fmt.Sprint(222200000000 + n); !matters(a) {
			t.Errorf("the log files of %s do not matter", a)
		}
	}
	const central, stranger = "222200000004", "222200000005"
	if !matters(account) || !matters(trailOwner) || matters(central) || matters(stranger) {
		t.Error("the log files of the fleet or of the bucket's owner do not matter, or those of another account do")
	}
	h.world.Plant(account, region, fakeaws.FlowLog{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "kinesis-data-firehose",
		LogDestination: "arn:aws:firehose:eu-west-1:" + central + ":deliverystream/s", LogFormat: "${version}", MaxAggregationInterval: 60})
	if _, err := d.remediator.Refresh(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	if now = now.Add(concernedFor); !matters(central) || matters(stranger) {
		t.Error("the log files of a destination's account do not matter, or those of a stranger do")
	}
}

// TestNobodyWaitsForConcernedAccounts: while one handler reads the accounts whose log files matter from the state file,
// the others use the last known ones. If none are known yet, the log files of every account matter.
func TestNobodyWaitsForConcernedAccounts(t *testing.T) {
	t.Parallel()
	c := concernedAccounts{d: &Daemon{fleet: &scopes.Fleet{}}}
	c.reading.Lock() // as a handler that waits for the disk
	if !c.has(t.Context(), account, time.Now()) {
		t.Error("no account is known yet, and the log files of this one do not matter")
	}
	c.known = map[string]bool{account: true}
	if !c.has(t.Context(), account, time.Now()) || c.has(t.Context(), trailOwner, time.Now()) {
		t.Error("the last known accounts are not used")
	}
}
