package sink

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxReply limits how much of an answer is read, in bytes. An answer is read so that the
// connection can be used again.
const maxReply = 64 << 10

// httpClient makes the requests of one sink. Its errors are *Errors that contain neither
// the URL nor any text of the receiver (I11). The proxy comes from the environment. It is
// safe for concurrent use.
type httpClient struct {
	label
	agent  string
	client *http.Client
}

func newHTTPClient(l label, version string) httpClient {
	return httpClient{label: l, agent: "flowkeeper/" + version, client: &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		Timeout:   maxTimeout, // the callers' contexts end earlier
		// A redirect would send the alert and its signature to a URL that is not in
		// the configuration.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close closes the idle connections.
func (c httpClient) Close() { c.client.CloseIdleConnections() }

// answer is the response of a receiver.
type answer struct {
	status int
	header http.Header
	body   []byte // its first maxReply bytes
}

// isSuccess reports whether a status is a 2xx.
func isSuccess(status int) bool { return status >= 200 && status < 300 }

// request sends one request. The body is JSON; body and header may be nil.
func (c httpClient) request(ctx context.Context, method, url string, body []byte, header http.Header) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, c.failed("the url cannot be requested: check it")
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", c.agent)
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return answer{}, c.failed(cause(err))
	}
	defer resp.Body.Close()
	// An error while reading the body only makes it shorter: the status decides.
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	return answer{resp.StatusCode, resp.Header, reply}, nil
}

// judge is the error about an answer that is not a success. Its advice says what to do
// after a refusal.
func (c httpClient) judge(a answer, advice string) *Error {
	e := c.failed(strings.TrimSpace(fmt.Sprintf("answered %d %s", a.status, http.StatusText(a.status))))
	e.shorter = a.status == http.StatusBadRequest || a.status == http.StatusRequestEntityTooLarge
	switch {
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.status == http.StatusTooManyRequests:
		e.RetryAfter = retryAfter(a.header.Get("Retry-After"), time.Now())
	case a.status >= 300 && a.status < 400:
		e.Refused = true
		e.Cause += ": redirects are not followed, configure the final URL"
	default:
		e.Refused = true
		e.Cause += ": " + advice
	}
	return e
}

// retryAfter parses the two forms of the header, seconds and a date. It is zero if the
// header is neither, or a time in the past.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(strings.TrimSpace(header), 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(header); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
