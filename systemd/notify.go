package systemd

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Listening reports whether there is a service manager to be notified: NOTIFY_SOCKET
// names its socket. Without one Ready, Starting, Stopping and Status do nothing and
// return nil.
func Listening() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Service reports whether systemd itself started this process, for a unit. A process
// that some service started, as a terminal's shell, inherits INVOCATION_ID from it,
// and SYSTEMD_EXEC_PID with another number (systemd.exec(5); since systemd 248).
func Service() bool {
	pid, set := os.LookupEnv("SYSTEMD_EXEC_PID")
	return os.Getenv("INVOCATION_ID") != "" && (!set || pid == strconv.Itoa(os.Getpid()))
}

// Ready ends the start: what is ordered after the unit begins now.
func Ready() error { return notify(daemon.SdNotifyReady) }

// Starting asks for more time than TimeoutStartSec= gives: d from now.
func Starting(d time.Duration) error {
	return notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// Stopping says that the end was asked for and has begun.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status is the line that `systemctl status` shows.
func Status(s string) error {
	// A line break would begin another assignment of the protocol.
	return notify("STATUS=" + visible(s))
}

func notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd of %q: %w", state, err)
	}
	return nil
}

// Watchdog feeds systemd's watchdog while healthy returns true, three times in each interval
// of WATCHDOG_USEC, so that one late turn kills nothing. It returns nil when ctx ends, or at
// once where no watchdog asks to be fed; an error only for a WATCHDOG_USEC that is no number.
// If healthy returns false, no message is sent: systemd then kills the service and starts it
// again. A message that cannot be sent is not reported: the watchdog is what notices.
func Watchdog(ctx context.Context, healthy func() bool) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the watchdog's interval: %w: set WatchdogSec= in the unit, not WATCHDOG_USEC", err)
	}
	if interval == 0 {
		return nil
	}
	ticker := time.NewTicker(max(interval/3, time.Millisecond))
	defer ticker.Stop()
	for {
		if healthy() {
			_ = notify(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
