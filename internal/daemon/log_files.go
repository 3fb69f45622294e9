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
	"flowkeeper/watcher"
)

const (
	maxKey        = 1024      // bytes of an object's key: S3's own limit
	maxUnlisted   = 100       // buckets that are logged because log_files.buckets does not name them
	rememberEvery = time.Hour // how often the key of a file that was read is stored, for the doctor
)

// logFiles reads the log files that messages announce: watcher.Files. It is safe for
// concurrent use.
type logFiles struct {
	d        *Daemon
	limits   logfile.Limits
	buckets  map[string]*logBucket // by name
	accounts concernedAccounts

	mu       sync.Mutex      // guards what follows
	unlisted map[string]bool // buckets that the log has named
}

// newLogFiles returns nil if log_files.buckets is empty.
func newLogFiles(d *Daemon) watcher.Files {
	if len(d.Config.LogFiles.Buckets) == 0 {
		return nil
	}
	l := &logFiles{d: d, limits: logfile.Limits{Inflated: int64(d.Config.LogFiles.MaxBytes)}, buckets: map[string]*logBucket{}, accounts: concernedAccounts{d: d}, unlisted: map[string]bool{}}
	for _, c := range d.Config.LogFiles.Buckets {
		l.buckets[c.Name] = newLogBucket(d, logbucket.New(d.base, c))
	}
	return l
}

// Read implements watcher.Files. It does not fetch a file that can't matter according to its key.
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
		l.passOver(ctx, b, o.Key, key)
		return nil
	case !l.accounts.has(ctx, key.Account, time.Now()):
		l.d.meters.LogFile(metrics.FileOfOtherAccount, 0)
		return nil
	case len(o.Key) > maxKey:
		l.d.meters.LogFile(metrics.FileUnreadable, 0)
		b.longKey.Do(func() {
			l.d.Log.Warn("a message announces a log file whose key is longer than a key of S3 can be: such messages are left for the dead-letter queue. Find out who sends them", "bucket", b.Name, "bytes", len(o.Key), "longest", maxKey)
		})
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
		b.noteRead(ctx, o.Key, time.Now())
		return nil
	case logbucket.OfFile(err):
		l.d.meters.LogFile(metrics.FileUnreadable, sum.Inflated)
		b.alertUnreadable(ctx, o.Key, err, time.Now())
		return &watcher.SuspectError{Suspect: suspect, Err: err}
	}
	l.d.meters.LogFile(metrics.FileRefused, sum.Inflated)
	if errors.Is(err, logbucket.ErrNotAsked) {
		return err // S3 was not asked: the failure before was noted
	}
	b.alertFailing(ctx, o.Key, err, time.Now())
	if b.passes(err) {
		return err
	}
	// It may be about this file alone: without s3:ListBucket, S3 says AccessDenied for one that was
	// deleted, and a policy may deny the files of one account only.
	return &watcher.SuspectError{Suspect: suspect, Err: err}
}

// passOver notes an object that is not read because of its key, if perhaps it should be read.
func (l *logFiles) passOver(ctx context.Context, b *logBucket, name string, key logfile.Key) {
	now := time.Now()
	switch {
	case len(name) > maxKey: // S3 has no such key
	case key.Kind == logfile.Foreign:
		b.noLogFile(ctx, name, now)
	case key.Kind == logfile.Log && l.accounts.has(ctx, key.Account, now):
		b.withoutPrefix(ctx, name, now)
	}
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

// concernedAccounts are the accounts whose log files matter: those of the fleet, those that own a
// bucket of log files, and those of what the daemon or protected flow logs depend on: the queue, its
// rules and keys, roles, destinations (but the ARN of a bucket names no account). The Region of a file
// does not matter: IAM's records are in the files of us-east-1 (in other partitions, of another Region),
// flow logs may depend on what is in another Region, and calls on a bucket are recorded in the bucket's
// Region, which its ARN does not name. It is safe for concurrent use.
type concernedAccounts struct {
	d *Daemon

	reading sync.Mutex // held while they are read from the state file. Nobody waits for it: the last known ones count meanwhile

	mu    sync.Mutex      // guards what follows; nothing is waited for while it is held
	known map[string]bool // beyond the fleet; nil: not read yet
	due   time.Time       // when to read them again
}

const concernedFor = time.Minute

// has reports whether an account's log files matter. If that can't be found out, they do.
func (c *concernedAccounts) has(ctx context.Context, account string, now time.Time) bool {
	if slices.Contains(c.d.fleet.Accounts(), account) {
		return true
	}
	c.mu.Lock()
	known, due := c.known, c.due
	c.mu.Unlock()
	if known != nil && now.Before(due) || !c.reading.TryLock() {
		return known == nil || known[account]
	}
	defer c.reading.Unlock()
	found, err := c.read(ctx)
	if err != nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.due = found, now.Add(concernedFor)
	return found[account]
}

func (c *concernedAccounts) read(ctx context.Context) (map[string]bool, error) {
	recipients, err := c.d.store.RecipientAccounts(ctx)
	found := map[string]bool{}
	for _, account := range recipients {
		found[account] = true
	}
	for _, b := range c.d.Config.LogFiles.Buckets {
		found[b.Owner] = true // calls that change the bucket itself
	}
	for _, depends := range c.d.depends.All() {
		if of, err := arn.Parse(depends.ARN); err == nil {
			found[of.AccountID] = true
		}
	}
	return found, err
}
