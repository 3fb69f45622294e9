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

// Service reports whether systemd itself started this process, for a unit. A process that
// another service started, for example a shell in a terminal, inherits INVOCATION_ID, but
// SYSTEMD_EXEC_PID has another number (systemd.exec(5); since systemd 248).
func Service() bool {
	pid, set := os.LookupEnv("SYSTEMD_EXEC_PID")
	return os.Getenv("INVOCATION_ID") != "" && (!set || pid == strconv.Itoa(os.Getpid()))
}

// Ready says that the start is over: units that are ordered after this one start now.
func Ready() error { return notify(daemon.SdNotifyReady) }

// Starting asks systemd to wait for the start until d from now, even beyond TimeoutStartSec=.
func Starting(d time.Duration) error {
	return notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// Stopping says that the daemon is about to end.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status sets the line that `systemctl status` shows.
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
// of WATCHDOG_USEC, so that one late message does no harm. It returns nil when ctx ends, or at
// once if the unit has no watchdog; an error only for a WATCHDOG_USEC that is no number. If
// healthy returns false, no message is sent: systemd then kills the service and starts it
// again. A message that can't be sent is not reported: the watchdog notices that it is missing.
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
