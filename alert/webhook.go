package alert

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// minSecret is the least a signing secret may have, in bytes (Standard
// Webhooks). The library would sign with an empty one.
const minSecret = 24

// maxBody bounds what is posted: a thousand flow logs with every tag allowed
// would be more than most receivers take.
const maxBody = 4 << 20

// maxReply bounds what is read of an answer. Nothing of it is used; reading
// it lets the connection be used again.
const maxReply = 64 << 10

// Webhook posts alerts to a URL: the alert's JSON as the body, with the
// headers of Standard Webhooks, signed if there is a secret. The proxy comes
// from the environment.
type Webhook struct {
	name   string
	url    string // secret: many carry a token in path or query
	agent  string
	signer *standardwebhooks.Webhook // nil: unsigned
	client *http.Client
}

// NewWebhook returns the webhook sink called name. The secret is whsec_ and
// base64 of at least 24 bytes, or empty. Its errors name neither URL nor secret.
func NewWebhook(name, target, secret, version string) (*Webhook, error) {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("webhook %s: the url is not an http(s) one: write it whole", name)
	}
	w := &Webhook{name: name, url: target, agent: "flowkeeper/" + version, client: newClient()}
	if secret == "" {
		return w, nil
	}
	if w.signer, err = newSigner(secret); err != nil {
		return nil, fmt.Errorf("webhook %s: the secret %w", name, err)
	}
	return w, nil
}

// newSigner checks the secret's form first: the library takes any.
func newSigner(secret string) (*standardwebhooks.Webhook, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		return nil, errors.New("does not begin with whsec_: copy it whole")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("is not base64 after whsec_: copy it whole")
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("has fewer than %d bytes: make a longer one", minSecret)
	}
	return standardwebhooks.NewWebhookRaw(key)
}

func newClient() *http.Client {
	return &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		Timeout:   sendTimeout,
		// A redirect would take the alert, and its signature, to a place that
		// nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// String keeps the URL and the secret out of whatever prints a sink (I11).
func (w *Webhook) String() string { return "webhook " + w.name }

// GoString does so for %#v.
func (w *Webhook) GoString() string { return w.String() }

// Close gives back the idle connections.
func (w *Webhook) Close() { w.client.CloseIdleConnections() }

// Send posts the alert; any 2xx is success.
func (w *Webhook) Send(ctx context.Context, a Alert) error {
	req, err := w.request(ctx, a, time.Now())
	if err != nil {
		return err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return &SendError{Cause: w.String() + ": " + cause(err)}
	}
	defer resp.Body.Close()
	// A broken body changes nothing: the status has said it.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply))
	return w.judge(resp, time.Now())
}

func (w *Webhook) request(ctx context.Context, a Alert, now time.Time) (*http.Request, error) {
	body, err := fit(a, maxBody)
	if err != nil {
		return nil, fmt.Errorf("%s: encoding the alert: %w", w, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, strings.NewReader(body))
	if err != nil {
		return nil, &SendError{Cause: w.String() + ": the url cannot be requested: check it"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set(standardwebhooks.HeaderWebhookID, a.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if w.signer == nil {
		return req, nil
	}
	signature, err := w.signer.Sign(a.ID, now, []byte(body))
	if err != nil {
		return nil, &SendError{Cause: w.String() + ": the alert cannot be signed: check the secret"}
	}
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return req, nil
}

// judge turns an answer's status into nil or a *SendError.
func (w *Webhook) judge(resp *http.Response, now time.Time) error {
	status := resp.StatusCode
	if status >= 200 && status < 300 {
		return nil
	}
	e := &SendError{Cause: fmt.Sprintf("%s: answered %d %s", w, status, http.StatusText(status))}
	switch {
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	case status >= 300 && status < 400:
		e.Refused = true
		e.Cause += ": redirects are not followed, configure the final URL"
	default:
		e.Refused = true
		e.Cause += ": check its url and secret, and the receiver's own log"
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
