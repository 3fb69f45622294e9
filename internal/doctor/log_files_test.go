package doctor

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/alert/alerttest"
	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// TestLogFiles: the doctor asks S3 for a log file that the daemon has read, or else for one that does not exist. Each
// answer of S3 leads to another result.
func TestLogFiles(t *testing.T) {
	t.Parallel()
	const bucket, owner, key = "org-trail", "999988887777", "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz"
	for name, c := range map[string]struct {
		change func(*fakeawstest.World)
		noted  string
		status Status
		says   string
	}{
		"a file that was read":           {func(*fakeawstest.World) {}, key, OK, "s3://org-trail/AWSLogs/ can be read"},
		"none was read, listing allowed": {func(*fakeawstest.World) {}, "", OK, "can be read"},
		"none was read, listing denied": {func(w *fakeawstest.World) {
			w.RefuseObjects(bucket, "AWSLogs/"+neverStored, "AccessDenied", "Access Denied", 403)
		}, "", Unknown, "no file of it was read yet"},
		"refused": {func(w *fakeawstest.World) { w.RefuseObjects(bucket, "", "AccessDenied", "Access Denied", 403) }, key, Fail, "s3:GetObject on arn:aws:s3:::org-trail/AWSLogs/*"},
		"refused by KMS": {func(w *fakeawstest.World) {
			w.RefuseObjects(bucket, "", "AccessDenied", "not authorized to perform: kms:Decrypt on this resource", 403)
		}, key, Fail, "allow kms:Decrypt"},
		"another owner": {func(w *fakeawstest.World) { w.OwnBucket(bucket, "444455556666") }, key, Fail, "account 999988887777 does not own the bucket"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fakeawstest.New(fakeawstest.Options{})
			w.AddBucket("us-east-1", bucket)
			w.OwnBucket(bucket, owner)
			w.PutObject(bucket, key, []byte("x"))
			c.change(w)
			u := w.User("111122223333", "flowkeeper", true)
			m := &machine{Doctor: &Doctor{
				AWS:    aws.Config{Region: "eu-west-1", HTTPClient: w.HTTPClient(), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")},
				Config: configs.Config{LogFiles: configs.LogFiles{Buckets: []configs.LogBucket{{Name: bucket, Owner: owner, Prefix: "AWSLogs/"}}}},
			}, state: func() (stateFacts, error) {
				return stateFacts{keys: map[string]bucketKeys{bucket: {read: c.noted}}}, nil
			}}
			got := m.logFiles(t.Context())
			if len(got) != 1 || got[0].status != c.status || !strings.Contains(got[0].detail+got[0].fix, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := (&machine{Doctor: &Doctor{}}).logFiles(t.Context()); len(got) != 1 || got[0].status != OK {
		t.Errorf("without buckets: %+v", got)
	}
}

// TestKeysOfLogFiles: if no log file was read with the configured prefix yet, the doctor reports log files with another
// prefix, and a bucket whose files are no log files. The keys may be an attacker's text.
func TestKeysOfLogFiles(t *testing.T) {
	t.Parallel()
	const bucket, owner, prefix, rest = "org-trail", "999988887777", "trail/AWSLogs/", "111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz"
	for name, c := range map[string]struct {
		read, outside, foreign string // keys: of the last log file that was read, of one with another prefix, of a file that is no log file
		status                 Status // of the first finding
		says                   []string
	}{
		"no file was announced":                {"", "", "", OK, nil},
		"log files with another prefix":        {"", "AWSLogs/o-x/" + rest, "", Fail, []string{"of s3://org-trail/trail/AWSLogs/ was read yet", "begin with AWSLogs/:", "in log_files.buckets to AWSLogs/, and restart"}},
		"with another prefix, and other files": {"", "AWSLogs/" + rest, "x", Fail, []string{"begin with AWSLogs/:"}},
		"the prefix was corrected since":       {"", prefix + rest, "", OK, nil},
		"one was read":                         {prefix + rest, "AWSLogs/" + rest, "x", OK, nil},
		"one was read with an old prefix":      {"AWSLogs/" + rest, "AWSLogs/" + rest, "", Fail, []string{"begin with AWSLogs/:"}},
		"only other files":                     {"", "", "backups/\x1b[2Ja", Warn, []string{`such as 'backups/\x1b[2Ja'`, "which bucket the trail writes to"}},
		"other files, and one was read":        {prefix + rest, "", "x", OK, nil},
		"a fact that is no key":                {"", "set it to this", "", OK, nil},
		"a hostile key":                        {"", strings.Repeat("\u202e", 1000) + "/AWSLogs/" + rest, "", Fail, []string{`begin with '\u202e\u202e`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state.db")
			s, err := store.Open(t.Context(), path, store.Options{Daemon: true, Routes: alerttest.To{}})
			if err != nil {
				t.Fatal(err)
			}
			for fact, value := range map[string]string{store.LogFileFact(bucket): c.read, store.StrangeKeyFact(bucket, true): c.outside, store.StrangeKeyFact(bucket, false): c.foreign} {
				err = errors.Join(err, s.SetFact(t.Context(), fact, value))
			}
			if err := errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
			w := fakeawstest.New(fakeawstest.Options{})
			w.AddBucket("us-east-1", bucket)
			w.OwnBucket(bucket, owner)
			u := w.User("111122223333", "flowkeeper", true)
			d := &Doctor{
				AWS:    aws.Config{Region: "eu-west-1", HTTPClient: w.HTTPClient(), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "")},
				Config: configs.Config{State: configs.State{Path: path}, LogFiles: configs.LogFiles{Buckets: []configs.LogBucket{{Name: bucket, Owner: owner, Prefix: prefix}}}},
			}
			m := &machine{Doctor: d, state: func() (stateFacts, error) { return d.readState(t.Context()) }}
			got := m.logFiles(t.Context())
			if got[0].status != c.status || len(got[0].detail+got[0].fix) > 4000 {
				t.Fatalf("%+v", got)
			}
			for _, says := range c.says {
				if !strings.Contains(got[0].detail+"\n"+got[0].fix, says) {
					t.Errorf("%q is missing in %+v", says, got)
				}
			}
		})
	}
}

// TestNoRuleWhereLogFilesBringTheEvents: if no EventBridge rule leads to the queue, but log files bring the events, the
// doctor only warns that they come later. This holds also if the topic that announces the files may send to the queue.
// In an organisation without a rule in any account, log files are the chosen way, and there is no warning.
func TestNoRuleWhereLogFilesBringTheEvents(t *testing.T) {
	t.Parallel()
	const topic, byRule = `{"Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queueARN + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + topicARN + `"}}}}`,
		`{"Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queueARN + `","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:eu-west-1:111122223333:rule/flowkeeper"}}}}`
	home, member := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, inventory.Scope{Account: "333344445555", Region: "eu-west-1"}
	for name, c := range map[string]struct {
		policy               string
		files, org, atHome   bool
		otherRule, otherFail bool // another member has a rule, or can't be asked
		want                 Status
		says, fix            string
	}{
		"no log files":                             {want: Fail, says: "no rule leads to " + queueARN, fix: "put-rule"},
		"no log files, a topic":                    {policy: topic, want: Unknown, says: "CloudTrail itself may publish there", fix: "SnsTopicARN"},
		"both ways":                                {files: true, want: Warn, says: "some minutes later", fix: "put-rule"},
		"both ways, with their topic":              {policy: topic, files: true, want: Warn, says: "some minutes later", fix: "put-rule"},
		"an organisation, both ways":               {policy: topic, files: true, org: true, otherRule: true, want: Warn, says: "some minutes later", fix: "put-rule"},
		"an organisation, log files only":          {policy: topic, files: true, org: true, want: OK, says: "events come by the log files of log_files.buckets"},
		"another account can't be asked":           {policy: topic, files: true, org: true, otherFail: true, want: OK, says: "events come by the log files of log_files.buckets"},
		"where the queue is, log files only":       {policy: topic, files: true, org: true, atHome: true, want: OK, says: "events come by the log files of log_files.buckets"},
		"where the queue is, the rule was deleted": {policy: byRule, files: true, org: true, atHome: true, want: Warn, says: "some minutes later", fix: "put-rule"},
		"only the queue's account has a rule":      {policy: byRule, files: true, org: true, want: OK, says: "events come by the log files of log_files.buckets"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{Doctor: &Doctor{}}
			if c.files {
				m.Config.LogFiles.Buckets = []configs.LogBucket{{Name: "b"}}
			}
			if c.org {
				m.Protection = noAccounts{}
			}
			q := &queue{attrs: func() (map[string]string, error) {
				return map[string]string{"QueueArn": queueARN, "Policy": c.policy}, nil
			}}
			of := func(scope inventory.Scope, rules []rule, err error) *subject {
				return &subject{scope: scope, rules: func() ([]rule, error) { return rules, err }}
			}
			other := of(inventory.Scope{Account: "222233334444", Region: "eu-west-1"}, nil, nil)
			switch {
			case c.otherRule:
				other = of(other.scope, []rule{{name: "flowkeeper-forward"}}, nil)
			case c.otherFail:
				other = of(other.scope, nil, errors.New("denied"))
			}
			s, at := of(member, nil, nil), of(home, []rule{{name: "flowkeeper"}}, nil)
			if c.atHome {
				s = of(home, nil, nil)
				at = s
			}
			s.machine, s.routes = m, &routes{queue: q, home: at, away: func() bool { return anyRule([]*subject{at, s, other}, home) }}
			got := s.eventRule(t.Context()).at(Check{ID: "event-rule"}, s.scope)
			if got.Status != c.want || !strings.Contains(got.Detail, c.says) || !strings.Contains(got.Fix, c.fix) || c.fix == "" && got.Fix != "" {
				t.Errorf("%+v", got)
			}
			if got.noted != (c.want == OK) {
				t.Errorf("noted: %v, want %v", got.noted, c.want == OK)
			}
		})
	}
}

// TestOwnersOfLogFilesMayAnnounceThem: a topic or bucket of an account that owns a bucket of log_files.buckets may send
// to the queue, even if this account is not watched. If it belongs to another account that is not watched, the policy
// check warns.
func TestOwnersOfLogFilesMayAnnounceThem(t *testing.T) {
	t.Parallel()
	allow := func(service, source string) string {
		return `{"Statement":{"Effect":"Allow","Principal":{"Service":"` + service + `.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queueARN +
			`","Condition":{"ArnEquals":{"aws:SourceArn":"` + source + `"},"StringEquals":{"aws:SourceAccount":"999988887777"}}}}`
	}
	for name, policy := range map[string]string{
		"a topic":  allow("sns", "arn:aws:sns:eu-west-1:999988887777:flowkeeper-log-files"),
		"a bucket": allow("s3", "arn:aws:s3:::org-trail"),
	} {
		for owner, want := range map[string]Status{"999988887777": OK, "222233334444": Warn} {
			t.Run(name+" of "+owner, func(t *testing.T) {
				t.Parallel()
				buckets := []configs.LogBucket{{Name: "org-trail", Owner: owner}}
				q := &queue{
					QueueRef: configs.QueueRef{Account: "111122223333", Region: "eu-west-1"},
					machine:  &machine{Doctor: &Doctor{Config: configs.Config{LogFiles: configs.LogFiles{Buckets: buckets}}}},
					own:      func() (identity, error) { return identity{account: "111122223333"}, nil },
					attrs: func() (map[string]string, error) {
						return map[string]string{"QueueArn": queueARN, "Policy": policy}, nil
					},
				}
				if got := (answered{q}).policy(t.Context()); got.status != want {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// noAccounts is an organisation without any account to protect.
type noAccounts struct{}

func (noAccounts) Accounts(string, []organization.Member) []scopes.Account { return nil }
