package daemon

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"flowkeeper/internal/metrics"
)

// TestI12ConnectionsAreBounded: a client can't fill the memory with requests that never end.
// Once its connections are closed, other requests are answered.
func TestI12ConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config = newServer(http.NotFoundHandler())
	srv.Start()
	t.Cleanup(srv.Close)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	answered := func(c net.Conn) bool {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // fails if the server has closed the connection
		n, err := c.Read(make([]byte, 12))
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Fatal("neither answered nor closed")
		}
		return n == 12
	}
	first := dial()
	if !answered(first) {
		t.Fatal("the first connection is not answered")
	}
	for range maxConnections - 1 {
		if !answered(dial()) {
			t.Fatal("fewer than maxConnections are answered")
		}
	}
	if answered(dial()) {
		t.Error("one more than maxConnections was answered")
	}
	first.Close()
	for end := time.Now().Add(10 * time.Second); !answered(dial()); {
		if time.Now().After(end) {
			t.Fatal("no new connection is answered after one was closed")
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	h.refreshed()
	h.await("readiness", func() bool { code, _ := h.get("/readyz"); return code == http.StatusOK })
	if code, body := h.get("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := h.get("/secrets"); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
	h.daemon.progress.Loop("stuck", -time.Second)
	if code, body := h.get("/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "stuck") {
		t.Errorf("a stalled loop: %d %q", code, body)
	}
}

func TestListenAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	h := newHouse(t)
	h.daemon.Config.HTTP.Listen = taken.Addr().String()
	if err := h.daemon.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("%v", err)
	}
}

// TestI10AnOpenConnectionFailsNoStop: a client has connected and sends nothing. The daemon must still end without an
// error when it is stopped.
func TestI10AnOpenConnectionFailsNoStop(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	d := &Daemon{listener: l, meters: metrics.New(), Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- d.health().serve(ctx) }()
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	answer, err := http.Get("http://" + l.Addr().String() + "/secrets") // so that the silent connection, which came first, has been accepted
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the end of the listener: %v", err)
	}
}
