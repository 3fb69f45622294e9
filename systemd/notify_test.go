package systemd

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is systemd: it receives what is sent to NOTIFY_SOCKET.
type manager struct{ conn *net.UnixConn }

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

// received returns the messages that have arrived. It does not wait for more, because fake time stands still while a
// goroutine of a synctest bubble waits for a socket.
func (m manager) received(t *testing.T) (all []string) {
	t.Helper()
	raw, err := m.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		buf := make([]byte, 4096)
		for {
			n, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_DONTWAIT)
			if err != nil {
				return
			}
			all = append(all, string(buf[:n]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNotify(t *testing.T) {
	send := func() {
		t.Helper()
		for _, err := range []error{Ready(), Status("12 flow logs\nREADY=1 \x1b"), Stopping()} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	m := newManager(t)
	send()
	want := []string{"READY=1", `STATUS=12 flow logs\nREADY=1 \x1b`, "STOPPING=1"}
	if got := m.received(t); !slices.Equal(got, want) || !Listening() {
		t.Errorf("%q", got)
	}

	t.Setenv("NOTIFY_SOCKET", "") // without systemd
	send()
	if Listening() {
		t.Error("Listening is true without NOTIFY_SOCKET")
	}

	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := Ready(); err == nil || !strings.Contains(err.Error(), "READY=1") {
		t.Error(err)
	}
}

func TestWatchdogFedOnlyWhileHealthy(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(int((30 * time.Second).Microseconds())))
	synctest.Test(t, func(t *testing.T) {
		var healthy atomic.Bool
		healthy.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Watchdog(ctx, healthy.Load) }()
		fed := func(d time.Duration) int {
			time.Sleep(d)
			synctest.Wait()
			got := m.received(t)
			for _, s := range got {
				if s != "WATCHDOG=1" {
					t.Errorf("%q", s)
				}
			}
			return len(got)
		}
		if n := fed(61 * time.Second); n != 7 { // at once, then every 10 s
			t.Errorf("fed %d times in 61 s, want 7", n)
		}
		healthy.Store(false)
		if n := fed(5 * time.Minute); n != 0 {
			t.Errorf("fed %d times while not healthy, want 0", n)
		}
		healthy.Store(true)
		if n := fed(30 * time.Second); n != 3 {
			t.Errorf("fed %d times in 30 s, want 3", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWatchdogNotAskedFor(t *testing.T) {
	m := newManager(t)
	for name, env := range map[string][2]string{
		"no interval":        {"", ""},
		"of another process": {"1000000", "1"},
	} {
		t.Setenv("WATCHDOG_USEC", env[0])
		t.Setenv("WATCHDOG_PID", env[1])
		if err := Watchdog(t.Context(), func() bool { return true }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := m.received(t); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestWatchdogRefusesNonsense(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := Watchdog(t.Context(), func() bool { return true }); err == nil || !strings.Contains(err.Error(), "WatchdogSec=") {
		t.Error(err)
	}
}

// TestService: a shell in a terminal inherits INVOCATION_ID and SYSTEMD_EXEC_PID from the service that runs the
// terminal. Service must be false in such a shell.
func TestService(t *testing.T) {
	own := strconv.Itoa(syscall.Getpid())
	for _, c := range []struct {
		name, invocation, pid string
		want                  bool
	}{
		{"no service", "", "", false},
		{"no invocation", "", own, false},
		{"its process", "0123456789abcdef0123456789abcdef", own, true},
		{"another process", "0123456789abcdef0123456789abcdef", "1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("INVOCATION_ID", c.invocation)
			t.Setenv("SYSTEMD_EXEC_PID", c.pid)
			if got := Service(); got != c.want {
				t.Error(got)
			}
		})
	}
}
