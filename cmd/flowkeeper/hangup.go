package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// hangups are the SIGHUPs that the daemon gets: from whoever believes that they
// make it read its configuration again, or from a terminal that was closed. Every
// other command leaves the signal alone, and ends by it.
type hangups struct {
	signals chan os.Signal
	nohup   bool // it was started with the signal ignored: nothing ends it then
}

// catchHangups begins to catch them, so that none ends the process from here on.
func catchHangups() *hangups {
	h := &hangups{signals: make(chan os.Signal, 1), nohup: signal.Ignored(syscall.SIGHUP)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// release gives the signal its usual effect again.
func (h *hangups) release() { signal.Stop(h.signals) }

// watch logs each one. The context that it returns ends with ctx, or by one that
// comes when gone reports that our terminal is no more. done waits until nothing
// is logged any more.
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
				case <-h.signals: // came before what ended us
					h.handle(log, gone, cancel)
				default:
				}
				return
			}
		}
	}()
	return ctx, func() { cancel(); <-stopped }
}

// handle logs one, and stops the daemon where its terminal is gone.
func (h *hangups) handle(log *slog.Logger, gone func() bool, stop func()) {
	if !h.nohup && gone() {
		log.Warn("SIGHUP: the terminal was closed; stopping (start with nohup, or as a service, to go on without one)")
		stop()
		return
	}
	log.Warn("SIGHUP: there is no reload; restart to read the configuration again (safe at any time)")
}

// terminalGone reports that stderr was a terminal when we started, and is none any
// more.
func (a *app) terminalGone() bool {
	f, is := a.stderr.(*os.File)
	if !a.stderrTerminal || !is {
		return false
	}
	_, still := columns(f)
	return !still
}
