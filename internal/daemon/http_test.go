package daemon

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestI12ConnectionsAreBounded: whoever may connect can't fill the memory with requests that
// never end; once they are gone, others are answered.
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
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // fails where the connection is closed already
		n, err := c.Read(make([]byte, 12))
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Fatal("neither answered nor closed")
		}
		return n == 12
	}
	first := dial()
	if !answered(first) {
		t.Fatal("the first one is not answered")
	}
	for range maxConnections - 1 {
		if !answered(dial()) {
			t.Fatal("fewer than allowed are answered")
		}
	}
	if answered(dial()) {
		t.Error("one too many was answered")
	}
	first.Close()
	for end := time.Now().Add(10 * time.Second); !answered(dial()); {
		if time.Now().After(end) {
			t.Fatal("nobody is answered after one has gone")
		}
	}
}
