package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"flowkeeper/alert/alerttest"
)

const (
	secretPath  = "T0KEN-IN-PATH"
	secretQuery = "T0KEN-IN-QUERY"
	secretUser  = "pa55word"
)

// leaks reports whether a text has a secret, a URL or a host name, which it must not.
func leaks(s string) bool {
	for _, x := range []string{secretPath, secretQuery, secretUser, testSecret, testSecret[6:], "127.0.0.1", "localhost", "example.invalid", "https://", "http://"} {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}

func secretURL(base string) string {
	scheme, host, _ := strings.Cut(base, "://")
	return fmt.Sprintf("%s://user:%s@%s/%s?token=%s", scheme, secretUser, host, secretPath, secretQuery)
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// hangUp is a server that closes every connection unanswered.
func hangUp(t *testing.T) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	})
}

func TestI11CauseKeepsNothingOfTheError(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error {
		return &url.Error{Op: "Post", URL: secretURL("https://example.invalid"), Err: err}
	}
	dial := func(op string, err error) error {
		return &net.OpError{Op: op, Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: err}
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"unknown host":        {&net.DNSError{Err: "no such host", Name: "example.invalid", IsNotFound: true}, "host name does not exist"},
		"DNS misbehaves":      {&net.DNSError{Err: "server misbehaving", Name: "example.invalid"}, "could not be looked up"},
		"DNS is silent":       {&net.DNSError{Err: "i/o timeout", Name: "example.invalid", IsTimeout: true}, "no answer in time"},
		"connection refused":  {dial("dial", syscall.ECONNREFUSED), "connection refused"},
		"no route":            {dial("dial", syscall.ENETUNREACH), "not reachable"},
		"connection reset":    {dial("read", syscall.ECONNRESET), "connection reset"},
		"proxy refuses":       {dial("proxyconnect", syscall.ECONNREFUSED), "the proxy: connection refused"},
		"invalid certificate": {&tls.CertificateVerificationError{Err: errors.New("example.invalid")}, "not valid"},
		"TLS alert":           {tls.AlertError(42), "handshake was refused"},
		"time is over":        {context.DeadlineExceeded, "no answer in time"},
		"interrupted":         {context.Canceled, "interrupted"},
		"answer is cut":       {io.ErrUnexpectedEOF, "closed without an answer"},
		"URL of a proxy":      {errors.New("parse http://user:" + secretUser + "@example.invalid: bad proxy"), "the request failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := cause(wrap(c.err))
			if !strings.HasPrefix(got, c.want) && !strings.Contains(got, c.want) || leaks(got) {
				t.Errorf("%v: %q", c.err, got)
			}
		})
	}
}

func TestI11PrintingASinkShowsNoSecret(t *testing.T) {
	t.Parallel()
	w := newTestWebhook(t, secretURL("https://example.invalid"), testSecret)
	if s := fmt.Sprintf("%v %+v %#v %s", w, w, w, w); leaks(s) {
		t.Error(s)
	}
	for _, bad := range []string{"http://[" + secretPath, secretPath} {
		if err := newTestWebhook(t, bad, "").Send(t.Context(), alerttest.Deletion()); err == nil || leaks(err.Error()) {
			t.Error(err)
		}
	}
	if _, err := NewWebhook("hook", "https://h/", "whsec_"+secretUser+"!", "1"); err == nil || leaks(err.Error()) {
		t.Error(err)
	}
}
