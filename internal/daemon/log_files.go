package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"flowkeeper/internal/logbucket"
	"flowkeeper/internal/logfile"
	"flowkeeper/internal/metrics"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
	"flowkeeper/watcher"
)

const (
	maxKey         = 1024      // bytes of an object's key: S3's own limit
	maxUnlisted    = 100       // names of buckets that are not listed, of which the log has spoken
	failuresBefore = 3         // tries in a row that fail for what may pass, before an alert
	rememberEvery  = time.Hour // which file of a bucket was read, for the doctor
	alertEvery     = time.Hour // the least time between two alerts about a bucket, or about files in it
)

// logFiles reads the log files that messages announce: watcher.Files. It is safe for
// concurrent use.
type logFiles struct {
	d       *Daemon
	limits  logfile.Limits
	buckets map[string]*logBucket // by name
	others  map[string]bool       // accounts whose records matter, in addition to those of the fleet

	mu       sync.Mutex
	unlisted map[string]bool // buckets that the log has named
}

// logBucket is one bucket, and what people know of its failures.
type logBucket struct {
	*logbucket.Bucket
	outage outage.Outage // of the bucket, for the log

	mu          sync.Mutex      // guards what follows
	alerts      *pipelineOutage // of the bucket
	alertedAt   time.Time       // of it
	fileAlertAt time.Time       // of single files
	remembered  time.Time       // when a file that was read was noted
}

// newLogFiles returns nil if log_files.buckets is empty.
func newLogFiles(d *Daemon) watcher.Files {
	if len(d.Config.LogFiles.Buckets) == 0 {
		return nil
	}
	l := &logFiles{d: d, limits: logfile.Limits{Inflated: int64(d.Config.LogFiles.MaxBytes)}, buckets: map[string]*logBucket{}, others: map[string]bool{}, unlisted: map[string]bool{}}
	for _, c := range d.Config.LogFiles.Buckets {
		l.buckets[c.Name] = &logBucket{Bucket: logbucket.Of(d.base, c),
			alerts: d.newOutage(inventory.Scope{}, notify.ReadingLogFiles+notify.Part(" "+c.Name), fmt.Sprintf("the log files in the bucket %s can be read again", c.Name))}
		l.others[c.Owner] = true // calls that change the bucket itself
	}
	if q, err := d.Config.Queue.Parse(); err == nil {
		l.others[q.Account] = true
	}
	for _, pattern := range d.Config.Inventory.DependsOn {
		if a, err := arn.Parse(pattern); err == nil {
			l.others[a.AccountID] = true
		}
	}
	return l
}

// Read implements watcher.Files. It fetches nothing that can't matter: the key says so.
func (l *logFiles) Read(ctx context.Context, o watcher.Object, found func([]byte) error) error {
	b := l.buckets[o.Bucket]
	if b == nil {
		l.d.meters.LogFile(metrics.FileUnlisted, 0)
		return l.notListed(o.Bucket)
	}
	key := logfile.ParseKey(o.Key)
	switch {
	case !strings.HasPrefix(o.Key, b.Prefix), key.Kind != logfile.Log:
		l.d.meters.LogFile(metrics.FileOfOthers, 0)
		return nil
	case !l.concerns(key.Account):
		l.d.meters.LogFile(metrics.FileOfOtherAccount, 0)
		return nil
	case len(o.Key) > maxKey:
		return fmt.Errorf("a key of %d bytes", len(o.Key))
	}
	suspect := watcher.Suspect{Account: key.Account, Region: key.Region, ByKey: true}
	var refused error
	sum, err := b.Read(ctx, o.Key, l.limits, func(raw []byte) error { refused = found(raw); return refused })
	switch {
	case refused != nil, ctx.Err() != nil:
		return err
	case err == nil:
		l.d.meters.LogFile(metrics.FileRead, sum.Inflated)
		b.works(ctx, o.Key)
		return nil
	case logbucket.OfFile(err):
		l.d.meters.LogFile(metrics.FileUnreadable, sum.Inflated)
		b.fileFails(ctx, l.d, o.Key, err)
		return &watcher.SuspectError{Suspect: suspect, Err: err}
	}
	l.d.meters.LogFile(metrics.FileRefused, sum.Inflated)
	if errors.Is(err, logbucket.ErrNotAsked) {
		return err // the try before this one counts
	}
	b.fails(ctx, l.d, err)
	if b.passes(err) {
		return err
	}
	// It may be about this file alone: without s3:ListBucket, S3 says AccessDenied for one that was
	// deleted, and a policy may deny the files of one account only.
	return &watcher.SuspectError{Suspect: suspect, Err: err}
}

// concerns reports whether records of an account may matter. The Region does not: IAM's records
// are in the files of us-east-1, and flow logs may depend on what is in another Region.
func (l *logFiles) concerns(account string) bool {
	return l.others[account] || slices.Contains(l.d.fleet.Accounts(), account)
}

func (l *logFiles) notListed(bucket string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.unlisted[bucket] && len(l.unlisted) < maxUnlisted && len(bucket) <= maxKey {
		l.unlisted[bucket] = true
		l.d.Log.Warn("a message announces a log file in a bucket that log_files.buckets does not name: such messages are left for the dead-letter queue. Name the bucket there if it is yours, else find out who sends to the queue", "bucket", bucket)
	}
	return errors.New("log_files.buckets does not name this bucket")
}

// works notes that a file was read.
func (b *logBucket) works(ctx context.Context, key string) {
	if b.outage.Note(nil) == outage.Ended {
		b.alerts.d.Log.Info("log files can be read again", "bucket", b.Name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alerts.end(ctx)
	if time.Since(b.remembered) >= rememberEvery && b.alerts.d.store.SetFact(ctx, store.LogFileFact(b.Name), key) == nil {
		b.remembered = time.Now()
	}
}

// passes reports whether a failure to read is likely to pass by itself.
func (b *logBucket) passes(err error) bool { return scopes.Passes(err) || b.Advice(err) == "" }

// fails notes that the bucket can't be read. What does not pass by itself is alerted at once.
func (b *logBucket) fails(ctx context.Context, d *Daemon, err error) {
	advice := b.Advice(err)
	if b.outage.Note(err) == outage.Began {
		d.Log.Warn("log files can't be read; their messages stay in the queue", "bucket", b.Name, "error", err, "hint", advice)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.passes(err) && b.outage.Failures() < failuresBefore || time.Since(b.alertedAt) < alertEvery {
		return
	}
	b.alertedAt = time.Now()
	b.alerts.alert(ctx, fmt.Sprintf("the log files in the bucket %s can't be read: deletions that only they report are found by the refresh. Their messages stay in the queue, and go to its dead-letter queue in the end: redrive them from there. AWS said: %s%s", b.Name, err, hint(advice)))
}

// fileFails alerts of one file: it may hide a deletion, and does not become readable by itself.
func (b *logBucket) fileFails(ctx context.Context, d *Daemon, key string, err error) {
	advice := b.Advice(err)
	d.Log.Warn("a log file can't be read; its message stays in the queue", "bucket", b.Name, "key", key, "error", err, "hint", advice)
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.fileAlertAt) < alertEvery {
		return
	}
	b.fileAlertAt = time.Now()
	d.newOutage(inventory.Scope{}, notify.ReadingLogFiles+notify.Part(" file "+b.Name), "").alert(ctx, fmt.Sprintf(
		"a log file can't be read, and may hide a deletion: s3://%s/%s: %s%s. The flow logs of its account and Region are refreshed now. Further files of this bucket that can't be read within an hour are in the log only", b.Name, key, err, hint(advice)))
}

func hint(advice string) string {
	if advice == "" {
		return ""
	}
	return ". To mend it: " + advice
}
