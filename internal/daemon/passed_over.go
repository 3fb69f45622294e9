package daemon

import (
	"context"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/logfile"
	"flowkeeper/internal/store"
)

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
