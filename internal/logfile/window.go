package logfile

import (
	"errors"
	"fmt"
	"io"
)

const firstWindow = 128 << 10 // bytes; it grows for larger records

// ErrTooLarge is wrapped by the error of a file, or of a record, that is larger than its limit.
var ErrTooLarge = errors.New("too large")

// window is a part of the inflated file.
type window struct {
	r     io.Reader
	buf   []byte
	at    int   // buf[:at] has been read
	end   int   // buf[:end] is filled
	most  int   // bytes that buf may grow to
	total int64 // bytes read of the file
	limit int64 // bytes of the file
}

// fill reads more of the file, and keeps buf[keep:]. If buf has no room left, it moves what it
// keeps to the beginning, by moved bytes. full: what it must keep fills the largest window, and
// nothing was read.
func (w *window) fill(keep int) (moved int, full bool, err error) {
	if w.total > w.limit {
		return 0, false, fmt.Errorf("%w: the file holds more than %d bytes", ErrTooLarge, w.limit)
	}
	if w.end == len(w.buf) {
		switch {
		case keep > 0:
			moved = keep
			copy(w.buf, w.buf[keep:w.end])
			w.at, w.end = w.at-keep, w.end-keep
		case len(w.buf) >= w.most:
			return 0, true, nil
		default:
			larger := make([]byte, min(2*len(w.buf), w.most))
			copy(larger, w.buf)
			w.buf = larger
		}
	}
	for range 100 {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.total += int64(n)
		switch {
		case n > 0:
			return moved, false, nil // an error comes again with the next Read
		case err != nil:
			return moved, false, err
		}
	}
	return moved, false, io.ErrNoProgress
}
