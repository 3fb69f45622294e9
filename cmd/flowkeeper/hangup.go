package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// hangups are the SIGHUPs that the daemon receives: from people who expect it to
// reload its configuration, or because its terminal was closed. Every other command
// leaves the signal its usual effect.
type hangups struct {
	signals chan os.Signal
	nohup   bool // it was started with the signal ignored: nothing ends it then
}

// catchHangups catches SIGHUP from now on, so that it does not end the process.
func catchHangups() *hangups {
	h := &hangups{signals: make(chan os.Signal, 1), nohup: signal.Ignored(syscall.SIGHUP)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// release gives SIGHUP its usual effect again.
func (h *hangups) release() { signal.Stop(h.signals) }

// watch logs each SIGHUP. The context that it returns ends with ctx, or when SIGHUP
// comes and gone reports that our terminal was closed. done stops watching, and
// waits until the last SIGHUP is logged.
func (h *hangups) watch(ctx context.Context, log *slog.Logger, gone func() bool) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-h.signals:
				h.handle(log, gone, cancel)
			case <-ctx.Done():
				select {
				case <-h.signals: // it came before ctx ended
					h.handle(log, gone, cancel)
				default:
				}
				return
			}
		}
	}()
	return ctx, func() { cancel(); <-stopped }
}

// handle logs a SIGHUP, and stops the daemon if its terminal was closed.
func (h *hangups) handle(log *slog.Logger, gone func() bool, stop func()) {
	if !h.nohup && gone() {
		log.Warn("SIGHUP: the terminal was closed; stopping (start with nohup, or as a service, to go on without one)")
		stop()
		return
	}
	log.Warn("SIGHUP: there is no reload; restart to read the configuration again (safe at any time)")
}

// terminalGone reports that stderr was a terminal at the start, and is none now.
func (a *app) terminalGone() bool {
	f, is := a.stderr.(*os.File)
	if !a.stderrTerminal || !is {
		return false
	}
	_, still := columns(f)
	return !still
}
