package logfile_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"flowkeeper/internal/logfile"
)

const (
	deletion = `{"eventName":"DeleteFlowLogs","eventSource":"ec2.amazonaws.com","requestParameters":{"x":"} \" {"}}`
	role     = `{"eventSource":"iam.amazonaws.com","eventName" : "DeleteRole","a":[{}]}`
	escaped  = `{"eventName":"Delete\u0046lowLogs","eventSource":"ec2.amazonaws.com"}`
	nameless = `{"eventSource":"ec2.amazonaws.com"}`
	other    = `{"eventName":"RunInstances","eventSource":"ec2.amazonaws.com","userAgent":"\"eventName\":\"DeleteFlowLogs\" \\","p":{"q":[{"r":"\\\"}]"}]}}`
	html     = `{"eventName":"PutObject","eventSource":"s3.amazonaws.com","userAgent":"a\u003db"}`
)

func zip(t testing.TB, text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, text)
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scan returns what Scan finds in a text. It checks that Scan finds the same in gzip and in plain JSON, at once and
// byte by byte, and with the smallest limit that all found records fit in.
func scan(t *testing.T, text string) (found []string, sum logfile.Summary, err error) {
	t.Helper()
	once := func(r io.Reader, l logfile.Limits) (found []string, sum logfile.Summary, err error) {
		sum, err = logfile.Scan(r, l, func(raw []byte) error { found = append(found, string(raw)); return nil })
		return found, sum, err
	}
	found, sum, err = once(strings.NewReader(text), logfile.Limits{})
	tight := logfile.Limits{Record: 1}
	for _, f := range found {
		tight.Record = max(tight.Record, len(f)+1)
	}
	for name, r := range map[string]io.Reader{"gzip": bytes.NewReader(zip(t, text)), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
		"gzip byte by byte": iotest.OneByteReader(bytes.NewReader(zip(t, text))), "error with the last byte": iotest.DataErrReader(strings.NewReader(text))} {
		f, s, e := once(r, logfile.Limits{})
		if !slices.Equal(f, found) || s != sum || fmt.Sprint(e) != fmt.Sprint(err) {
			t.Errorf("%s: %q, %+v, %v; plain: %q, %+v, %v", name, f, s, e, found, sum, err)
		}
	}
	if f, _, _ := once(strings.NewReader(text), tight); len(f) > 0 && !slices.Equal(f, found) {
		t.Errorf("with the smallest limit: %q, without: %q", f, found)
	}
	return found, sum, err
}

func file(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

func TestScanFindsWhatMayMatter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		records  int
		want     []string
	}{
		{"among others", file(other, deletion, other, html, role), 5, []string{deletion, role}},
		{"with escaped letters", file(other, escaped), 2, []string{escaped}},
		{"without a name", file(other, nameless), 2, []string{nameless}},
		{"nothing", file(other, other), 2, nil},
		{"an empty list", file(), 0, nil},
		{"spaces", " \r\n{ \"Records\" :\t[ " + deletion + " , " + other + " ] }\n", 2, []string{deletion}},
		{"a byte order mark", "\ufeff" + file(deletion), 1, []string{deletion}},
		{"other members", `{"a":"Records","b":["x",{"eventName":"DeleteFlowLogs"},[[]]],"c":{"Records":[` + role + `]},"Records":[` + deletion + `],"d":[` + role + `],"e":1}`, 1, []string{deletion}},
		{"an escaped key", `{"R\u0065cords":[` + deletion + `]}`, 1, []string{deletion}},
		{"files put together", file(deletion) + "\n" + file(role), 2, []string{deletion, role}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, sum, err := scan(t, c.in)
			if err != nil || !slices.Equal(got, c.want) || sum.Records != c.records || sum.Inflated != int64(len(c.in)) || sum.Suspect {
				t.Errorf("%q, %+v, %v", got, sum, err)
			}
		})
	}
}

// TestScanRefusesWhatIsNoLogFile: Scan returns an error that says what is wrong, and still finds the records before the
// fault.
func TestScanRefusesWhatIsNoLogFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, says string
		want           []string
	}{
		{"nothing", "", "it is empty", nil},
		{"spaces", "  ", "it is empty", nil},
		{"a page", "<html>", "byte 0 is not JSON", nil},
		{"zeros", "\x00\x00\x00", "byte 0 is not JSON", nil},
		{"half a mark", "\xef\xbb{}", "byte 2 is not JSON", nil},
		{"a list", "[" + deletion + "]", "byte 0 is not JSON", nil},
		{"no records", `{"a":[` + deletion + `]}`, "no list of Records", nil},
		{"records that are no list", `{"Records":` + deletion + `}`, "no list of Records", nil},
		{"a text among the records", file(`"x"`, deletion), "not all objects", []string{deletion}},
		{"a number", file(deletion, `1`, role), "not all objects", []string{deletion, role}},
		{"a list of records in the list", file(`[`+role+`]`, deletion), "not all objects", []string{deletion}},
		{"cut in a record", file(deletion, role)[:len(file(deletion, role))-9], "ends in the middle", []string{deletion}},
		{"cut after a record", file(deletion, role)[:len(file(deletion))-2], "ends in the middle", []string{deletion}},
		{"cut after a backslash", `{"Records":[{"a":"\`, "ends in the middle", nil},
		{"cut in a key", `{"Rec`, "ends in the middle", nil},
		{"more than the file", file(deletion) + "x", "is not JSON", []string{deletion}},
		{"a brace too many", `{"Records":[` + deletion + `}]}`, "an end without a beginning", []string{deletion}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := scan(t, c.in)
			if !errors.Is(err, logfile.ErrNotALogFile) || !strings.Contains(err.Error(), c.says) || !slices.Equal(got, c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestScanOfBrokenGzip(t *testing.T) {
	t.Parallel()
	whole := zip(t, file(deletion))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // of the checksum
	for _, c := range []struct {
		name string
		in   []byte
		says string
		want int
	}{
		{"cut", whole[:len(whole)-60], "ends in the middle", 0},
		{"cut in the checksum", whole[:len(whole)-3], "ends in the middle", 1},
		{"a header only", whole[:5], "ends in the middle", 0},
		{"a wrong checksum", flipped, "can't be inflated", 1},
		{"followed by something else", append(bytes.Clone(whole), "followed by something else"...), "can't be inflated", 1},
		{"a broken block", append(bytes.Clone(whole[:10]), 0xff, 0xff, 0xff), "can't be inflated", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			_, err := logfile.Scan(bytes.NewReader(c.in), logfile.Limits{}, func([]byte) error { n++; return nil })
			if !errors.Is(err, logfile.ErrNotALogFile) || !strings.Contains(err.Error(), c.says) || n != c.want {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
	got := 0
	members := append(zip(t, file(deletion)[:20]), zip(t, file(deletion)[20:])...)
	if sum, err := logfile.Scan(bytes.NewReader(members), logfile.Limits{}, func([]byte) error { got++; return nil }); err != nil || got != 1 || sum.Records != 1 {
		t.Errorf("gzip of several members: %d, %+v, %v", got, sum, err)
	}
}

// TestScanReturnsErrorsAsTheyAre: Scan returns an error of the reader, such as a lost connection, as it is, not as that
// of a broken file. An error of found ends the scan and is returned as it is.
func TestScanReturnsErrorsAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, in := range map[string][]byte{"plain": []byte(file(deletion)[:30]), "gzip": zip(t, file(deletion))[:30], "at once": nil, "between two documents": []byte(file(deletion))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lost := fmt.Errorf("connection lost: %w", io.EOF)
			_, err := logfile.Scan(io.MultiReader(bytes.NewReader(in), iotest.ErrReader(lost)), logfile.Limits{}, func([]byte) error { return nil })
			if !errors.Is(err, lost) || errors.Is(err, logfile.ErrNotALogFile) {
				t.Error(err)
			}
		})
	}
	full, calls := fmt.Errorf("the disk is full: %w", io.EOF), 0
	if _, err := logfile.Scan(strings.NewReader(file(deletion, deletion)), logfile.Limits{}, func([]byte) error { calls++; return full }); err != full || calls != 1 { //nolint:errorlint // the error must not be wrapped
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestScanIsBounded(t *testing.T) {
	t.Parallel()
	pad := strings.Repeat("x", 5000)
	large := func(names string) string { return `{"p":"` + pad + names + pad + `","eventName":"Other"}` }
	for _, c := range []struct {
		name, in string
		limits   logfile.Limits
		suspect  bool
		says     string
		want     []string
	}{
		{"a file", file(deletion, large("")), logfile.Limits{Inflated: 10000}, false, "more than 10000 bytes", []string{deletion}},
		{"a file of white space", strings.Repeat(" ", 100000), logfile.Limits{Inflated: 10000}, false, "more than 10000 bytes", nil},
		{"an endless key", `{"` + strings.Repeat("k", 100000), logfile.Limits{Inflated: 50000, Record: 300}, false, "more than 50000 bytes", nil},
		{"a large member that is no record", `{"a":` + large("DeleteFlowLogs") + `,` + file(deletion)[1:], logfile.Limits{Record: 300}, false, "", []string{deletion}},
		{"a record", file(role, large(""), deletion), logfile.Limits{Record: 300}, false, "a record of more than 300 bytes", []string{role, deletion}},
		{"a suspect", file(role, large("DeleteFlowLogs"), deletion), logfile.Limits{Record: 300}, true, "a record of more than 300 bytes", []string{role, deletion}},
		{"a suspect at once", file(`{"eventName":"DeleteFlowLogs","p":"` + pad + `"}`), logfile.Limits{Record: 300}, true, "a record of more than 300 bytes", nil},
		{"the usual limit", file(`{"eventName":"DeleteFlowLogs","p":"`+strings.Repeat("x", 1<<20)+`"}`, deletion), logfile.Limits{}, true, "a record of more than 1048576 bytes", []string{deletion}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(c.in), bytes.NewReader(zip(t, c.in)), iotest.OneByteReader(strings.NewReader(c.in))} {
				var got []string
				sum, err := logfile.Scan(r, c.limits, func(raw []byte) error { got = append(got, string(raw)); return nil })
				if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, logfile.ErrTooLarge) || !strings.Contains(err.Error(), c.says)) || sum.Suspect != c.suspect || !slices.Equal(got, c.want) {
					t.Errorf("%q, %+v, %v", got, sum, err)
				}
			}
		})
	}
}
