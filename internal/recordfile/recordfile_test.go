package recordfile

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func bodies(in string) (out []string, err error) {
	err = values(strings.NewReader(in), func(b []byte) error { out = append(out, string(b)); return nil })
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
		{"records among other keys", `{"x":1,"Records":[{"a":1}],"y":[2]}`, []string{`{"a":1}`}},
		{"lookup-events", `{"Events":[{"a":1},{"a":2}],"NextToken":"t"}`, []string{`{"a":1}`, `{"a":2}`}},
		{"receive-message", `{"Messages":[{"Body":"b"}]}`, []string{`{"Body":"b"}`}},
		{"rows of CloudTrail Lake", `{"QueryStatus":"FINISHED","QueryResultRows":[[{"a":"b"}],[{"a":"c"}]]}`, []string{`[{"a":"b"}]`, `[{"a":"c"}]`}},
		{"filter-log-events", `{"events":[{"message":"m"}],"searchedLogStreams":[]}`, []string{`{"message":"m"}`}},
		{"get-query-results of CloudWatch Logs", `{"results":[[{"field":"@message"}]],"status":"Complete"}`, []string{`[{"field":"@message"}]`}},
		{"JSON texts that contain records", `"{\"a\":1}"` + "\n" + `"{\"a\":2}"`, []string{`{"a":1}`, `{"a":2}`}},
		{"large numbers as they are", `{"n":12345678901234567890}`, []string{`{"n":12345678901234567890}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := bodies(c.in)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// awslogs returns the event with which a subscription of CloudWatch Logs calls a Lambda function; inflated is its data
// before compression.
func awslogs(inflated string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, inflated)
	z.Close()
	return fmt.Sprintf(`{"awslogs":{"data":%q}}`, base64.StdEncoding.EncodeToString(b.Bytes()))
}

// TestSubscriptions: Messages reads the messages of subscriptions of CloudWatch Logs, in the form in which Lambda
// functions get them. A damaged one is an error of its own, and does not stop the next value.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	const head = `{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"trail","logStream":"s","subscriptionFilters":["f"],"logEvents":`
	const two = `[{"id":"1","timestamp":1,"message":"{\"a\":1}"},{"id":"2","timestamp":2,"message":"{\"a\":2}","extractedFields":{"x":"y"}}]`
	for _, c := range []struct {
		name, in string
		want     []string // "value: message", or "value! error"
	}{
		{"an event", awslogs(head + two + `}`), []string{`1: {"a":1}`, `1: {"a":2}`}},
		{"a list of events, and a record", `[` + awslogs(head+two+`}`) + `,{"b":1},` + awslogs(head+two+`}`) + `]`, []string{`1: {"a":1}`, `1: {"a":2}`, `2: {"b":1}`, `3: {"a":1}`, `3: {"a":2}`}},
		{"inflated already", head + two + `}`, []string{`1: {"a":1}`, `2: {"a":2}`}},
		{"without events", awslogs(head + `[]}`), nil},
		{"an event within an event is not opened", awslogs(awslogs(head + two + `}`)), []string{`1: ` + awslogs(head+two+`}`)}},
		{"no base64, then a record", `{"awslogs":{"data":"????"}} {"b":1}`, []string{`1! not base64`, `2: {"b":1}`}},
		{"no gzip", `{"awslogs":{"data":"eyJsb2dFdmVudHMiOltdfQ=="}} {"b":1}`, []string{`1! no gzip`, `2: {"b":1}`}},
		{"gzip that ends early", `{"awslogs":{"data":"H4sI"}} {"b":1}`, []string{`1! unexpected EOF`, `2: {"b":1}`}},
		{"data that is no JSON", awslogs(`<html>`) + ` {"b":1}`, []string{`1! not JSON`, `2: {"b":1}`}},
		{"JSON that ends early", awslogs(head+two) + ` {"b":1}`, []string{`1: {"a":1}`, `1: {"a":2}`, `1! ends in the middle`, `2: {"b":1}`}},
		{"a value that is too large", awslogs(head+`[{"id":"1","message":"`+strings.Repeat("a", 2*maxBody)+`"}]}`) + ` {"b":1}`, []string{`1! no record is that large`, `2: {"b":1}`}},
		{"awslogs that is a text", `{"awslogs":"x"}`, []string{`1: {"awslogs":"x"}`}},
		{"without data", `{"awslogs":{}}`, []string{`1: {"awslogs":{}}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			err := Messages(strings.NewReader(c.in), func(n int, message []byte, err error) error {
				if err != nil {
					got = append(got, fmt.Sprintf("%d! %v", n, err))
				} else {
					got = append(got, fmt.Sprintf("%d: %s", n, message))
				}
				return nil
			})
			same := slices.EqualFunc(got, c.want, func(g, w string) bool {
				head, words, failed := strings.Cut(w, "! ")
				return g == w || failed && strings.HasPrefix(g, head+"! ") && strings.Contains(g, words)
			})
			if err != nil || !same {
				t.Errorf("%.300q, %v", got, err)
			}
		})
	}
}

// TestSubscriptionsAreBounded: the data of all subscription events of a file together is limited, because each event
// may be a decompression bomb.
func TestSubscriptionsAreBounded(t *testing.T) {
	t.Parallel()
	one := awslogs(`{"logEvents":[` + strings.Repeat(" ", 1000) + `{"id":"1","message":"{}"}]}`)
	in := strings.Repeat(one, 10)
	for limit, want := range map[int64]int{1 << 20: 10, 5000: 4} {
		n := 0
		m := messages{left: limit, fn: func(_ int, _ []byte, err error) error { n++; return err }}
		if err := m.read(strings.NewReader(in)); n != want || (want < 10) != errors.Is(err, errTooLarge) {
			t.Errorf("%d bytes: %d messages, %v", limit, n, err)
		}
	}
	refused := errors.New("refused")
	if err := Messages(strings.NewReader(one), func(int, []byte, error) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("the caller's own error: %v", err)
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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := bodies(in); err == nil {
				t.Errorf("passes as %q", got)
			}
		})
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

// endless is a JSON text that never ends, like the content of a decompression bomb.
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
		err := values(&endless{head}, func([]byte) error { return nil })
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

// TestExpandUnwrapsOneLevel: expand opens only the outer form of a value. The watcher unwraps what is inside, within
// its own limits.
func TestExpandUnwrapsOneLevel(t *testing.T) {
	t.Parallel()
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	record := `{"eventName":"X"}`
	event := `{"CloudTrailEvent":` + quoted(record) + `}`
	for name, c := range map[string]struct{ in, want string }{
		"record":                     {record, record},
		"event of lookup-events":     {event, record},
		"text with a record":         {quoted(record), record},
		"event within an event":      {`{"CloudTrailEvent":` + quoted(event) + `}`, event},
		"text with an event":         {quoted(event), event},
		"message of SQS":             {`{"ReceiptHandle":"h","Body":"text"}`, "text"},
		"message of an SDK":          {`{"receiptHandle":"h","body":"{}"}`, "{}"},
		"body alone":                 {`{"Body":"{}"}`, `{"Body":"{}"}`}, // not a message of SQS: these have a receipt handle
		"event of filter-log-events": {`{"logStreamName":"l","timestamp":1,"message":` + quoted(record) + `,"ingestionTime":2,"eventId":"3"}`, record},
		"event of a subscription":    {`{"id":"1","timestamp":1,"message":` + quoted(record) + `}`, record},
		"EventBridge's envelope":     {`{"id":"1","detail-type":"x","detail":{"message":"x"}}`, `{"id":"1","detail-type":"x","detail":{"message":"x"}}`}, // the watcher unwraps it
		"SNS's envelope":             {`{"Type":"Notification","MessageId":"1","Message":"x"}`, `{"Type":"Notification","MessageId":"1","Message":"x"}`}, // the watcher unwraps it, too
		"row of CloudWatch Logs":     {`[{"field":"@message","value":` + quoted(record) + `},{"field":"@ptr","value":"p"}]`, record},
		"event that is a number":     {`{"CloudTrailEvent":7}`, `{"CloudTrailEvent":7}`},
		"text":                       {`"text"`, `"text"`},
		"empty row":                  {`[[]]`, `[[]]`},
		"row of CloudTrail Lake":     {`[{"eventData":` + quoted(record) + `},{"n":1}]`, record},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := expand([]byte(c.in))
			if err != nil || len(got) != 1 || string(got[0]) != c.want {
				t.Errorf("%s: %q, %v", c.in, got, err)
			}
		})
	}
	if got, err := expand([]byte(`[{"eventName":"X"}]`)); !errors.Is(err, errNoRecordInRow) {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzExpand: for any input, expand returns an error or at least one value, and not both.
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

// FuzzSplit: for any input, all records that are found are valid JSON, and an error has a text.
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
