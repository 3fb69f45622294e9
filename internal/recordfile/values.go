package recordfile

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of what is read. CloudTrail's log files are up to 50 MB compressed; a
// file that inflates beyond maxInflated is a decompression bomb.
const (
	maxInflated = 2 << 30 // bytes of one file
	maxBody     = 8 << 20 // bytes of one JSON value that is held at once
)

var errTooLarge = fmt.Errorf("more than %d GiB of JSON: split the file", maxInflated>>30)

// Messages calls fn with each record or message in a file, gzip or not, and with n, which
// counts the JSON values of the file. The elements of a top-level list, such as "Records",
// are a value each, so that a file with many records takes little memory. fn also gets the
// error of a value that holds neither, and the reading goes on; an error of fn ends it.
func Messages(file io.Reader, fn func(n int, message []byte, err error) error) error {
	m := messages{fn: fn, left: maxInflated}
	return m.read(file)
}

// messages passes on what is in one file.
type messages struct {
	fn   func(n int, message []byte, err error) error
	n    int   // values so far
	left int64 // bytes that all subscriptions of the file together may still inflate to
}

func (m *messages) read(file io.Reader) error {
	return values(file, func(value []byte) error {
		m.n++
		if data := subscription(value); data != "" {
			return m.subscription(data)
		}
		return m.expand(value)
	})
}

// expand calls fn with what is in one value.
func (m *messages) expand(value []byte) error {
	found, err := expand(value)
	if err != nil {
		return m.fn(m.n, nil, err)
	}
	for _, message := range found {
		if err := m.fn(m.n, message, nil); err != nil {
			return err
		}
	}
	return nil
}

// subscription calls fn with what a subscription of CloudWatch Logs has passed on: base64 of gzip. It
// holds one event at a time. A subscription within a subscription is not opened.
func (m *messages) subscription(data string) error {
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)))
	if err != nil {
		return m.fn(m.n, nil, subscriptionError(err))
	}
	defer z.Close()
	var refused error // by fn
	b := &bounded{r: z, total: m.left}
	err = b.split(func(value []byte) error {
		refused = m.expand(value)
		return refused
	})
	m.left = b.total
	switch {
	case refused != nil:
		return refused
	case errors.Is(err, errTooLarge): // the bound is for all subscriptions of the file together: no further one fits
		return err
	case err != nil:
		return m.fn(m.n, nil, subscriptionError(err))
	}
	return nil
}

func subscriptionError(err error) error {
	if _, ok := errors.AsType[base64.CorruptInputError](err); ok {
		return fmt.Errorf("awslogs.data of a subscription of CloudWatch Logs is not base64: %w", err)
	}
	if errors.Is(err, gzip.ErrHeader) {
		return fmt.Errorf("awslogs.data of a subscription of CloudWatch Logs is no gzip: %w", err)
	}
	return fmt.Errorf("awslogs.data of a subscription of CloudWatch Logs: %w", err)
}

// values calls fn with each value in a file, gzip or not.
func values(file io.Reader, fn func(value []byte) error) error {
	in := bufio.NewReaderSize(file, 64<<10)
	b := &bounded{r: in, total: maxInflated}
	if magic, _ := in.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("it begins as gzip does, but is none: %w", err)
		}
		defer z.Close()
		b.r = z
	}
	return b.split(fn)
}

// bounded fails at its limits. io.LimitReader would end instead, so that a part of a
// file would be taken for the whole.
type bounded struct {
	r     io.Reader
	total int64 // left of the file
	value int64 // left of the value being read
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.total <= 0 {
		return 0, errTooLarge
	}
	if b.value <= 0 {
		return 0, fmt.Errorf("a single JSON value of more than %d MiB: no record is that large", maxBody>>20)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.total, b.value)])
	b.total -= int64(n)
	b.value -= int64(n)
	return n, err
}

// split calls fn with the values in a stream of JSON.
func (b *bounded) split(fn func(value []byte) error) error {
	d := json.NewDecoder(b)
	d.UseNumber()
	for n := 0; ; n++ {
		b.value = maxBody
		t, err := d.Token()
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return errors.New("it is empty")
		}
		if err == nil {
			err = value(d, b, t, fn)
		}
		if err != nil {
			return syntaxError(d, err)
		}
	}
}

// value reads one top-level value, whose first token is t.
func value(d *json.Decoder, b *bounded, t json.Token, fn func([]byte) error) error {
	switch t {
	case json.Delim('['):
		return elements(d, b, fn)
	case json.Delim('{'):
		return object(d, b, fn)
	}
	if text, ok := t.(string); ok && holdsObject(text) {
		return fn([]byte(text))
	}
	return errors.New("not a CloudTrail record or log file: it holds neither an object nor a list")
}

// elements reads a list of records up to its end.
func elements(d *json.Decoder, b *bounded, fn func([]byte) error) error {
	for d.More() {
		b.value = maxBody
		var body json.RawMessage
		if err := d.Decode(&body); err != nil {
			return err
		}
		if err := fn(body); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// object reads one object. If it has a list of records, fn gets these one by one; else fn gets the whole object.
func object(d *json.Decoder, b *bounded, fn func([]byte) error) error {
	whole := map[string]json.RawMessage{}
	records := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if name, ok := key.(string); ok && lists[name] {
			if t, err := d.Token(); err != nil {
				return err
			} else if t != json.Delim('[') {
				return fmt.Errorf("%q is not a list", name)
			}
			if err := elements(d, b, fn); err != nil {
				return err
			}
			records = true
			continue
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		whole[fmt.Sprint(key)] = v
	}
	if _, err := d.Token(); err != nil || records {
		return err
	}
	body, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	return fn(body)
}

// syntaxError says where the JSON is wrong; any other error stays as it is.
func syntaxError(d *json.Decoder, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the JSON ends in the middle, after %d bytes: is the file complete?", d.InputOffset())
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d (expected: a record, a log file, .json or .json.gz, or a message): %w", d.InputOffset(), err)
	}
	return err
}
