package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"flowkeeper/alert/alerttest"
)

// sinksAt are the sinks that post to a URL. It contains secrets, except the pager's.
func sinksAt(t *testing.T, base string) map[string]Sink {
	t.Helper()
	return map[string]Sink{
		"webhook hook":    newTestWebhook(t, secretURL(base), testSecret),
		"slack chat":      newTestSlack(t, secretURL(base)),
		"pagerduty pager": newTestPager(t, base),
	}
}

func transportOf(s Sink) *http.Transport {
	switch s := s.(type) {
	case *Webhook:
		return s.client.Transport.(*http.Transport)
	case *Slack:
		return s.client.Transport.(*http.Transport)
	case *PagerDuty:
		return s.client.Transport.(*http.Transport)
	}
	panic("no transport")
}

// echo answers with the whole request in the body, and with secrets in the headers.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "https://example.invalid/"+secretPath)
		w.Header().Set("Retry-After", secretPath)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%q,"message":%q,"errors":[%q]}`, r.URL.String(), fmt.Sprint(r.Header), body)
	}
}

// TestI11EverySinkFailsInEveryWay: no error of a sink contains a secret.
func TestI11EverySinkFailsInEveryWay(t *testing.T) {
	t.Parallel()
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	at := func(h http.HandlerFunc) string { return serve(t, h) }
	plain := at(echo(200))
	proxied := func(proxy string) func(*http.Transport) {
		u, err := url.Parse(secretURL(proxy))
		if err != nil {
			t.Fatal(err)
		}
		return func(tr *http.Transport) { tr.Proxy = http.ProxyURL(u) }
	}
	for name, c := range map[string]struct {
		base  string
		setup func(*http.Transport)
		want  string
	}{
		"refused connection": {base: closedPort(t), want: "connection refused"},
		"hang up":            {base: hangUp(t), want: "closed without an answer"},
		"unknown authority":  {base: tlsServer.URL, want: "unknown authority"},
		"plain as TLS":       {base: strings.Replace(plain, "http:", "https:", 1), want: "does not speak TLS"},
		"no such host": {base: "https://example.invalid", want: "host name does not exist", setup: func(tr *http.Transport) {
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "no such host", Name: "example.invalid", IsNotFound: true}
			}
		}},
		"400":                    {base: at(echo(400)), want: "answered 400"},
		"403":                    {base: at(echo(403)), want: "answered 403"},
		"404":                    {base: at(echo(404)), want: "answered 404"},
		"429":                    {base: at(echo(429)), want: "answered 429"},
		"500":                    {base: at(echo(500)), want: "answered 500"},
		"redirect":               {base: at(echo(302)), want: "redirects are not followed"},
		"odd status":             {base: at(echo(799)), want: "answered 799"},
		"proxy refuses":          {base: "https://example.invalid", setup: proxied(closedPort(t)), want: "the proxy: connection refused"},
		"proxy wants a password": {base: "https://example.invalid", setup: proxied(at(echo(407))), want: "the request failed"},
		"proxy fails":            {base: "http://example.invalid", setup: proxied(at(echo(502))), want: "answered 502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for who, s := range sinksAt(t, c.base) {
				if c.setup != nil {
					c.setup(transportOf(s))
				}
				err := s.Send(t.Context(), alerttest.Deletion())
				var e *Error
				if !errors.As(err, &e) || !strings.HasPrefix(e.Cause, who+": ") || !strings.Contains(e.Cause, c.want) {
					t.Errorf("%s: %v", who, err)
					continue
				}
				if all := fmt.Sprintf("%v %+v %#v %v %+v %#v", err, err, err, s, s, s); leaks(all) || strings.Contains(all, testRoutingKey) {
					t.Errorf("%s: %s", who, all)
				}
				for under := err; under != nil; under = errors.Unwrap(under) {
					if u := (*url.Error)(nil); errors.As(under, &u) {
						t.Errorf("%s: the URL is still inside", who)
					}
				}
			}
		})
	}
}
