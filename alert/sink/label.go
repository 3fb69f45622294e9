package sink

import (
	"context"
	"encoding/json"
)

// label is how errors and logs name a sink: by its type and its name, as "slack chat".
// Embedded, it keeps URLs and keys out of whatever prints the sink (I11).
type label string

func (l label) String() string { return string(l) }

// GoString does so for %#v.
func (l label) GoString() string { return string(l) }

func (l label) failed(why string) *Error { return &Error{Cause: string(l) + ": " + why} }

// odd is about an answer that means yes, but is not what such a receiver answers.
func (l label) odd(what string) *Error {
	e := l.failed(what)
	e.Taken = true
	return e
}

// sendWhole sends the JSON of an alert's whole form. Where the other side finds fault
// with that, or finds it too large, the compact form follows at once, if it is shorter.
func (l label) sendWhole(ctx context.Context, whole any, compact func() any, send func(ctx context.Context, body []byte) error) error {
	body, err := json.Marshal(whole)
	if err != nil {
		return l.failed("the alert cannot be encoded")
	}
	if err = send(ctx, body); !asError(err).shorter {
		return err
	}
	small, encoding := json.Marshal(compact())
	if encoding != nil || len(small) >= len(body) {
		return err
	}
	return send(ctx, small)
}
