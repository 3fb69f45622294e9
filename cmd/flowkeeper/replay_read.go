package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/recordsource"
	"flowkeeper/internal/replay"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/term"
)

// maxComplaints is how many errors of files are printed; the rest is counted.
const maxComplaints = 100

// recordReader reads records for the command, and prints what could not be read.
type recordReader struct {
	replay.Reader
	app    *app
	choice *replayChoice
}

func newRecordReader(x *replayCommand, found func(raw []byte, f detection.Finding, file string) error) *recordReader {
	r := &recordReader{app: x.app, choice: &x.choice}
	r.Found, r.Failed = found, r.complain
	r.Finder = &recordsource.Finder{
		Selection: x.choice.Selection,
		Stdin:     func(ctx context.Context) (io.ReadCloser, error) { return interruptible(ctx, x.stdin), nil },
		Bucket:    (&buckets{app: x.app, owner: x.choice.owner}).open,
	}
	return r
}

func (r *recordReader) records() int { return int(r.Records.Load()) }

func (r *recordReader) read(ctx context.Context, args []string) error {
	progress := r.app.ProgressOf("reading records", r.volume)
	defer progress.End()
	return r.Read(ctx, args)
}

// volume is how much was read so far.
func (r *recordReader) volume() string {
	return alert.Plural(int(r.Files.Load()), "file") + ", " + term.Bytes(r.Bytes.Load())
}

func (r *recordReader) complain(where string, err error) {
	switch n := r.Bad + r.Unread; {
	case n <= maxComplaints:
		r.app.complain(where + ": " + plainError(err).Error())
	case n == maxComplaints+1:
		r.app.complain("further errors are counted, not shown")
	}
}

// plainError is an error without the name of the file, which stands before it. Where AWS could not
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

// incomplete is an error if something could not be read: each was printed already.
func (r *recordReader) incomplete() error {
	switch {
	case r.ReadNothing():
		return errPrinted
	case r.Unread > 0:
		return fmt.Errorf("%s could not be read, see above", alert.Plural(r.Unread, "file"))
	case r.Bad > 0:
		return fmt.Errorf("%s of the input could not be understood, see above", alert.Plural(r.Bad, "part"))
	}
	return nil
}
