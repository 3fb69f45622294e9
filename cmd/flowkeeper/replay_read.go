package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/recordsource"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/term"
)

// maxComplaints is how many errors of files are printed; the rest is counted.
const maxComplaints = 100

// read reads records, and prints what could not be read.
func (r *replayCommand) read(ctx context.Context, args []string, found func(raw []byte, f detection.Finding, file string) error) error {
	r.reader.Found, r.reader.Failed = found, r.failed
	r.reader.Finder = &recordsource.Finder{
		Selection: r.choice.Selection,
		Stdin:     r.openStdin,
		Bucket:    (&buckets{app: r.app, owner: r.choice.owner}).open,
	}
	progress := r.ProgressOf("reading records", r.volume)
	defer progress.End()
	return r.reader.Read(ctx, args)
}

func (r *replayCommand) records() int { return int(r.reader.Records.Load()) }

// volume is how much was read so far.
func (r *replayCommand) volume() string {
	return alert.Plural(int(r.reader.Files.Load()), "file") + ", " + term.Bytes(r.reader.Bytes.Load())
}

func (r *replayCommand) failed(where string, err error) {
	switch n := r.reader.Bad + r.reader.Unread; {
	case n <= maxComplaints:
		r.complain(where + ": " + plainError(err).Error())
	case n == maxComplaints+1:
		r.complain("further errors are counted, not shown")
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
func (r *replayCommand) incomplete() error {
	switch {
	case r.reader.ReadNothing():
		return errPrinted
	case r.reader.Unread > 0:
		return fmt.Errorf("%s could not be read, see above", alert.Plural(r.reader.Unread, "file"))
	case r.reader.Bad > 0:
		return fmt.Errorf("%s of the input could not be understood, see above", alert.Plural(r.reader.Bad, "part"))
	}
	return nil
}
