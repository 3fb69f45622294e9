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
)

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
