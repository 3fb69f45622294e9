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
	srv.Config.ConnState = closeAbove(2)
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
	first, second := dial(), dial()
	if !answered(first) || !answered(second) {
		t.Fatal("two are allowed")
	}
	if answered(dial()) {
		t.Error("a third one was answered")
	}
	first.Close()
	for end := time.Now().Add(10 * time.Second); !answered(dial()); {
		if time.Now().After(end) {
			t.Fatal("nobody is answered after one has gone")
		}
	}
}
