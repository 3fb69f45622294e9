package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/systemd"
)

func newRunCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Run the daemon: detect deletions, alert, restore", Args: noArgs,
		Long: `Run the daemon until SIGTERM or SIGINT: it refreshes its snapshot of all flow
logs at start and on inventory.schedule, reads queue.url, alerts on deletions,
and restores what was deleted. It can be stopped and started again at any time;
it does not reload its configuration: a restart is safe and takes a moment.
SIGHUP is logged and changes nothing, except that it ends the daemon, as SIGTERM
does, after its terminal was closed; start it with nohup to keep it running.

It logs to stderr. Under systemd it reports readiness and status, and feeds the
watchdog; elsewhere http.listen answers /readyz, /healthz and /metrics.

It exits with 0 after a signal, with 78 if the configuration is wrong, and with
1 if it can't start: http.listen is in use, another daemon has locked the state
file, or the queue is missing and has never answered. As a systemd service it
also exits with 1 when AWS refuses credentials from its environment, so that
systemd starts it again with the present ones.`,
		Example: `  # In a terminal, with a state file here
  flowkeeper run --config flowkeeper.yaml --state ./state.db

  # As the service that the packages install
  systemctl enable --now flowkeeper && journalctl -fu flowkeeper`,
		SuggestFor: []string{"start", "serve", "daemon", "server"},
		RunE:       func(c *cobra.Command, _ []string) error { return runDaemon(c.Context(), a) },
	}
}

func runDaemon(ctx context.Context, a *app) error {
	// SIGHUP comes from people who expect that the daemon reloads its configuration, or because its terminal was closed.
	// Every other command ends at the signal.
	nohup := signal.Ignored(syscall.SIGHUP) // it was ignored when the process started: then it never ends the process
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	c, warnings, err := a.config(needs{queue: true, secrets: true})
	if err != nil {
		return err
	}
	log := newLog(a, c.Log)
	ctx, done := watchHangups(ctx, hangups, log, func() bool { return !nohup && a.terminalGone() })
	defer done()
	for _, w := range warnings {
		log.Warn(w.String())
	}
	if err := checkStateFolder(c.State.Path, log); err != nil {
		return err
	}
	base, err := a.awsConfig(ctx, c, log)
	if err != nil {
		return err
	}
	d := &daemon.Daemon{Config: c, AWS: base, Log: log, Version: version}
	return d.Run(ctx)
}

// watchHangups logs each SIGHUP. The context that it returns ends with ctx, or when SIGHUP
// comes and closed reports that our terminal was closed. done stops watching, and
// waits until the last SIGHUP is logged.
func watchHangups(ctx context.Context, hangups <-chan os.Signal, log *slog.Logger, closed func() bool) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		// A SIGHUP that came before ctx ended is still logged.
		for ctx.Err() == nil || len(hangups) > 0 {
			select {
			case <-hangups:
			case <-ctx.Done():
				continue
			}
			if !closed() {
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

// newLog returns the log that log.level and log.format describe.
func newLog(a *app, c configs.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // it never fails: configs allows only the names of levels
	format := c.Format
	if format == "auto" {
		format = formatHere(a)
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: cleanText}
	switch format {
	case "journal":
		return slog.New(systemd.NewJournal(level, a.Stderr))
	case "json":
		return slog.New(slog.NewJSONHandler(a.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.Stderr, o))
}

// formatHere returns the format that log.format auto stands for in this process.
func formatHere(a *app) string {
	if a.StderrTerminal {
		return "text"
	}
	if f, is := a.Stderr.(*os.File); is && systemd.OnJournal(f, a.getenv("JOURNAL_STREAM")) {
		return "journal"
	}
	return "json"
}

// cleanText keeps control characters of foreign text out of terminals and
// files (I12).
func cleanText(_ []string, at slog.Attr) slog.Attr {
	switch v := at.Value.Any().(type) {
	case string:
		at.Value = slog.StringValue(alert.Clean(v, maxLogText))
	case error:
		at.Value = slog.StringValue(alert.Clean(v.Error(), maxLogText))
	}
	return at
}

const maxLogText = 4000 // characters of one attribute
