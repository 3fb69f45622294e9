package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/systemd"
)

// newRunCommand is the daemon.
func newRunCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Run the daemon: hear of deletions, alert, restore", Args: cobra.NoArgs,
		Long: "Run the daemon until SIGTERM or SIGINT. It can be stopped and started again at any time.\n\n" +
			"It refreshes its snapshot of all flow logs at start and on inventory.schedule, reads queue.url, and restores what was deleted.",
		Example: "  flowkeeper run --config /etc/flowkeeper/flowkeeper.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return a.run(c.Context()) },
	}
}

func (a *app) run(ctx context.Context) error {
	c, warnings, err := a.configWarned(true)
	if err != nil {
		return err
	}
	log := newLog(c.Log, a.stderr, a.stderrTerminal)
	for _, w := range warnings {
		log.Warn(w.String())
	}
	base, err := daemon.Base(ctx, c, log)
	if err != nil {
		return err
	}
	d := &daemon.Daemon{Config: c, AWS: base, Log: log, Version: version}
	return d.Run(ctx)
}

// newLog makes the log that log.level and log.format ask for.
func newLog(c configs.Log, w io.Writer, terminal bool) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level := levels[c.Level]
	format := c.Format
	if format == "auto" {
		switch {
		case terminal:
			format = "text"
		case os.Getenv("JOURNAL_STREAM") != "":
			format = "journal"
		default:
			format = "json"
		}
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: cleanText}
	switch format {
	case "journal":
		return slog.New(systemd.NewJournal(level, w))
	case "json":
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
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
