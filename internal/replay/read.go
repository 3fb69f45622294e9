package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync/atomic"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/logfile"
	"flowkeeper/internal/recordfile"
	"flowkeeper/internal/recordsource"
	"flowkeeper/watcher"
)

const (
	// readers is how many files are read at the same time: from S3 most of the time is waiting.
	readers = 8
	// maxInflated bounds a log file: it may be a decompression bomb.
	maxInflated = 2 << 30 // bytes
)

// Reader reads the records in files, and counts them. Several files are read at the same time;
// the results come in the order of the files.
type Reader struct {
	Finder *recordsource.Finder
	Raw    bool // the results have the raw records

	// Counted before a result is yielded, on the goroutine of the loop over Read.
	Findings int
	NoCalls  int // records that name a watched call but are no management call (Record.NoCall)
	Bad      int // values and records that could not be understood
	Unread   int // files that could not be read

	// Counted by the goroutines that read.
	Records   atomic.Int64
	Expanded  atomic.Bool // an argument was a folder, a pattern or a bucket
	Files     atomic.Int64
	Bytes     atomic.Int64 // as stored: compressed, if the file is
	NoRecords atomic.Int64 // digests, and notices of files without records of calls
	Unasked   atomic.Int64 // records with a finding that the selection leaves out
}

// input is a file to read, or the error of finding one.
type input struct {
	file recordsource.File
	err  error
}

// Result is a record that has a finding, or a record that names a watched call but is no management call: then the
// finding has no kind. If Err is set, the result is what could not be read or understood instead.
type Result struct {
	File    string // where the record was read
	Raw     []byte // a copy of the record; nil without Reader.Raw
	Finding detection.Finding

	Err    error
	Where  string // what Err is about: a file, or a value in it
	unread bool   // Err says that the file could not be read
}

// Read yields the results of the files that the arguments name. It yields an error about a file or a value as a
// result, and reads the rest. If ctx ends, the results end, too: the caller asks ctx whether these were all. When
// the loop over the results ends, all goroutines have ended.
func (r *Reader) Read(ctx context.Context, args []string) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for out := range recordsource.Ordered(ctx, readers, r.inputs(ctx, args), r.readOne) {
			r.count(out)
			if !yield(out) {
				cancel() // before the loop ends: its end waits for the goroutines
				return
			}
		}
	}
}

func (r *Reader) inputs(ctx context.Context, args []string) iter.Seq[input] {
	return func(yield func(input) bool) {
		for file, err := range r.Finder.Find(ctx, args) {
			if err == nil && !slices.Contains(args, file.Name) {
				r.Expanded.Store(true)
			}
			if !yield(input{file, err}) {
				return
			}
		}
	}
}

func (r *Reader) count(out Result) {
	switch {
	case out.unread:
		r.Unread++
	case out.Err != nil:
		r.Bad++
	case out.Finding.Kind == "":
		r.NoCalls++
	default:
		r.Findings++
	}
}

// readOne reads one file, on a goroutine of its own.
func (r *Reader) readOne(ctx context.Context, in input, yield func(Result) bool) {
	name := in.file.Name
	if in.err != nil {
		yield(Result{Where: name, Err: in.err, unread: true})
		return
	}
	file, err := in.file.Open(ctx)
	if err != nil {
		if ctx.Err() == nil {
			yield(Result{Where: name, Err: err, unread: true})
		}
		return
	}
	defer file.Close()
	counted := &countedReader{r: file, n: &r.Bytes}
	f := fileReader{Reader: r, name: name, yield: yield}
	if in.file.LogFile {
		err = f.logFile(counted)
	} else {
		err = f.values(counted)
	}
	switch {
	case ctx.Err() != nil, errors.Is(err, errStopped):
	case counted.err != nil:
		yield(Result{Where: name, Err: counted.err, unread: true})
		return
	case err != nil:
		yield(Result{Where: name, Err: err})
	}
	r.Files.Add(1)
}

// countedReader counts what is read, and keeps the error of reading.
type countedReader struct {
	r   io.Reader
	n   *atomic.Int64
	err error
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// errStopped ends the reading of a file after the loop over the results has ended.
var errStopped = errors.New("stopped")

// fileReader reads one file.
type fileReader struct {
	*Reader
	name  string
	yield func(Result) bool
}

// logFile reads a log file of CloudTrail of any size, in constant memory.
func (f fileReader) logFile(in io.Reader) error {
	s, err := logfile.Scan(in, logfile.Limits{Inflated: maxInflated}, func(raw []byte) error { return f.record(f.name, raw) })
	f.Records.Add(int64(s.Records))
	return err
}

// values reads JSON in all forms that package recordfile knows.
func (f fileReader) values(in io.Reader) error {
	return recordfile.Messages(in, func(n int, message []byte, err error) error {
		where := fmt.Sprintf("%s, value %d", f.name, n)
		if err != nil {
			return f.put(Result{Where: where, Err: err})
		}
		return f.message(where, message)
	})
}

func (f fileReader) put(out Result) error {
	if !f.yield(out) {
		return errStopped
	}
	return nil
}

// message reads a message as the daemon does.
func (f fileReader) message(where string, body []byte) error {
	c, err := watcher.Unwrap(body)
	switch {
	case err != nil:
		return f.put(Result{Where: where, Err: err})
	case c.Kind == watcher.LogFile:
		return f.put(Result{Where: where, Err: noticeError(c.Objects)})
	case c.Kind == watcher.NoRecords:
		f.NoRecords.Add(1)
	}
	for _, raw := range c.Records {
		f.Records.Add(1)
		if err := f.record(where, raw); err != nil {
			return err
		}
	}
	return nil
}

// noticeError says what to replay instead of a notice. Nothing that a notice names is read,
// because anybody may have written the notice.
func noticeError(objects []watcher.Object) error {
	if len(objects) == 0 {
		return errors.New("a notice that a log file is in S3: replay the file itself, as s3://bucket/key")
	}
	more := ""
	if n := len(objects) - 1; n > 0 {
		more = ", and " + alert.Plural(n, "more file")
	}
	return fmt.Errorf("a notice that a log file is in S3: replay s3://%s/%s%s", objects[0].Bucket, objects[0].Key, more)
}

// record yields the finding of one record, if it has one that is asked for.
func (f fileReader) record(where string, raw []byte) error {
	if !cloudtrail.Wanted(raw) {
		return nil
	}
	record, err := cloudtrail.Decode(raw)
	if err != nil {
		return f.put(Result{Where: where, Err: err})
	}
	finding, ok := detection.Judge(record)
	if record.NoCall != "" {
		finding, ok = detection.Finding{Record: record}, true
	}
	switch {
	case !ok:
		return nil
	case !f.Finder.Has(record.Account, record.Region, record.EventTime):
		f.Unasked.Add(1)
		return nil
	}
	out := Result{File: f.name, Finding: finding}
	if f.Raw {
		out.Raw = bytes.Clone(raw)
	}
	return f.put(out)
}

// ReadNothing reports whether no record was read because files could not be read.
func (r *Reader) ReadNothing() bool { return r.Unread > 0 && r.Records.Load() == 0 && r.Bad == 0 }
