package sink

import (
	"errors"
	"time"
)

// Error says why a sink does not have an alert, and how to go on. If only Cause is set, the
// alert is tried again.
type Error struct {
	Cause      string        // for people; ends with what to do; without secrets
	Refused    bool          // the receiver rejected the alert, and will most likely reject it again
	RetryAfter time.Duration // how long the receiver wants to wait; zero: it does not say
	// Taken says that the receiver has the alert, but did not answer as such a receiver
	// usually does. The alert is not sent again. Cause says what to check.
	Taken bool

	shorter bool // the receiver may accept a shorter form of the alert
}

func (e *Error) Error() string { return e.Cause }

// asError is the Error that an error is or wraps; the zero value if there is none.
func asError(err error) Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return *e
	}
	return Error{}
}

// label names a sink in errors and logs, by type and name: "slack chat". A sink embeds it,
// so that printing the sink shows neither URLs nor keys (I11).
type label string

func (l label) String() string { return string(l) }

// GoString is String, for %#v.
func (l label) GoString() string { return string(l) }

func (l label) failed(why string) *Error { return &Error{Cause: string(l) + ": " + why} }

// unexpected is the error about an answer that means success, but is not what such a
// receiver usually answers.
func (l label) unexpected(what string) *Error {
	e := l.failed(what)
	e.Taken = true
	return e
}
