package doctor

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/store"
)

// TestLogFiles: each answer of S3 to the file that the daemon has noted, or to one that is not
// there.
func TestLogFiles(t *testing.T) {
	t.Parallel()
	const bucket, owner, key = "org-trail", "999988887777", "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz"
	for name, c := range map[string]struct {
		change func(*fakeawstest.World)
		noted  string
		status Status
		says   string
	}{
		"a file that was read":        {func(*fakeawstest.World) {}, key, OK, "s3://org-trail/AWSLogs/ can be read"},
		"none was read, and listable": {func(*fakeawstest.World) {}, "", OK, "can be read"},
		"none was read": {func(w *fakeawstest.World) {
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
			}, state: func() (stateFacts, error) { return stateFacts{logFiles: map[string]string{bucket: c.noted}}, nil }}
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

// TestKeysOfLogFiles: a prefix that fits no log file, and a bucket without any, show as long as no file
// was read with the prefix of now.
func TestKeysOfLogFiles(t *testing.T) {
	t.Parallel()
	const bucket, owner, prefix, rest = "org-trail", "999988887777", "trail/AWSLogs/", "111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz"
	for name, c := range map[string]struct {
		read, outside, foreign string
		status                 Status // of the first finding
		says                   []string
	}{
		"nothing came":             {"", "", "", OK, nil},
		"without the prefix":       {"", "AWSLogs/o-x/" + rest, "", Fail, []string{"of s3://org-trail/trail/AWSLogs/ was read yet", "begin with AWSLogs/:", "in log_files.buckets to AWSLogs/, and restart"}},
		"and others":               {"", "AWSLogs/" + rest, "x", Fail, []string{"begin with AWSLogs/:"}},
		"with it now":              {"", prefix + rest, "", OK, nil},
		"one was read":             {prefix + rest, "AWSLogs/" + rest, "x", OK, nil},
		"one was read, before":     {"AWSLogs/" + rest, "AWSLogs/" + rest, "", Fail, []string{"begin with AWSLogs/:"}},
		"no log files":             {"", "", "backups/\x1b[2Ja", Warn, []string{`such as 'backups/\x1b[2Ja'`, "which bucket the trail writes to"}},
		"no log files, one read":   {prefix + rest, "", "x", OK, nil},
		"a state file that is not": {"", "set it to this", "", OK, nil},
		"hostile":                  {"", strings.Repeat("\u202e", 1000) + "/AWSLogs/" + rest, "", Fail, []string{`begin with '\u202e\u202e`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state.db")
			s, err := store.Open(t.Context(), path, store.Options{Daemon: true, Route: func(alert.Alert) []string { return nil }})
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

// TestNoRuleWhereLogFilesBringTheEvents is a warning.
func TestNoRuleWhereLogFilesBringTheEvents(t *testing.T) {
	t.Parallel()
	none := finding{Fail, "no rule leads to the queue", "make one"}
	s := &subject{machine: &machine{Doctor: &Doctor{}}}
	if got := s.otherWay(none); got != none {
		t.Errorf("%+v", got)
	}
	s.machine.Config.LogFiles.Buckets = []configs.LogBucket{{Name: "b"}}
	if got := s.otherWay(none); got.status != Warn || !strings.Contains(got.detail, "some minutes later") || got.fix != none.fix {
		t.Errorf("%+v", got)
	}
}
