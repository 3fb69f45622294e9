package alert

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

// cause says why a request got no answer, in words of our own. Nothing of the
// error's text is kept: a *url.Error carries the whole URL, errors about a
// proxy its password, errors about names and certificates the host (I11).
func cause(err error) string {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "proxyconnect" {
		return "the proxy: " + reason(op.Err)
	}
	return reason(err)
}

func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
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
	if why := nameOrCertificate(err); why != "" {
		return why
	}
	return "the request failed: check its url, and the proxy if there is one"
}

// nameOrCertificate knows the errors that are types.
func nameOrCertificate(err error) string {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alertErr  tls.AlertError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "its host name does not exist: check the url"
	case errors.As(err, &dns):
		return "its host name could not be looked up: check DNS"
	case errors.As(err, &authority):
		return "its certificate is signed by an unknown authority: install that one's certificate"
	case errors.As(err, &host):
		return "its certificate is for another host name: check the url"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "its certificate is not valid (expired?)"
	case errors.As(err, &record), err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not speak TLS: is it http rather than https?"
	case errors.As(err, &alertErr):
		return "the TLS handshake was refused"
	}
	return ""
}
