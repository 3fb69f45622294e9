package sink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
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

// unexpected is the error about an answer that means success, but is not the usual one of
// such a receiver.
func (l label) unexpected(what string) *Error {
	e := l.failed(what)
	e.Taken = true
	return e
}

// cause says why a request got no answer, without any of the error's own text: a *url.Error
// contains the whole URL, errors about a proxy its password, errors about names and
// certificates the host (I11).
func cause(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return "the proxy: " + reason(op.Err)
	}
	return reason(err)
}

func reason(err error) string {
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), timeout != nil && timeout.Timeout():
		return "no answer in time: is it reachable from here?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: is it running?"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "not reachable: check route and firewall"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "its host name does not exist: check the url"
	}
	switch {
	case is[*net.DNSError](err):
		return "its host name could not be looked up: check DNS"
	case is[x509.UnknownAuthorityError](err):
		return "its certificate is signed by an unknown authority: install the certificate of that authority"
	case is[x509.HostnameError](err):
		return "its certificate is for another host name: check the url"
	case is[x509.CertificateInvalidError](err), is[*tls.CertificateVerificationError](err):
		return "its certificate is not valid (expired?)"
	case is[tls.RecordHeaderError](err), err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not speak TLS: is it http rather than https?"
	case is[tls.AlertError](err):
		return "the TLS handshake was refused"
	}
	return "the request failed: check its url, and the proxy if there is one"
}

// is reports whether an error has the type E, or wraps one that has.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
