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
)

// logBucket is one bucket of log files, with its failures and what was logged and alerted of them.
type logBucket struct {
	*logbucket.Bucket
	d       *Daemon
	longKey sync.Once  // a key that is too long was logged
	outside passedOver // log files of ours without the prefix
	foreign passedOver // no log files

	// alerting is held while alerts are added, and guards what follows. Nobody waits for it: a goroutine that
	// does not get it leaves the alert, or its end, to the next file.
	alerting    sync.Mutex
	alerts      *pipeline.Outage // of the bucket
	alertedAt   time.Time        // when the last alert of the bucket was added
	added       int              // alerts of this outage
	fileAlertAt time.Time        // when the last alert of a single file was added
	remembered  time.Time        // when the key of a file that was read was last stored

	mu         sync.Mutex                // guards what follows; nothing is waited for while it is held
	began      time.Time                 // of this daemon
	failing    map[string]*failingFolder // by folder: see folderOf
	ended      bool                      // folders failed, and none does any more
	unreadable map[string]*repeatedLine  // by advice
}

// failingFolder is a folder from which a file could not be read, and no file was read since.
type failingFolder struct {
	outage.Outage
	last    time.Time // when it last failed
	alerted bool
}

// repeatedLine is a line of the log that is not repeated at once.
type repeatedLine struct {
	logged time.Time // zero: not yet
	since  int       // tries since then
}

const (
	failuresBefore = 3         // failures in a row before an alert, if they may pass by themselves
	alertEvery     = time.Hour // the least time between two alerts about a bucket, or about files in it, and between two lines of log
	maxFolders     = 100       // remembered as failing, of a bucket: anybody who may send messages may name folders that do not exist
	// failsFor is how long a folder counts as failing without another try. A message about its files is
	// received again within a quarter of an hour, until it goes to the dead-letter queue.
	failsFor = 2 * time.Hour
	// mostBucketAlerts is how many alerts there are of one outage of a bucket.
	mostBucketAlerts = 5
	// triedAgain is the time after a start in which every message that failed before has been tried again.
	triedAgain = 20 * time.Minute
)

func newLogBucket(d *Daemon, b *logbucket.Bucket) *logBucket {
	return &logBucket{Bucket: b, d: d, began: time.Now(), failing: map[string]*failingFolder{}, unreadable: map[string]*repeatedLine{},
		alerts: d.newOutage(alert.PartLogFiles+alert.Part(" "+b.Name), fmt.Sprintf("the log files in the bucket %s can be read again", b.Name))}
}

// folderOf is the part of a log file's key that ends with its account: a policy or a key may forbid
// the files of one account, or of one trail, and not the others.
func folderOf(key string) string {
	folder, _, _ := strings.Cut(key, "/CloudTrail/")
	return folder
}

// noteRead notes that a file was read. The outage of the bucket ends once files of every folder that
// failed could be read.
func (b *logBucket) noteRead(ctx context.Context, key string, now time.Time) {
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

// mayEnd reports whether the outage of the bucket may end. If an earlier daemon alerted of it, it
// ends once the messages that failed then have been tried again.
func (b *logBucket) mayEnd(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.failing) == 0 && (b.ended || now.Sub(b.began) > triedAgain)
}

// passes reports whether a failure to read is likely to pass by itself.
func (b *logBucket) passes(err error) bool { return scopes.Passes(err) || b.Advice(err) == "" }

// alertFailing notes that the bucket can't be read, at least not in the folder of key, and alerts of
// it: at once, if the failure does not pass by itself.
func (b *logBucket) alertFailing(ctx context.Context, key string, err error, now time.Time) {
	advice := b.Advice(err)
	if !b.noteFailing(key, err, now) || !b.alerting.TryLock() {
		return
	}
	defer b.alerting.Unlock()
	before := b.alertedAt.IsZero() && now.Sub(b.began) < triedAgain && b.alerts.WasAlerted(ctx) // an earlier daemon alerted
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

// noteAlerted notes that there is an alert of the folder of key. It returns false if there was one
// already, or if the folder does not fail any more.
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

// dropOne makes room for another failing folder: it drops the oldest of those with the fewest
// failures, because a folder that really fails is tried again and again. The caller holds mu.
func (b *logBucket) dropOne() {
	if len(b.failing) < maxFolders {
		return
	}
	var least string
	for folder, f := range b.failing {
		candidate := b.failing[least]
		if candidate == nil || cmp.Or(cmp.Compare(f.Failures(), candidate.Failures()), f.last.Compare(candidate.last)) < 0 {
			least = folder
		}
	}
	delete(b.failing, least)
}

// alertUnreadable alerts of one file that can't be read: it may hide a deletion, and does not become
// readable by itself.
func (b *logBucket) alertUnreadable(ctx context.Context, key string, err error, now time.Time) {
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
	b.d.newOutage(alert.PartLogFiles+alert.Part(" file "+b.Name), "").Alert(ctx, fmt.Sprintf(
		"a log file can't be read, and may hide a deletion: s3://%s/%s: %s%s. The flow logs of its account and Region are refreshed now. Within the next hour, more files of this bucket that can't be read cause no alert: the log names one file an hour for each cause, and counts the others", b.Name, key, err, hint(advice)))
}

// logUnreadable logs a file that can't be read: one for each cause within alertEvery, because a notice
// may name a hundred files, and is received again and again.
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
// prefix, or objects that are no log files. If there are no others, the configuration is wrong, and no
// deletion is seen. Anybody who may send messages may name such keys: so the daemon logs only the
// first one, and stores one an hour for the doctor.
type passedOver struct {
	mu     sync.Mutex // guards what follows
	logged bool
	noted  time.Time // when a key was last stored, or could not be
}

const maxBeginning = 300 // characters of a key in the log: the prefix of a trail has 200 at most

// due reports whether the caller must log a key, and whether it must store the key.
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
