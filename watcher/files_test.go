package watcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const logKey = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x y+z.json.gz"

// TestUnwrapNamesObjects: Unwrap returns the objects that a notice announces, with the keys as they are in S3, whoever
// sends the notice and through how many topics of SNS it came.
func TestUnwrapNamesObjects(t *testing.T) {
	t.Parallel()
	encoded := `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x+y%2Bz.json.gz","size":1}}}]}`
	for name, c := range map[string]struct {
		body string
		want []Object
	}{
		"CloudTrail's notice":           {`{"s3Bucket":"b","s3ObjectKey":["` + logKey + `","` + logKey + `2"]}`, []Object{{"b", logKey}, {"b", logKey + "2"}}},
		"S3's notice":                   {encoded, []Object{{"b", logKey}}},
		"S3's through EventBridge":      {`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":"` + logKey + `"}}}`, []Object{{"b", logKey}}},
		"S3's, with a broken escape":    {`{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":"%zz"}}}]}`, []Object{{}}},
		"a log file and a digest":       {`{"s3Bucket":"b","s3ObjectKey":["a/CloudTrail-Digest/x","` + logKey + `"]}`, []Object{{"b", "a/CloudTrail-Digest/x"}, {"b", logKey}}},
		"a prefix like that of digests": {`{"s3Bucket":"b","s3ObjectKey":["a/CloudTrail-Digest/` + logKey + `"]}`, []Object{{"b", "a/CloudTrail-Digest/" + logKey}}},
		"without a key":                 {`{"s3Bucket":"b"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, body := range map[string]string{"": c.body, " through SNS": notification(c.body), " through SNS twice": notification(notification(c.body))} {
				if got, err := Unwrap([]byte(body)); err != nil || got.Kind != LogFile || !slices.Equal(got.Objects, c.want) {
					t.Errorf("%s%s: %+v, %v", name, way, got, err)
				}
			}
		})
	}
}

// TestOnlyANewObjectIsAnnounced: S3 also sends notices when an object is deleted, tagged, restored or moved. Only a
// notice that an object was created announces it.
func TestOnlyANewObjectIsAnnounced(t *testing.T) {
	t.Parallel()
	of := func(event, key string) string {
		return fmt.Sprintf(`{"eventSource":"aws:s3","eventName":%q,"s3":{"bucket":{"name":"b"},"object":{"key":%q}}}`, event, key)
	}
	through := func(detailType string) string {
		return fmt.Sprintf(`{"detail-type":%q,"source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}`, detailType)
	}
	k := []Object{{"b", "k"}}
	for name, c := range map[string]struct {
		body string
		want []Object
	}{
		"multipart upload":            {`{"Records":[` + of("ObjectCreated:CompleteMultipartUpload", "k") + `]}`, k},
		"copy":                        {`{"Records":[` + of("ObjectCreated:Copy", "k") + `]}`, k},
		"removed, and put":            {`{"Records":[` + of("ObjectRemoved:Delete", "x") + `,` + of("ObjectCreated:Put", "k") + `]}`, k},
		"removed":                     {`{"Records":[` + of("ObjectRemoved:Delete", "k") + `]}`, nil},
		"marked, tagged, and its ACL": {`{"Records":[` + of("ObjectRemoved:DeleteMarkerCreated", "k") + `,` + of("ObjectTagging:Put", "k") + `,` + of("ObjectAcl:Put", "k") + `]}`, nil},
		"expired, restored, and an unknown event": {`{"Records":[` + of("LifecycleExpiration:Delete", "k") + `,` + of("ObjectRestore:Completed", "k") + `,` + of("ObjectCreatedNot", "k") + `]}`, nil},
		"EventBridge, created":                    {through("Object Created"), k},
		"EventBridge, deleted":                    {through("Object Deleted"), nil},
		"EventBridge, tagged":                     {through("Object Tags Added"), nil},
		"EventBridge, its ACL":                    {through("Object ACL Updated"), nil},
		"EventBridge, restored":                   {through("Object Restore Completed"), nil},
		"EventBridge, moved":                      {through("Object Storage Class Changed"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := LogFile
			if c.want == nil {
				kind = NoRecords
			}
			if got, err := Unwrap([]byte(c.body)); err != nil || got.Kind != kind || !slices.Equal(got.Objects, c.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// files is a Files that finds the given records in each key. Read panics for the key "panic".
type files struct {
	mu      sync.Mutex
	records map[string][]string
	errs    map[string]error // by key: what Read returns after the records
	read    []Object
	wait    func() // called at each Read; may be nil
}

func (f *files) Read(_ context.Context, o Object, found func([]byte) error) error {
	f.mu.Lock()
	f.read = append(f.read, o)
	f.mu.Unlock()
	if f.wait != nil {
		f.wait()
	}
	if o.Key == "panic" {
		panic("x")
	}
	for _, r := range f.records[o.Key] {
		raw := []byte(r)
		if err := found(raw); err != nil {
			return err
		}
		clear(raw) // found must not keep the bytes
	}
	return f.errs[o.Key]
}

func announce(keys ...string) string {
	return fmt.Sprintf(`{"s3Bucket":"b","s3ObjectKey":["%s"]}`, strings.Join(keys, `","`))
}

func recordOf(event string) string {
	return strings.Replace(record, `"eventID":"e"`, fmt.Sprintf(`"eventID":%q`, event), 1)
}

// holds returns how many messages are in the queue, visible or not.
func (q *queue) holds() int {
	visible, hidden := q.world.QueueDepth(q.arn)
	return visible + hidden
}

// TestLogFiles: how a message that announces log files is handled: its outcome, and what reaches the handler in how
// many calls.
func TestLogFiles(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	many := make([]string, 2*fileBatch+1)
	for n := range many {
		many[n] = recordOf(fmt.Sprint(n))
	}
	f := &files{
		records: map[string][]string{"one": {recordOf("1")}, "none": nil, "half": {recordOf("2")}, "bad": {`{"eventName":"DeleteFlowLogs"}`, recordOf("3")},
			"many": many, "insight": {`{"eventType":"AwsCloudTrailInsight","eventCategory":"Insight","insightDetails":{"eventName":"DeleteFlowLogs","eventSource":"x"}}`}},
		errs: map[string]error{"half": lost, "suspect": &SuspectError{Suspect{Account: "111122223333", Region: "eu-west-1"}, lost}},
	}
	for name, c := range map[string]struct {
		keys     []string
		outcome  string
		records  int
		suspects int
		batches  int
	}{
		"one":                       {[]string{"one"}, Handled, 1, 0, 1},
		"no record that may matter": {[]string{"none", "none"}, Ignored, 0, 0, 0},
		"no call":                   {[]string{"insight"}, Ignored, 0, 0, 0},
		"lost in the middle":        {[]string{"half"}, Unreadable, 1, 0, 1},
		"one of several is lost":    {[]string{"half", "one"}, Unreadable, 2, 0, 2},
		"a record without a source": {[]string{"bad", "one"}, Unparsable, 2, 1, 2},
		"a suspicious file":         {[]string{"suspect"}, Unreadable, 0, 1, 1},
		"more than two batches":     {[]string{"many"}, Handled, 2*fileBatch + 1, 0, 3},
		"a panic":                   {[]string{"panic", "one"}, Unreadable, 1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, counts := newQueue(t), &tally{}
			var mu sync.Mutex
			records, suspects, batches := 0, 0, 0
			stop := watch(t, q.api, q.url, func(_ context.Context, m Message) error {
				mu.Lock()
				defer mu.Unlock()
				for _, r := range m.Records {
					if r.EventName != "DeleteFlowLogs" || len(r.FlowLogIDs) != 1 {
						t.Errorf("%+v", r)
					}
				}
				batches, records, suspects = batches+1, records+len(m.Records), suspects+len(m.Suspects)
				return nil
			}, func(c *Config) { c.Files, c.Meter = f, counts })
			q.send(t, announce(c.keys...))
			eventually(t, "the outcome", func() bool { return counts.of("log_file/"+c.outcome) == 1 })
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if records != c.records || suspects != c.suspects || batches != c.batches {
				t.Errorf("%d records and %d suspects in %d batches", records, suspects, batches)
			}
			if acknowledged := c.outcome == Handled || c.outcome == Ignored; acknowledged != (q.holds() == 0) {
				t.Errorf("%s, and in the queue: %d", c.outcome, q.holds())
			}
		})
	}
}

// TestI1LogFileAcknowledgedOnlyAfterTheLastBatch: if the handler fails at the second batch of a log file, the message
// stays in the queue, and no further record is read.
func TestI1LogFileAcknowledgedOnlyAfterTheLastBatch(t *testing.T) {
	t.Parallel()
	q, counts := newQueue(t), &tally{}
	many := make([]string, 3*fileBatch)
	for n := range many {
		many[n] = recordOf(fmt.Sprint(n))
	}
	f := &files{records: map[string][]string{"many": many}}
	var mu sync.Mutex
	batches := 0
	stop := watch(t, q.api, q.url, func(context.Context, Message) error {
		mu.Lock()
		defer mu.Unlock()
		if batches++; batches == 2 {
			return errors.New("the disk is full")
		}
		return nil
	}, func(c *Config) { c.Files, c.Meter = f, counts })
	q.send(t, announce("many", "many"))
	eventually(t, "the outcome", func() bool { return counts.of("log_file/"+Failed) == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if left := q.holds(); left != 1 || batches != 2 || len(f.read) != 1 {
		t.Errorf("left in the queue: %d, batches: %d, files: %v", left, batches, f.read)
	}
}

// TestALogFileKeepsItsMessageHidden: while a log file is read, its message stays hidden in the queue, even if S3 is
// slow and no record has been found yet.
func TestALogFileKeepsItsMessageHidden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, counts := newQueue(t), &tally{}
		f := &files{wait: func() { time.Sleep(5 * time.Minute) }} // S3 is slow
		stop := watch(t, q.api, q.url, func(context.Context, Message) error { return nil }, func(c *Config) { c.Files, c.Meter = f, counts })
		q.send(t, announce("none"))
		time.Sleep(6 * time.Minute)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if len(f.read) != 1 || counts.of("log_file/"+Ignored) != 1 {
			t.Errorf("the file was read %d times, want once; %v", len(f.read), counts.counts)
		}
	})
}

// TestNoLogFilesConfigured: without log_files in the configuration, a message that announces a log file is counted as
// unsupported.
func TestNoLogFilesConfigured(t *testing.T) {
	t.Parallel()
	q, counts := newQueue(t), &tally{}
	stop := watch(t, q.api, q.url, func(context.Context, Message) error { return nil }, meter(counts))
	q.send(t, announce(logKey))
	eventually(t, "the outcome", func() bool { return counts.of("log_file/"+Unsupported) == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
