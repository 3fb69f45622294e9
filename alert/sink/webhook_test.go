package sink

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

var testSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of at least 24 bytes"))

func newTestWebhook(t *testing.T, url, secret string) *Webhook {
	t.Helper()
	w, err := NewWebhook("hook", url, secret, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestWebhookIsStandard(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Write()
	verifier, err := standardwebhooks.NewWebhook(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	var complaint atomic.Value
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var got alert.Alert
		switch {
		case err != nil:
			complaint.Store(err.Error())
		case r.Method != http.MethodPost || r.URL.Path != "/in":
			complaint.Store(r.Method + r.URL.Path)
		case r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "flowkeeper/1.2.3":
			complaint.Store(fmt.Sprint(r.Header))
		case r.Header.Get("webhook-id") != a.ID:
			complaint.Store("webhook-id " + r.Header.Get("webhook-id"))
		case verifier.Verify(body, r.Header) != nil:
			complaint.Store("the signature does not verify")
		case verifier.Verify(append(body, ' '), r.Header) == nil:
			complaint.Store("the signature verifies anything")
		case json.Unmarshal(body, &got) != nil || got.ID != a.ID || !got.DeletedAt.Equal(a.DeletedAt.Time) || got.Actor.SourceIP != "198.51.100.7":
			complaint.Store("body " + string(body))
		case strings.Contains(string(body), "null") || strings.Contains(string(body), `""`):
			complaint.Store("absent must mean unknown: " + string(body))
		}
		w.WriteHeader(http.StatusAccepted)
	})
	if err := newTestWebhook(t, s.URL+"/in", testSecret).Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if c := complaint.Load(); c != nil {
		t.Error(c)
	}
}

func TestWebhookUnsignedWithoutSecret(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("webhook-signature") != "" || r.Header.Get("webhook-id") == "" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	if err := newTestWebhook(t, s.URL, "").Send(t.Context(), alerttest.Deletion()); err != nil {
		t.Error(err)
	}
}

func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status  int
		after   string
		ok      bool
		refused bool
		want    time.Duration
	}{
		{status: 200, ok: true}, {status: 204, ok: true}, {status: 299, ok: true},
		{status: 302, refused: true}, {status: 400, refused: true}, {status: 401, refused: true},
		{status: 404, refused: true}, {status: 410, refused: true}, {status: 413, refused: true},
		{status: 408}, {status: 429, after: "17", want: 17 * time.Second}, {status: 500}, {status: 502},
		{status: 503, after: "120", want: 2 * time.Minute}, {status: 503, after: "-4"}, {status: 503, after: "soon"},
		{status: 429, after: "99999999999999", want: maxRetryAfter}, {status: 429, after: "Mon, 01 Jan 2001 00:00:00 GMT"},
	} {
		t.Run(fmt.Sprint(c.status, c.after), func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.after != "" {
					w.Header().Set("Retry-After", c.after)
				}
				w.WriteHeader(c.status)
			})
			err := newTestWebhook(t, s.URL, "").Send(t.Context(), alerttest.Deletion())
			if c.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			if e.Refused != c.refused || e.RetryAfter != c.want {
				t.Errorf("%+v", e)
			}
			if !strings.HasPrefix(e.Cause, fmt.Sprintf("webhook hook: answered %d", c.status)) {
				t.Error(e.Cause)
			}
		})
	}
}

func TestRetryAfterAsDate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if got := retryAfter("Sun, 01 Mar 2026 12:00:30 GMT", now); got != 30*time.Second {
		t.Error(got)
	}
}

func TestWebhookFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Bool
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Store(true) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		if err := newTestWebhook(t, s.URL, testSecret).Send(t.Context(), alerttest.Deletion()); err == nil {
			t.Errorf("%d counted as success", status)
		}
	}
	if elsewhere.Load() {
		t.Error("the alert went where nobody sent it")
	}
}

func TestWebhookEndsWithItsContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-release
	})
	t.Cleanup(func() { close(release) }) // runs before the server's Close
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := newTestWebhook(t, s.URL, "").Send(ctx, alerttest.Deletion())
	if err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Error(err)
	}
	if newTestWebhook(t, s.URL, "").client.Timeout != maxTimeout {
		t.Error("a try must end by itself")
	}
}

// An endless answer must cost neither memory nor the alert.
func TestWebhookReadsLittleOfTheAnswer(t *testing.T) {
	t.Parallel()
	written := make(chan int64, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		var n int64
		chunk := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			k, err := w.Write(chunk)
			if n += int64(k); err != nil {
				break
			}
		}
		written <- n
	})
	if err := newTestWebhook(t, s.URL, "").Send(t.Context(), alerttest.Deletion()); err != nil {
		t.Fatal(err)
	}
	if n := <-written; n > 64<<20 { // socket buffers, not our reading, are what it fills
		t.Errorf("%d bytes taken", n)
	}
}

func TestWebhookBodyIsBounded(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	big := map[string]string{}
	for i := range allowedTags {
		big[fmt.Sprint(i)] = strings.Repeat("v", alert.MaxField)
	}
	a.FlowLogs[0].Tags = big
	for len(a.FlowLogs) < 200 {
		a.FlowLogs = append(a.FlowLogs, a.FlowLogs[0])
	}
	var size atomic.Int64
	var omitted atomic.Int64
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var got alert.Alert
		_ = json.Unmarshal(body, &got)
		size.Store(int64(len(body)))
		omitted.Store(int64(got.Omitted + len(got.FlowLogs)))
	})
	if err := newTestWebhook(t, s.URL, "").Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if size.Load() == 0 || size.Load() > maxBody || omitted.Load() != 200 {
		t.Errorf("%d bytes, %d accounted for", size.Load(), omitted.Load())
	}
}
