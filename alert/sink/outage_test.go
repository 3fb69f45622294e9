package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

// outage is a transport that fails by fail until the time until, and then passes requests
// to a receiver. It needs no sockets, so that it works in a synctest bubble.
type outage struct {
	until    time.Time
	fail     func(*http.Request) (*http.Response, error)
	receiver http.Handler
	tries    int // requests during the outage
}

func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(o.until) {
		o.tries++
		return o.fail(r)
	}
	w := httptest.NewRecorder()
	o.receiver.ServeHTTP(w, r)
	return w.Result(), nil
}

func response(r *http.Request, status int, h http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: h, Request: r, Body: io.NopCloser(strings.NewReader(body))}
}

func refuse(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

func fail500(r *http.Request) (*http.Response, error) {
	return response(r, 500, http.Header{}, "oops"), nil
}

func fail429(r *http.Request) (*http.Response, error) {
	return response(r, 429, http.Header{"Retry-After": {"40"}}, "rate_limited"), nil
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// arrivals records the alerts that a sink has taken, in order.
type arrivals struct {
	Sink
	mu  sync.Mutex
	got []alert.Alert
}

func (a *arrivals) Send(ctx context.Context, x alert.Alert) error {
	err := a.Sink.Send(ctx, x)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.got = append(a.got, x)
	}
	return err
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

// events are the alerts of n events: first all deletion alerts, then all restored and all
// closed ones.
func events(n int) (out []alert.Alert) {
	for step, kind := range []alert.Kind{alert.Deletion, alert.Restored, alert.Closed} {
		for e := range n {
			a := alerttest.Deletion()
			a.ID, a.DedupKey = alert.ID("outage", fmt.Sprint(e, step)), alert.DedupKey("outage", fmt.Sprint(e))
			a.Kind, a.Time = kind, alert.Time{Time: time.Now()}
			a.Write()
			out = append(out, a)
		}
	}
	return out
}

// TestI7SinksDownForAnHourMissNothing: every sink fails for an hour, each in another way,
// while 201 alerts wait. Then each sink gets all of them, those of one event in
// order, and none twice.
func TestI7SinksDownForAnHourMissNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		back := begin.Add(time.Hour)
		var slackIn strictSlack
		var pagerIn strictPager
		ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		ways := map[string]*outage{
			"refused": {until: back, fail: refuse, receiver: ok},
			"broken":  {until: back, fail: fail500, receiver: &slackIn},
			"limited": {until: back, fail: fail429, receiver: &pagerIn},
			"hanging": {until: back, fail: hang, receiver: ok},
		}
		via := func(c httpClient, way string) { c.client.Transport = ways[way] }
		hook, slow, chat, pager := newTestWebhook(t, "https://example.invalid", testSecret), newTestWebhook(t, "https://example.invalid", ""),
			newTestSlack(t, "https://example.invalid"), newTestPager(t, "https://example.invalid")
		via(hook.httpClient, "refused")
		via(slow.httpClient, "hanging")
		via(chat.httpClient, "broken")
		via(pager.httpClient, "limited")
		mail := NewTopic("mail", topic, publish(func(*sns.PublishInput) error {
			if time.Now().Before(back) {
				return errors.New("no such host")
			}
			return nil
		}))
		sinks := map[string]*arrivals{
			LogName: {Sink: NewLog(slog.New(slog.DiscardHandler))}, "hook": {Sink: hook}, "slow": {Sink: WithTimeout(slow, 3*time.Second)},
			"chat": {Sink: chat}, "pager": {Sink: pager}, "mail": {Sink: mail},
		}
		var o memory
		all := events(67) // 201 alerts
		for name := range sinks {
			o.add(name, all...)
		}
		var stops []func()
		for name, s := range sinks {
			_, stop := start(t, name, s, &o)
			stops = append(stops, stop)
		}
		time.Sleep(time.Hour - time.Second)
		for name, s := range sinks {
			if n := s.count(); name != LogName && n != 0 || name == LogName && n != len(all) {
				t.Errorf("%s: %d alerts arrived in the hour, want all in the log and none at the others", name, n)
			}
		}
		time.Sleep(15 * time.Minute)
		for _, stop := range stops {
			stop()
		}
		for name, s := range sinks {
			checkArrivals(t, name, all, s.got)
		}
		for way, o := range ways {
			if o.tries < 10 || o.tries > 120 {
				t.Errorf("%s: %d tries in an hour", way, o.tries)
			}
		}
		if len(slackIn.complaints)+len(pagerIn.complaints) > 0 {
			t.Error(slackIn.complaints, pagerIn.complaints)
		}
		for key, open := range pagerIn.open {
			if open {
				t.Errorf("%s is still open", key)
			}
		}
	})
}

func checkArrivals(t *testing.T, name string, all, got []alert.Alert) {
	t.Helper()
	if len(got) != len(all) {
		t.Errorf("%s: %d of %d arrived", name, len(got), len(all))
	}
	seen, last := map[string]bool{}, map[string]alert.Kind{}
	order := []alert.Kind{"", alert.Deletion, alert.Restored, alert.Closed}
	for _, a := range got {
		if seen[a.ID] {
			t.Errorf("%s: %s twice", name, a.ID)
		}
		seen[a.ID] = true
		if slices.Index(order, a.Kind) != slices.Index(order, last[a.DedupKey])+1 {
			t.Errorf("%s: a %s alert came after %q", name, a.Kind, last[a.DedupKey])
		}
		last[a.DedupKey] = a.Kind
	}
}

// TestSenderUsesTheSinksOwnTimeout: a sink with a longer timeout is not cut off by the usual
// one.
func TestSenderUsesTheSinksOwnTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newTestWebhook(t, "https://example.invalid", "")
		slow.client.Transport = &outage{receiver: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(45 * time.Second):
			case <-r.Context().Done():
			}
			if r.Context().Err() != nil {
				t.Error("the request ended before 45 seconds")
			}
		})}
		var o memory
		a := alerttest.Deletion()
		a.Write()
		o.add("slow", a)
		_, stop := start(t, "slow", WithTimeout(slow, 50*time.Second), &o)
		time.Sleep(time.Minute)
		stop()
		if d := o.get("slow", a.ID); d.SentAt.IsZero() {
			t.Errorf("%+v", d)
		}
	})
}
