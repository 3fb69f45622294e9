package daemon

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// manager is systemd: it receives what the daemon sends to NOTIFY_SOCKET.
type manager struct{ *net.UnixConn }

func newManager(t *testing.T) manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return manager{conn}
}

// nextMessage waits for the next message.
func (m manager) nextMessage(t *testing.T) string {
	t.Helper()
	if err := m.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := m.Read(buf)
	if err != nil {
		t.Fatalf("systemd gets no more message: %v", err)
	}
	return string(buf[:n])
}

// TestASlowStartAsksForTime: to open a large state file takes a while, and AWS may not answer. The daemon asks systemd
// for more time before each. If systemd killed it for a slow start, the next start would be as slow.
func TestASlowStartAsksForTime(t *testing.T) {
	m := newManager(t)
	h := newHouse(t)
	net := &hanging{inner: h.daemon.AWS.HTTPClient, reached: make(chan struct{}), release: make(chan struct{})}
	net.of = func(_ http.Header, body string) bool { return strings.Contains(body, "Action=GetCallerIdentity") }
	h.daemon.AWS.HTTPClient = net
	h.run()
	t.Cleanup(func() { close(net.release) }) // before the daemon is stopped
	<-net.reached
	for _, what := range []string{"the state file", "AWS"} {
		if got, want := m.nextMessage(t), "EXTEND_TIMEOUT_USEC=600000000"; got != want {
			t.Errorf("before %s, systemd received %q, want %q", what, got, want)
		}
	}
}
