package sink

import (
	"errors"
	"time"
)

// Error is why a sink does not have an alert, and what that means for the next try.
// With Cause alone it means: try again.
type Error struct {
	Cause      string        // for people; ends in what to try; no secrets
	Refused    bool          // the other side understood and said no: the same alert will hardly pass later
	RetryAfter time.Duration // the other side's wish; zero: none
	// Taken: the other side answered that it has the alert, but not as one of its
	// kind does. Nothing is sent again after such an answer; Cause says what to check.
	Taken bool

	shorter bool // it may take a shorter form of the same alert at once
}

func (e *Error) Error() string { return e.Cause }

// asError is what an error says about the next try; nothing where it is no *Error.
func asError(err error) Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return *e
	}
	return Error{}
}

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
