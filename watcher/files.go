package watcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/internal/cloudtrail"
)

// Files reads the log files that messages announce.
type Files interface {
	// Read calls found with each record of a log file that may matter, as it is in the file; the
	// bytes are valid during the call only. It returns an error of found unchanged. nil means that
	// found had all such records, or that the object holds none. It must be safe for concurrent
	// use, and report errors itself: the watcher logs them at level debug only.
	Read(ctx context.Context, o Object, found func(raw []byte) error) error
}

// SuspectError is an error of Files.Read about a file that may hold a deletion of flow logs in a
// scope, which should be refreshed (I8).
type SuspectError struct {
	Suspect Suspect
	Err     error
}

func (e *SuspectError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SuspectError) Unwrap() error { return e.Err }

const (
	fileBatch    = 100              // records of a log file that the handler gets at once, so that memory stays flat
	maxObjects   = 100              // of one message; CloudTrail and S3 announce one or a few
	maxReading   = 8                // messages whose files are read at the same time: the other handlers are for records in messages
	readPatience = time.Second      // how long a message waits to be one of maxReading
	postponedFor = 30 * time.Second // how long it stays hidden if it can't be
)

// readFiles reads the objects that a message announces, one after the other, and hands their
// records over in batches. It returns what became of the message. One object that can't be read
// does not keep the others from being read.
func (w *Watcher) readFiles(ctx context.Context, m types.Message, objects []Object) (outcome string) {
	id := aws.ToString(m.MessageId)
	if w.Files == nil {
		w.warnOnce(LogFile, "a log file in S3 is announced, and log_files.buckets names no bucket: such messages are left for the dead-letter queue; name the bucket there, or stop its notifications to this queue")
		return Unsupported
	}
	objects = distinct(objects)
	if len(objects) == 0 || len(objects) > maxObjects {
		w.log.Warn("a notice of S3 names no object, or too many, and stays in the queue", "message", id, "objects", len(objects))
		return Unparsable
	}
	defer w.keepHidden(ctx, m)()
	if !w.mayRead(ctx) {
		return Postponed
	}
	defer w.reading.Release(1)
	outcome = Ignored
	for n, o := range objects {
		w.KeepAlive() // the receivers may wait for this handler
		became := w.readFile(ctx, fmt.Sprintf("%s/%d", id, n), o)
		if outcome = worse(outcome, became); became == Failed {
			break // because of the store, which could not take the records of the next object either
		}
	}
	return outcome
}

// distinct removes repeats, and keeps the order.
func distinct(objects []Object) []Object {
	seen := map[Object]bool{}
	return slices.DeleteFunc(slices.Clone(objects), func(o Object) bool {
		again := seen[o]
		seen[o] = true
		return again
	})
}

// mayRead waits up to readPatience for one of maxReading places, and reports whether it got one. Each message that
// is given back counts towards the dead-letter queue, so a short wait pays. A longer one would block the receivers,
// and with them messages that carry their records.
func (w *Watcher) mayRead(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	return w.reading.Acquire(ctx, 1) == nil
}

// worse returns the outcome of a message if its parts had the outcomes a and b.
func worse(a, b string) string {
	for _, o := range []string{Failed, Unparsable, Unreadable, Handled} {
		if a == o || b == o {
			return o
		}
	}
	return a
}

// readFile reads one object. id is that of the message, with the object's number.
func (w *Watcher) readFile(ctx context.Context, id string, o Object) (outcome string) {
	log := w.log.With("message", id, "bucket", o.Bucket, "key", o.Key)
	h := handover{id: id, handle: func(m Message) error { return w.call(ctx, m) }, ignore: func(n cloudtrail.NoCall) { w.ignoreRecord(id, n) }}
	err := recovered(func() error { return w.Files.Read(ctx, o, h.found) })
	if s, ok := errors.AsType[*SuspectError](err); ok {
		h.suspects = append(h.suspects, s.Suspect)
	}
	if h.refused == nil {
		h.refused = h.flush()
	}
	switch {
	case h.refused != nil:
		log.Error("the records of a log file could not be dealt with; its message stays in the queue", "error", h.refused)
		return Failed
	case err != nil:
		log.Debug("a log file could not be read; its message stays in the queue", "error", err)
		return Unreadable
	case h.bad > 0:
		log.Warn("a log file has records that can't be understood; its message stays in the queue", "records", h.bad)
		return Unparsable
	case !h.some:
		return Ignored
	}
	return Handled
}

// handover passes the records of one log file to the handler, some at a time.
type handover struct {
	decoded // not handed over yet; but bad is of the whole file
	id      string
	handle  func(Message) error
	ignore  func(cloudtrail.NoCall)

	some    bool  // a record was handed over
	refused error // by the handler
}

func (h *handover) found(raw []byte) error {
	h.add(raw)
	if len(h.records)+len(h.suspects)+len(h.noCalls) < fileBatch {
		return nil
	}
	h.refused = h.flush()
	return h.refused
}

// flush returns once what the records ask for is on disk.
func (h *handover) flush() error {
	for _, n := range h.noCalls {
		h.ignore(n)
	}
	m := Message{ID: h.id, Records: h.records, Suspects: h.suspects}
	h.records, h.suspects, h.noCalls = nil, nil, nil
	if len(m.Records)+len(m.Suspects) == 0 {
		return nil
	}
	h.some = true
	return h.handle(m)
}
