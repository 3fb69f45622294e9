package logfile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/logfile"
)

// parsed returns what encoding/json finds in the documents of valid JSON: the records that may matter, whether there is
// a list of records (listed), and whether all elements of these lists are objects (clean).
func parsed(text string) (records []string, listed, clean bool) {
	clean = true
	d := json.NewDecoder(strings.NewReader(text))
	for {
		if t, err := d.Token(); errors.Is(err, io.EOF) {
			return records, listed, clean
		} else if t != json.Delim('{') {
			return nil, false, false
		}
		for d.More() {
			key, _ := d.Token()
			var value json.RawMessage
			if d.Decode(&value) != nil {
				return nil, false, false
			}
			var list []json.RawMessage
			if key != "Records" || value[0] != '[' || json.Unmarshal(value, &list) != nil {
				continue
			}
			listed = true
			for _, r := range list {
				switch {
				case r[0] != '{':
					clean = false
				case cloudtrail.Wanted(r):
					records = append(records, string(r))
				}
			}
		}
		_, _ = d.Token()
	}
}

// valid reports whether the text is JSON documents, one after the other.
func valid(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	for n := 0; ; n++ {
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return n > 0 && errors.Is(err, io.EOF)
		}
		if v[0] != '{' {
			return false
		}
	}
}

// FuzzScan: in valid JSON, Scan finds the same records as encoding/json does. In any text, it finds the same whether it
// reads all at once or byte by byte, keeps its limits, and does not panic.
func FuzzScan(f *testing.F) {
	for _, s := range []string{file(other, deletion, html, role), file(deletion) + file(role), `{"Records":[1,"x",[],{}]}`, `{"R\u0065cords":[{"a":"\\"}]}`, `{"x":{"Records":[{}]},"Records":[{}],"Records":null}`, `{"a":"Records","b":[{}]}`, "\ufeff{}", `{"Records":[{"a":"}`, `]}`} {
		f.Add([]byte(s), uint16(0))
		f.Add(zip(f, s), uint16(0))
		f.Add([]byte(s), uint16(64))
	}
	f.Fuzz(func(t *testing.T, in []byte, record uint16) {
		limits := logfile.Limits{Inflated: 1 << 20, Record: int(record)}
		var found []string
		sum, err := logfile.Scan(bytes.NewReader(in), limits, func(raw []byte) error {
			if record > 0 && len(raw) > max(int(record), 64) {
				t.Fatalf("found a record of %d bytes, the limit is %d", len(raw), record)
			}
			found = append(found, string(raw))
			return nil
		})
		if sum.Inflated > limits.Inflated+1<<20 {
			t.Fatalf("%d bytes were read, the limit is %d", sum.Inflated, limits.Inflated)
		}
		if err != nil && !errors.Is(err, logfile.ErrNotALogFile) && !errors.Is(err, logfile.ErrTooLarge) {
			t.Fatal(err)
		}
		var slow []string
		again, other := logfile.Scan(iotest.OneByteReader(bytes.NewReader(in)), limits, func(raw []byte) error { slow = append(slow, string(raw)); return nil })
		if !slices.Equal(found, slow) || sum != again || (err == nil) != (other == nil) {
			t.Fatalf("%q, %+v, %v; byte by byte %q, %+v, %v", found, sum, err, slow, again, other)
		}
		if text := string(in); record == 0 && valid(text) {
			want, listed, clean := parsed(text)
			if !slices.Equal(found, want) || (err == nil) != (listed && clean) {
				t.Fatalf("%q, %v; encoding/json: %q", found, err, want)
			}
		}
	})
}
