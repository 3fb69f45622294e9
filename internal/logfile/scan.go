package logfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	"flowkeeper/internal/cloudtrail"
)

// Limits of what is read of one file.
type Limits struct {
	Inflated int64 // bytes of the whole file; 0: 1 GiB
	Record   int   // bytes of one record, at least 64; 0: 1 MiB, which is what cloudtrail.Decode takes
}

const leastWindow = 64 // bytes: the event name that suspect searches for fits in

// Summary says what Scan has read.
type Summary struct {
	Inflated int64 // bytes read of what the file inflates to
	Records  int   // of the file, whether wanted or not
	// Suspect: a record is larger than the limit and names DeleteFlowLogs.
	Suspect bool
}

// ErrNotALogFile is wrapped by the error about a file that is no log file, or only a part of one.
var ErrNotALogFile = errors.New("not a log file of CloudTrail")

// Scan reads a log file, gzip or plain JSON, and calls found with each record that may matter
// (cloudtrail.Wanted), as it is in the file. The bytes are valid during the call only. An error
// of found ends the scan and is returned.
//
// The error is r's own if the file could not be read, or wraps ErrNotALogFile or ErrTooLarge. Then
// found may have been called for some records and not for others. If a record is too large, or the
// list of records holds something else than objects, the rest of the file is still read.
func Scan(r io.Reader, l Limits, found func(raw []byte) error) (Summary, error) {
	s := scanner{found: found, window: window{most: max(l.Record, leastWindow), limit: l.Inflated}}
	if l.Record == 0 {
		s.most = 1 << 20
	}
	if l.Inflated == 0 {
		s.limit = 1 << 30
	}
	s.buf = make([]byte, min(firstWindow, s.most))
	s.source.r = r
	b := bufio.NewReaderSize(&s.source, 64<<10)
	s.r = b
	if magic, _ := b.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return Summary{}, s.because(err)
		}
		defer z.Close()
		s.r = z
	}
	err := s.scan()
	s.Inflated = s.offset()
	return s.Summary, err
}

// source is the file as it is stored, maybe compressed. err is why it could not be read.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader returns io.EOF itself
		s.err = err
	}
	return n, err
}

// scanner reads one file. Its own position is always outside of records: before a document, or
// between the members of a document's object.
type scanner struct {
	window
	Summary
	source source
	found  func([]byte) error

	text    []byte // the last string that was read, with its quotes; at most maxKey bytes of it
	key     string // of the member being read
	listed  bool   // the file has a list of records
	skipped error  // why a part of the list of records was not read
	refused bool   // found returned an error
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// scan reads the documents of a file: usually one, several if files were put together.
func (s *scanner) scan() error {
	for first := true; ; first = false {
		c, err := s.next()
		if first && err == nil && c == byteOrderMark[0] {
			c, err = s.afterMark()
		}
		ended := err == io.EOF && s.source.err == nil //nolint:errorlint // io.Reader returns io.EOF itself
		switch {
		case ended && first:
			return fmt.Errorf("%w: it is empty", ErrNotALogFile)
		case ended && !s.listed:
			return fmt.Errorf("%w: it has no list of Records", ErrNotALogFile)
		case ended:
			return s.skipped
		case err != nil:
			return s.because(err)
		case c != '{':
			return fmt.Errorf("%w: byte %d is not JSON", ErrNotALogFile, s.offset()-1)
		}
		if err := s.document(); err != nil {
			return s.because(err)
		}
	}
}

// because says what an error of reading means: the file could not be fetched, or it is no log file.
func (s *scanner) because(err error) error {
	switch {
	case s.refused:
		return err
	case s.source.err != nil:
		return s.source.err
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrNotALogFile):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends in the middle, after %d bytes inflated", ErrNotALogFile, s.offset())
	}
	return fmt.Errorf("%w: it can't be inflated beyond %d bytes: %w", ErrNotALogFile, s.offset(), err)
}

func (s *scanner) afterMark() (byte, error) {
	for _, want := range byteOrderMark[1:] {
		if c, err := s.byte(); err != nil || c != want {
			return 0, err
		}
	}
	return s.next()
}

// document reads one object, whose opening brace was read.
func (s *scanner) document() error {
	lists := 0 // how many lists the position is in
	inRecords := false
	for {
		c, err := s.next()
		if err != nil {
			return err
		}
		switch {
		case c == '"':
			if err := s.string(); err != nil {
				return err
			}
			if inRecords && lists == 1 {
				s.strange()
			}
		case c == '{':
			if err := s.object(inRecords && lists == 1); err != nil {
				return err
			}
		case c == '[':
			if lists++; lists == 1 {
				inRecords = s.key == "Records"
				s.listed = s.listed || inRecords
			} else if inRecords && lists == 2 {
				s.strange()
			}
		case c == ']' && lists > 0:
			lists--
			inRecords = inRecords && lists > 0
		case c == '}' && lists == 0:
			s.key = ""
			return nil
		case c == '}', c == ']':
			return fmt.Errorf("%w: an end without a beginning at byte %d", ErrNotALogFile, s.offset()-1)
		case c == ':' && lists == 0:
			s.key = unquote(s.text)
		case c == ',' && lists == 0:
			s.key = ""
		case c != ',' && inRecords && lists == 1:
			s.strange()
		}
	}
}

// strange notes that the list of records holds something that is no object.
func (s *scanner) strange() {
	if s.skipped == nil {
		s.skipped = fmt.Errorf("%w: its Records are not all objects, as at byte %d", ErrNotALogFile, s.offset()-1)
	}
}

// object reads one object, whose opening brace was read. If it is a record that may matter, it
// is handed over.
func (s *scanner) object(record bool) error {
	o := object{depth: 1}
	begin := s.at - 1
	cut := false // the record is too large, and is not kept
	for {
		from := s.at
		n, ended := o.skip(s.buf[s.at:s.end])
		s.at += n
		if cut {
			s.suspect(s.buf[max(from-len(cloudtrail.DeleteFlowLogs), 0):s.at])
		}
		if ended {
			break
		}
		keep := begin
		if !record {
			keep = s.at
		} else if cut {
			keep = s.at - len(cloudtrail.DeleteFlowLogs)
		}
		moved, full, err := s.fill(keep)
		if err != nil {
			return err
		}
		begin -= moved
		if full {
			cut = true
			s.suspect(s.buf[begin:s.at])
			s.skipped = fmt.Errorf("%w: a record of more than %d bytes", ErrTooLarge, s.most)
		}
	}
	if !record {
		return nil
	}
	s.Records++
	if cut || !cloudtrail.Wanted(s.buf[begin:s.at]) {
		return nil
	}
	if err := s.found(s.buf[begin:s.at]); err != nil {
		s.refused = true
		return err
	}
	return nil
}

// suspect searches a part of a too large record for DeleteFlowLogs.
func (s *scanner) suspect(part []byte) {
	s.Suspect = s.Suspect || bytes.Contains(part, []byte(cloudtrail.DeleteFlowLogs))
}

// string reads a string, whose opening quote was read.
func (s *scanner) string() error {
	s.text = append(s.text[:0], '"')
	for escaped := false; ; {
		c, err := s.byte()
		if err != nil {
			return err
		}
		if len(s.text) < maxKey {
			s.text = append(s.text, c)
		}
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return nil
		}
	}
}

const maxKey = 64 // bytes of a member's name: "Records" has 44 if each letter is escaped

// unquote returns the text of a JSON string; empty if it is not valid.
func unquote(quoted []byte) (text string) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(bytes.Trim(quoted, `"`))
	}
	if json.Unmarshal(quoted, &text) != nil {
		return ""
	}
	return text
}

// next returns the next byte that is no white space.
func (s *scanner) next() (byte, error) {
	for {
		c, err := s.byte()
		if err != nil || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, err
		}
	}
}

func (s *scanner) byte() (byte, error) {
	if s.at == s.end {
		if _, _, err := s.fill(s.at); err != nil {
			return 0, err
		}
	}
	c := s.buf[s.at]
	s.at++
	return c, nil
}

// offset returns how many bytes of the file were read.
func (s *scanner) offset() int64 { return s.total - int64(s.end-s.at) }
