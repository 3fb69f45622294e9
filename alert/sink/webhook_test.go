package sink

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

func TestWebhookUnsignedWithoutSecret(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("webhook-signature") != "" || r.Header.Get("webhook-id") == "" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	if err := newTestWebhook(t, url, "").Send(t.Context(), alerttest.Deletion()); err != nil {
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
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.after != "" {
					w.Header().Set("Retry-After", c.after)
				}
				w.WriteHeader(c.status)
			})
			err := newTestWebhook(t, url, "").Send(t.Context(), alerttest.Deletion())
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
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, status) })
		if err := newTestWebhook(t, url, testSecret).Send(t.Context(), alerttest.Deletion()); err == nil {
			t.Errorf("%d counted as success", status)
		}
	}
	if elsewhere.Load() {
		t.Error("the alert was sent to the target of the redirect")
	}
}

// TestWebhookReadsLittleOfTheAnswer: an endless answer needs little memory, and the alert
// counts as delivered.
func TestWebhookReadsLittleOfTheAnswer(t *testing.T) {
	t.Parallel()
	written := make(chan int64, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
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
	if err := newTestWebhook(t, url, "").Send(t.Context(), alerttest.Deletion()); err != nil {
		t.Fatal(err)
	}
	if n := <-written; n > 64<<20 { // most of it is in socket buffers
		t.Errorf("%d bytes taken", n)
	}
}
