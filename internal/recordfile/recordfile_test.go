package recordfile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func bodies(in string) (out []string, err error) {
	err = splitJSON(strings.NewReader(in), func(b []byte) error { out = append(out, string(b)); return nil })
	return out, err
}

func TestSplitFindsRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"a log file", `{"Records":[{"a":1},{"a":2}]}`, []string{`{"a":1}`, `{"a":2}`}},
		{"an empty log file", `{"Records":[]}`, nil},
		{"a bare record", ` {"eventName":"X"} `, []string{`{"eventName":"X"}`}},
		{"an envelope", `{"version":"0","detail":{"eventName":"X"}}`, []string{`{"detail":{"eventName":"X"},"version":"0"}`}},
		{"lines", "{\"a\":1}\n{\"a\":2}\n", []string{`{"a":1}`, `{"a":2}`}},
		{"a list", `[{"a":1},{"a":2}]`, []string{`{"a":1}`, `{"a":2}`}},
		{"other keys beside the records", `{"x":1,"Records":[{"a":1}],"y":[2]}`, []string{`{"a":1}`}},
		{"lookup-events", `{"Events":[{"a":1},{"a":2}],"NextToken":"t"}`, []string{`{"a":1}`, `{"a":2}`}},
		{"receive-message", `{"Messages":[{"Body":"b"}]}`, []string{`{"Body":"b"}`}},
		{"rows of CloudTrail Lake", `{"QueryStatus":"FINISHED","QueryResultRows":[[{"a":"b"}],[{"a":"c"}]]}`, []string{`[{"a":"b"}]`, `[{"a":"c"}]`}},
		{"filter-log-events", `{"events":[{"message":"m"}],"searchedLogStreams":[]}`, []string{`{"message":"m"}`}},
		{"get-query-results of CloudWatch Logs", `{"results":[[{"field":"@message"}]],"status":"Complete"}`, []string{`[{"field":"@message"}]`}},
		{"texts that hold records", `"{\"a\":1}"` + "\n" + `"{\"a\":2}"`, []string{`{"a":1}`, `{"a":2}`}},
		{"large numbers as they are", `{"n":12345678901234567890}`, []string{`{"n":12345678901234567890}`}},
	} {
		got, err := bodies(c.in)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestSplitRefusesWhatIsNoLogFile(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"nothing":          "",
		"a text":           `"text"`,
		"half a file":      `{"Records":[{"a":1},{"a"`,
		"no JSON":          `<html>`,
		"records, no list": `{"Records":{"a":1}}`,
		"events, no list":  `{"Events":{"a":1}}`,
		"a value too many": `{"a":1}}`,
	} {
		if got, err := bodies(in); err == nil {
			t.Errorf("%s: passes as %q", name, got)
		}
	}
}

func TestGzipIsFoundByItsContent(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, `{"Records":[{"a":1}]}`)
	z.Close()
	n := 0
	if err := Messages(&b, func(_ int, _ []byte, err error) error { n++; return err }); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// endless is a JSON text that never ends, as a decompression bomb has.
type endless struct{ head string }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for i := n; i < len(p); i++ {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestOneValueIsBounded(t *testing.T) {
	t.Parallel()
	for _, head := range []string{`{"Records":[{"a":"`, `{"a":"`, `["`, `{"`, `"`} {
		err := splitJSON(&endless{head}, func([]byte) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "no record is that large") {
			t.Errorf("%s: %v", head, err)
		}
	}
}

func TestAFileIsBounded(t *testing.T) {
	t.Parallel()
	b := &bounded{r: &endless{}, total: 100, value: 1000}
	n, err := io.Copy(io.Discard, b)
	if n != 100 || !errors.Is(err, errTooLarge) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestExpandUnwrapsOneLevel: the watcher unwraps the rest, within its own limits.
func TestExpandUnwrapsOneLevel(t *testing.T) {
	t.Parallel()
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	record := `{"eventName":"X"}`
	event := `{"CloudTrailEvent":` + quoted(record) + `}`
	for _, c := range []struct{ in, want string }{
		{record, record},
		{event, record},
		{quoted(record), record},
		{`{"CloudTrailEvent":` + quoted(event) + `}`, event},
		{quoted(event), event},
		{`{"ReceiptHandle":"h","Body":"text"}`, "text"},
		{`{"receiptHandle":"h","body":"{}"}`, "{}"},
		{`{"Body":"{}"}`, `{"Body":"{}"}`}, // no message of SQS
		{`{"logStreamName":"l","timestamp":1,"message":` + quoted(record) + `,"ingestionTime":2,"eventId":"3"}`, record},
		{`{"Type":"Notification","Message":"x"}`, `{"Type":"Notification","Message":"x"}`}, // the watcher unwraps it
		{`[{"field":"@message","value":` + quoted(record) + `},{"field":"@ptr","value":"p"}]`, record},
		{`{"CloudTrailEvent":7}`, `{"CloudTrailEvent":7}`},
		{`"text"`, `"text"`},
		{`[[]]`, `[[]]`},
		{`[{"eventData":` + quoted(record) + `},{"n":1}]`, record},
	} {
		got, err := expand([]byte(c.in))
		if err != nil || len(got) != 1 || string(got[0]) != c.want {
			t.Errorf("%s: %q, %v", c.in, got, err)
		}
	}
	if got, err := expand([]byte(`[{"eventName":"X"}]`)); !errors.Is(err, errNoRecordInRow) {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzExpand never fails on what it does not know.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{`{"CloudTrailEvent":"{}"}`, `[{"a":"{\"eventName\":1}"}]`, `"{}"`, `{"Sns":{"Message":"x"}}`, `{"Sns":[]}`, `{"ReceiptHandle":"h","Body":"b"}`, `[`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := expand(in)
		if (err != nil) == (len(got) > 0) {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

// FuzzSplit: any input ends in records that are JSON, or in an error.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{`{"Records":[{"a":1},{"a":2}]}`, `{"a":[1,{"b":null}]}`, "[1]\n{}", `{"Records":1}`, `{"a"`, `}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := bodies(in)
		for _, b := range got {
			if !json.Valid([]byte(b)) {
				t.Fatalf("%q of %q is not JSON", b, in)
			}
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
	})
}
