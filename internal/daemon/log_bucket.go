package daemon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/logbucket"
	"flowkeeper/internal/logfile"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/remediate/notify"
)

// logBucket is one bucket, and what people know of its failures.
type logBucket struct {
	*logbucket.Bucket
	d       *Daemon
	longKey sync.Once  // a key that is too long was logged
	outside passedOver // log files of ours without the prefix
	foreign passedOver // no log files

	// alerting is held while alerts are added, and guards what follows. Nobody waits for it: who does not
	// get it leaves the alert, or the end, to the next try.
	alerting    sync.Mutex
	alerts      *pipeline.Outage // of the bucket
	alertedAt   time.Time        // of it
	added       int              // alerts of this outage
	fileAlertAt time.Time        // of single files
	remembered  time.Time        // when a file that was read was noted

	mu         sync.Mutex                // guards what follows; nothing is waited for while it is held
	began      time.Time                 // of this daemon
	failing    map[string]*failingFolder // by folder: see folderOf
	ended      bool                      // none fails any more, and the end is not alerted yet
	unreadable map[string]*repeatedLine  // by advice
}

// failingFolder is a folder of which a file could not be read, and none since.
type failingFolder struct {
	outage.Outage
	last    time.Time // when it last failed
	alerted bool
}

// repeatedLine is a line of the log that would be repeated.
type repeatedLine struct {
	logged time.Time
	since  int
}

const (
	failuresBefore = 3         // tries in a row that fail for what may pass, before an alert
	alertEvery     = time.Hour // the least time between two alerts about a bucket, or about files in it, and between two lines of log
	maxFolders     = 100       // that fail, of a bucket: anybody who may send messages may name some that are not there
	// failsFor is how long a folder counts as failing without another try. A message of its files is
	// shown again within a quarter of an hour, until it goes to the dead-letter queue.
	failsFor = 2 * time.Hour
	// mostBucketAlerts is how many alerts there are of one outage of a bucket.
	mostBucketAlerts = 5
	// triedAgain is how long after a start the messages of what failed before have been tried again.
	triedAgain = 20 * time.Minute
)

func newLogBucket(d *Daemon, b *logbucket.Bucket) *logBucket {
	return &logBucket{Bucket: b, d: d, began: time.Now(), failing: map[string]*failingFolder{}, unreadable: map[string]*repeatedLine{},
		alerts: d.newOutage(notify.ReadingLogFiles+notify.Part(" "+b.Name), fmt.Sprintf("the log files in the bucket %s can be read again", b.Name))}
}

// folderOf is the part of a log file's key that ends with its account: a policy or a key may forbid
// the files of one account, or of one trail, and not the others.
func folderOf(key string) string {
	folder, _, _ := strings.Cut(key, "/CloudTrail/")
	return folder
}

// works notes that a file was read. The bucket can be read again once each folder can that could
// not.
func (b *logBucket) works(ctx context.Context, key string, now time.Time) {
	b.mu.Lock()
	failed := len(b.failing) > 0
	delete(b.failing, folderOf(key))
	maps.DeleteFunc(b.failing, func(_ string, f *failingFolder) bool { return now.Sub(f.last) > failsFor })
	if failed && len(b.failing) == 0 {
		b.ended = true
		b.d.Log.Info("log files can be read again", "bucket", b.Name)
	}
	b.mu.Unlock()
	if !b.alerting.TryLock() {
		return
	}
	defer b.alerting.Unlock()
	if b.mayEnd(now) {
		b.alerts.End(ctx)
		b.added = 0
	}
	if now.Sub(b.remembered) >= rememberEvery && b.d.store.SetFact(ctx, store.LogFileFact(b.Name), key) == nil {
		b.remembered = now
	}
}

// mayEnd reports whether the alert of the bucket is to end, if there was one. The alert of a daemon
// before ends once what failed then has been tried again.
func (b *logBucket) mayEnd(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.failing) == 0 && (b.ended || now.Sub(b.began) > triedAgain)
}

// passes reports whether a failure to read is likely to pass by itself.
func (b *logBucket) passes(err error) bool { return scopes.Passes(err) || b.Advice(err) == "" }

// fails notes that the bucket can't be read, at least not in the folder of a key. What does not pass
// by itself is alerted at once.
func (b *logBucket) fails(ctx context.Context, key string, err error, now time.Time) {
	advice := b.Advice(err)
	if !b.noteFailing(key, err, now) || !b.alerting.TryLock() {
		return
	}
	defer b.alerting.Unlock()
	before := b.alertedAt.IsZero() && now.Sub(b.began) < triedAgain && b.alerts.WasAlerted(ctx) // by the daemon before
	enough := now.Sub(b.alertedAt) < alertEvery || b.added >= mostBucketAlerts
	if enough || !b.noteAlerted(key) || before {
		return
	}
	b.alertedAt = now
	b.added++
	b.alerts.AlertIn(ctx, "", fmt.Sprintf("log files in the bucket %s can't be read, at least those of account %s: only the refresh finds the deletions that they report%s. AWS said: %s",
		b.Name, nameOfAccount(ctx, b.d, logfile.ParseKey(key).Account), hint(advice), err))
}

// noteFailing notes a failure, and reports whether it is worth an alert.
func (b *logBucket) noteFailing(key string, err error, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.failing) == 0 {
		b.d.Log.Warn("log files can't be read; their messages stay in the queue", "bucket", b.Name, "key", key, "error", err, "hint", b.Advice(err))
	}
	b.ended = false
	f := b.failing[folderOf(key)]
	if f == nil {
		f = &failingFolder{}
		b.dropOne()
		b.failing[folderOf(key)] = f
	}
	f.Note(err)
	f.last = now
	return !f.alerted && (!b.passes(err) || f.Failures() >= failuresBefore)
}

// noteAlerted notes that the folder of a key has its alert, if it fails still.
func (b *logBucket) noteAlerted(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.failing[folderOf(key)]
	if f == nil || f.alerted {
		return false
	}
	f.alerted = true
	return true
}

// dropOne makes room for another folder that fails: the oldest of those with the fewest failures goes.
// One that really fails is tried again and again. The caller holds mu.
func (b *logBucket) dropOne() {
	if len(b.failing) < maxFolders {
		return
	}
	var least string
	for folder, f := range b.failing {
		was := b.failing[least]
		if was == nil || cmp.Or(cmp.Compare(f.Failures(), was.Failures()), f.last.Compare(was.last)) < 0 {
			least = folder
		}
	}
	delete(b.failing, least)
}

// fileFails alerts of one file: it may hide a deletion, and does not become readable by itself.
func (b *logBucket) fileFails(ctx context.Context, key string, err error, now time.Time) {
	advice := b.Advice(err)
	b.logUnreadable(key, err, advice, now)
	if !b.alerting.TryLock() {
		return
	}
	defer b.alerting.Unlock()
	if now.Sub(b.fileAlertAt) < alertEvery {
		return
	}
	b.fileAlertAt = now
	b.d.newOutage(notify.ReadingLogFiles+notify.Part(" file "+b.Name), "").Alert(ctx, fmt.Sprintf(
		"a log file can't be read, and may hide a deletion: s3://%s/%s: %s%s. The flow logs of its account and Region are refreshed now. Within the next hour, more files of this bucket that can't be read cause no alert: the log names one file an hour for each cause, and counts the others", b.Name, key, err, hint(advice)))
}

// logUnreadable logs a file that can't be read, of those with the same cause one within alertEvery: a
// notice may name a hundred, and comes again and again.
func (b *logBucket) logUnreadable(key string, err error, advice string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := b.unreadable[advice]
	if line == nil {
		line = &repeatedLine{}
		b.unreadable[advice] = line
	}
	if line.since++; now.Sub(line.logged) >= alertEvery {
		b.d.Log.Warn("log files can't be read, such as this one; their messages stay in the queue. Further tries are counted until the next such line, an hour later at least", "bucket", b.Name, "key", key, "error", err, "hint", advice, "tries", line.since)
		line.logged, line.since = now, 0
	}
}

func hint(advice string) string {
	if advice == "" {
		return ""
	}
	return ". To fix it: " + advice
}

// passedOver are objects of a bucket that are not read because of their keys: log files without the
// prefix, or no log files at all. If these are all that comes, the configuration is wrong, and no
// deletion is seen. Anybody who may send messages may name such keys, so that a process logs one, and
// notes one an hour for the doctor.
type passedOver struct {
	mu     sync.Mutex // guards what follows
	logged bool
	noted  time.Time // when a key was last noted, or could not be
}

const maxBeginning = 300 // characters of a key in the log: the prefix of a trail has 200 at most

// due reports whether a key is to be logged, and whether it is to be noted. The caller does so.
func (p *passedOver) due(now time.Time) (log, note bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, p.logged = !p.logged, true
	if note = now.Sub(p.noted) >= rememberEvery; note {
		p.noted = now
	}
	return log, note
}

// withoutPrefix is called with the key of a log file of ours that lacks the prefix.
func (b *logBucket) withoutPrefix(ctx context.Context, key string, now time.Time) {
	log, note := b.outside.due(now)
	if log {
		begins := alert.Clean(logfile.Trail(key), maxBeginning)
		b.d.Log.Warn("log files of CloudTrail come whose keys do not begin with the prefix that log_files.buckets has for their bucket: they are not read. If your trail writes them, no log file brings a deletion until the prefix is set as shown and the daemon started anew. Each bucket has one such line",
			"bucket", b.Name, "prefix", b.Prefix, "begins", begins, "set", "prefix: "+begins)
	}
	b.noteStrange(ctx, note, true, key)
}

// noLogFile is called with a key that is none of CloudTrail's.
func (b *logBucket) noLogFile(ctx context.Context, key string, now time.Time) {
	log, note := b.foreign.due(now)
	if log {
		b.d.Log.Warn("objects come that are no log files of CloudTrail by their keys, such as this one: they are not read. That is right if others write to this bucket too; if not, see which bucket the trail writes to. Each bucket has one such line",
			"bucket", b.Name, "prefix", b.Prefix, "key", alert.Clean(key, maxBeginning))
	}
	b.noteStrange(ctx, note, false, key)
}

// noteStrange notes a key for the doctor, if it is due. If that fails, another one is noted later.
func (b *logBucket) noteStrange(ctx context.Context, due, isLogFile bool, key string) {
	if due {
		_ = b.d.store.SetFact(ctx, store.StrangeKeyFact(b.Name, isLogFile), key) // a state file that fails is alerted elsewhere
	}
}
