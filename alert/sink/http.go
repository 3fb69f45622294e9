package sink

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxReply bounds what is read of an answer. Reading it lets the connection be
// used again.
const maxReply = 64 << 10

// httpClient posts JSON for one sink. Its errors are *Errors with neither the
// URL nor anything that the other side wrote (I11). The proxy comes from the
// environment.
type httpClient struct {
	who    string // "webhook NAME"
	agent  string
	client *http.Client
}

func newHTTPClient(who, version string) httpClient {
	return httpClient{who: who, agent: "flowkeeper/" + version, client: &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		Timeout:   maxTimeout, // whoever calls has a shorter one
		// A redirect would take the alert, and its signature, to a place that
		// nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// String keeps the URL out of whatever prints a sink (I11).
func (c httpClient) String() string { return c.who }

// GoString does so for %#v.
func (c httpClient) GoString() string { return c.who }

// Close gives back the idle connections.
func (c httpClient) Close() { c.client.CloseIdleConnections() }

func (c httpClient) newRequest(ctx context.Context, url, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, c.failed("the url cannot be requested: check it")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.agent)
	return req, nil
}

// do sends the request and reads the start of the answer.
func (c httpClient) do(req *http.Request) (resp *http.Response, reply []byte, err error) {
	if resp, err = c.client.Do(req); err != nil {
		return nil, nil, c.failed(cause(err))
	}
	defer resp.Body.Close()
	// A broken body is a short one: the status has said what counts.
	reply, _ = io.ReadAll(io.LimitReader(resp.Body, maxReply))
	return resp, reply, nil
}

// isSuccess reports a 2xx.
func isSuccess(status int) bool { return status >= 200 && status < 300 }

func (c httpClient) failed(why string) *Error { return &Error{Cause: c.who + ": " + why} }

// judge words a status that is no success. Advice is what to try after a
// refusal.
func (c httpClient) judge(status int, header http.Header, advice string) *Error {
	e := c.failed(strings.TrimSpace(fmt.Sprintf("answered %d %s", status, http.StatusText(status))))
	e.shorter = status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge
	switch {
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		e.RetryAfter = retryAfter(header.Get("Retry-After"), time.Now())
	case status >= 300 && status < 400:
		e.Refused = true
		e.Cause += ": redirects are not followed, configure the final URL"
	default:
		e.Refused = true
		e.Cause += ": " + advice
	}
	return e
}

// retryAfter reads the header's two forms, seconds and a date; zero where it
// says nothing or lies in the past.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(strings.TrimSpace(header), 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(header); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
