package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"slices"
	"sync/atomic"

	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/logfile"
	"flowkeeper/internal/recordfile"
	"flowkeeper/internal/recordsource"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/term"
	"flowkeeper/watcher"
)

const (
	// readers is how many files are read at the same time: from S3 most of the time is waiting.
	readers = 8
	// maxInflated bounds a log file: it may be a decompression bomb.
	maxInflated = 2 << 30 // bytes
	// maxComplaints is how many errors of files are printed; the rest is counted.
	maxComplaints = 100
)

// recordReader reads the records in files, and counts them. Several files are read at the same
// time; what is found in them is handed over, and their errors are printed, in their order.
type recordReader struct {
	app    *app
	choice *replayChoice
	finder *recordsource.Finder
	// found is called with every record that has a finding, raw and decoded, and with
	// those that name a call but are none: their finding has no kind. file is where it was
	// read. Its error ends the reading.
	found func(raw []byte, f detection.Finding, file string) error
	raw   bool // found needs the raw record

	findings int
	noCalls  int // records that name a call but are none
	bad      int // values and records that could not be understood
	unread   int // files that could not be read

	// Counted by the goroutines that read.
	total     atomic.Int64 // records
	expanded  atomic.Bool  // an argument was a folder, a pattern or a bucket
	files     atomic.Int64
	bytes     atomic.Int64 // as stored
	noRecords atomic.Int64 // digests, and notices of files without records of calls
	unasked   atomic.Int64 // records with a finding that the flags leave out
}

func newRecordReader(x *replay, found func(raw []byte, f detection.Finding, file string) error) *recordReader {
	r := &recordReader{app: x.app, choice: &x.choice, found: found}
	r.finder = &recordsource.Finder{
		Selection: x.choice.Selection,
		Stdin:     func(ctx context.Context) (io.ReadCloser, error) { return interruptible(ctx, x.stdin), nil },
		Bucket:    (&buckets{app: x.app, owner: x.choice.owner}).open,
	}
	return r
}

func (r *recordReader) records() int { return int(min(r.total.Load(), math.MaxInt)) }

// input is a file to read, or the error of finding one.
type input struct {
	file recordsource.File
	err  error
}

// result is one record with a finding, or an error.
type result struct {
	file    string
	raw     []byte
	finding detection.Finding

	err    error  // what could not be understood, or read
	where  string // in the file
	unread bool   // err is of reading
}

// read reads what the arguments name. What can't be read or understood is printed to stderr and
// counted, and the rest is read.
func (r *recordReader) read(ctx context.Context, args []string) error {
	progress := r.app.ProgressOf("reading records", r.volume)
	defer progress.End()
	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for out := range recordsource.Ordered(ctx, readers, r.inputs(ctx, args), r.readOne) {
		if err := r.take(out); err != nil {
			cancel() // before the end of the loop, which waits for all that is running
			return err
		}
	}
	return parent.Err()
}

func (r *recordReader) inputs(ctx context.Context, args []string) iter.Seq[input] {
	return func(yield func(input) bool) {
		for file, err := range r.finder.Find(ctx, args) {
			if err == nil && !slices.Contains(args, file.Name) {
				r.expanded.Store(true)
			}
			if !yield(input{file, err}) {
				return
			}
		}
	}
}

// take handles one result, on the goroutine of the command.
func (r *recordReader) take(out result) error {
	switch {
	case out.unread:
		r.unread++
		r.complain(out.where, out.err)
		return nil
	case out.err != nil:
		r.bad++
		r.complain(out.where, out.err)
		return nil
	case out.finding.Kind == 0:
		r.noCalls++
	default:
		r.findings++
	}
	return r.found(out.raw, out.finding, out.file)
}

func (r *recordReader) complain(where string, err error) {
	switch n := r.bad + r.unread; {
	case n <= maxComplaints:
		r.app.complain(where + ": " + err.Error())
	case n == maxComplaints+1:
		r.app.complain("further errors are counted, not shown")
	}
}

// volume is how much was read so far.
func (r *recordReader) volume() string {
	return alert.Plural(int(r.files.Load()), "file") + ", " + term.Bytes(r.bytes.Load())
}

// readOne reads one file, on a goroutine of its own.
func (r *recordReader) readOne(ctx context.Context, in input, yield func(result) bool) {
	name := in.file.Name
	if in.err != nil {
		yield(result{where: name, err: plainError(in.err), unread: true})
		return
	}
	file, err := in.file.Open(ctx)
	if err != nil {
		if ctx.Err() == nil {
			yield(result{where: name, err: plainError(err), unread: true})
		}
		return
	}
	defer file.Close()
	counted := &countedReader{r: file, n: &r.bytes}
	f := fileReader{recordReader: r, name: name, yield: yield}
	if in.file.LogFile {
		err = f.logFile(counted)
	} else {
		err = f.values(counted)
	}
	switch {
	case ctx.Err() != nil, errors.Is(err, errStopped):
	case counted.err != nil:
		yield(result{where: name, err: plainError(counted.err), unread: true})
		return
	case err != nil:
		yield(result{where: name, err: err})
	}
	r.files.Add(1)
}

// plainError is an error without the name of the file, which stands before it. Where S3 could not
// be asked, it says what to check.
func plainError(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return file.Err
	}
	if _, ok := errors.AsType[*smithy.OperationError](err); ok {
		return fmt.Errorf("%w: %s", scopes.Plain(err), unreached(err))
	}
	return err
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

// errStopped ends the reading of a file of which nothing is wanted any more.
var errStopped = errors.New("stopped")

// fileReader reads one file.
type fileReader struct {
	*recordReader
	name  string
	yield func(result) bool
}

// logFile reads a log file of CloudTrail of any size, in constant memory.
func (f fileReader) logFile(in io.Reader) error {
	s, err := logfile.Scan(in, logfile.Limits{Inflated: maxInflated}, func(raw []byte) error { return f.record(f.name, raw) })
	f.total.Add(int64(s.Records))
	return err
}

// values reads JSON in all its forms.
func (f fileReader) values(in io.Reader) error {
	return recordfile.Messages(in, func(n int, message []byte, err error) error {
		where := fmt.Sprintf("%s, value %d", f.name, n)
		if err != nil {
			return f.misread(where, err)
		}
		return f.message(where, message)
	})
}

// misread yields what could not be understood.
func (f fileReader) misread(where string, err error) error {
	return f.put(result{where: where, err: err})
}

func (f fileReader) put(out result) error {
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
		return f.misread(where, err)
	case c.Kind == watcher.LogFile:
		return f.misread(where, noticeError(c.Objects))
	case c.Kind == watcher.NoRecords:
		f.noRecords.Add(1)
	}
	for _, raw := range c.Records {
		f.total.Add(1)
		if err := f.record(where, raw); err != nil {
			return err
		}
	}
	return nil
}

// noticeError says what to replay instead of a notice. Who wrote the notice chose the names, so
// that nothing is read because of it.
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
		return f.misread(where, err)
	}
	finding, ok := detection.Judge(record)
	if record.NoCall != "" {
		finding, ok = detection.Finding{Record: record}, true
	}
	switch {
	case !ok:
		return nil
	case !f.finder.Has(record.Account, record.Region, record.EventTime):
		f.unasked.Add(1)
		return nil
	}
	out := result{file: f.name, finding: finding}
	if f.raw {
		out.raw = bytes.Clone(raw)
	}
	return f.put(out)
}

// nothing reports that no file could be read.
func (r *recordReader) nothing() bool { return r.unread > 0 && r.records()+r.bad == 0 }

// incomplete is an error if something could not be read: each was printed already.
func (r *recordReader) incomplete() error {
	switch {
	case r.nothing():
		return errPrinted
	case r.unread > 0:
		return fmt.Errorf("%s could not be read, see above", alert.Plural(r.unread, "file"))
	case r.bad > 0:
		return fmt.Errorf("%d of what was read could not be understood, see above", r.bad)
	}
	return nil
}
