package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hangups are the SIGHUPs that the daemon gets: from people who expect that it reloads its
// configuration, or because its terminal was closed. Every other command ends at the signal.
type hangups struct {
	signals chan os.Signal
	nohup   bool // SIGHUP was ignored when the process started: then it never ends the process
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
	var watching sync.WaitGroup
	watching.Go(func() {
		// A SIGHUP that came before ctx ended is still logged.
		for ctx.Err() == nil || len(h.signals) > 0 {
			select {
			case <-h.signals:
			case <-ctx.Done():
				continue
			}
			if h.nohup || !gone() {
				log.Warn("SIGHUP: there is no reload; restart to read the configuration again (safe at any time)")
				continue
			}
			log.Warn("SIGHUP: the terminal was closed; stopping (start with nohup, or as a service, to go on without one)")
			cancel()
		}
	})
	return ctx, func() { cancel(); watching.Wait() }
}

// terminalGone reports whether stderr was a terminal at the start and is none now.
func (a *app) terminalGone() bool {
	f, is := a.Stderr.(*os.File)
	if !a.StderrTerminal || !is {
		return false
	}
	_, still := columns(f)
	return !still
}
