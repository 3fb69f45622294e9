package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/recordfile"
	"flowkeeper/internal/term"
	"flowkeeper/watcher"
)

// recordReader reads the records in files, and counts them.
type recordReader struct {
	app *app
	// found is called with every record that has a finding, raw and decoded, and with
	// those that name a call but are none: their finding has no kind. Its error ends the
	// reading.
	found func(raw []byte, f detection.Finding) error

	progress          *term.Progress
	records, findings int
	bad               int // values and records that could not be understood
	unread            int // files that could not be read
	noCalls           int // records that name a call but are none
	noRecords         int // digests, and notices of files without records of calls
}

// read reads the files. What can't be read or understood is printed to stderr and
// counted, and the rest is read.
func (r *recordReader) read(ctx context.Context, files []string) error {
	r.progress = r.app.Progress("reading records", 0)
	defer r.progress.End()
	for _, name := range files {
		if err := r.file(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *recordReader) file(ctx context.Context, name string) error {
	var failed error // of found
	in, err := r.app.open(ctx, name)
	if err == nil {
		defer in.Close()
		err = recordfile.Messages(in, func(n int, message []byte, err error) error {
			where := fmt.Sprintf("%s, value %d", name, n)
			if err != nil {
				r.misread(where, err)
			} else {
				failed = r.message(where, message)
			}
			return cmp.Or(failed, ctx.Err())
		})
	}
	var file *fs.PathError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed != nil:
		return failed
	case errors.Is(err, syscall.EISDIR):
		r.unread++
		r.app.complain(name + " is a folder: name the files in it, such as " + filepath.Join(name, "*.json.gz"))
	case errors.As(err, &file):
		r.unread++
		r.app.complain(name + ": " + file.Err.Error())
	case err != nil:
		r.misread(name, err)
	}
	return nil
}

// misread counts what could not be understood, and says why.
func (r *recordReader) misread(where string, err error) {
	r.bad++
	r.app.complain(where + ": " + err.Error())
}

// message reads a message as the daemon does.
func (r *recordReader) message(where string, body []byte) error {
	c, err := watcher.Unwrap(body)
	if err != nil {
		r.misread(where, err)
		return nil
	}
	if c.Kind == watcher.LogFile {
		r.misread(where, errors.New("a notice that a log file is in S3: replay the file itself"))
	}
	if c.Kind == watcher.NoRecords {
		r.noRecords++
	}
	for _, raw := range c.Records {
		r.records++
		r.progress.Step()
		if !cloudtrail.Wanted(raw) {
			continue
		}
		record, err := cloudtrail.Decode(raw)
		if err != nil {
			r.misread(where, err)
			continue
		}
		f, ok := detection.Judge(record)
		switch {
		case record.NoCall != "":
			r.noCalls++
			f = detection.Finding{Record: record}
		case !ok:
			continue
		default:
			r.findings++
		}
		if err := r.found(raw, f); err != nil {
			return err
		}
	}
	return nil
}

// nothing reports that no file could be read.
func (r *recordReader) nothing() bool { return r.unread > 0 && r.records+r.bad == 0 }

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
