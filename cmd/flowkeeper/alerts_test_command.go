package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/term"
)

func newAlertsTestCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object a line, for each sink", &cobra.Command{
		Use: "test [NAME]", Short: "Send a marked test alert to every sink, or to one, and print the answers",
		Args: someArgs(0, 1, "the name of one sink at most"),
		Long: `Send an alert of kind test directly to the configured sinks, whatever their
min_level and kinds, and print what each one answered. It needs neither the
daemon nor the state file. The log's line goes to stderr. The exit code is 1 if
a sink did not take the alert.`,
		Example: `  flowkeeper alerts test
  flowkeeper alerts test oncall-pager`,
		ValidArgsFunction: firstArg(a.completeSinksToTest),
		RunE:              func(c *cobra.Command, args []string) error { return testAlerts(c.Context(), a, args) },
	})
}

// answer is how one sink took the test alert.
type answer struct {
	Sink    string  `json:"sink"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

func testAlerts(ctx context.Context, a *app, only []string) error {
	c, base, err := a.configAndAWS(ctx, needs{secrets: true}, a.warnings())
	if err != nil {
		return err
	}
	sinks, err := daemon.Sinks(c, base, slog.New(slog.NewTextHandler(a.Stderr, nil)), version)
	if err != nil {
		return err
	}
	if len(only) > 0 {
		s, ok := sinks[only[0]]
		if !ok {
			return fmt.Errorf("there is no sink %q: the configuration has %s", only[0], strings.Join(slices.Sorted(maps.Keys(sinks)), ", "))
		}
		sinks = map[string]sink.Sink{only[0]: s}
	}
	progress := a.Progress("waiting for answers", len(sinks))
	answers := sendAll(ctx, sinks, newTestAlert(a), progress.Step)
	progress.End()
	if failed := printAnswers(a, answers); failed > 0 {
		return fmt.Errorf("%d of %s did not take the alert", failed, alert.Plural(len(answers), "sink"))
	}
	if len(c.Alerts) == 0 {
		a.Note("no sink is configured: alerts go to the daemon's log only; add one under `alerts:`")
	}
	return nil
}

func newTestAlert(a *app) alert.Alert {
	now := a.now()
	id := now.Format(time.RFC3339Nano)
	t := alert.Alert{
		ID: alert.ID("test", id), DedupKey: alert.DedupKey("test", id), Time: alert.Time{Time: now},
		Kind: alert.Test, Level: alert.Informational,
		Advice: "nothing: this is a test by `flowkeeper alerts test`",
	}
	t.Write()
	return t
}

// sendAll sends to all sinks at the same time: one that hangs delays no other.
func sendAll(ctx context.Context, sinks map[string]sink.Sink, t alert.Alert, step func()) []answer {
	names := slices.Sorted(maps.Keys(sinks))
	answers := make([]answer, len(names))
	var wg sync.WaitGroup
	for n, name := range names {
		wg.Go(func() {
			defer step()
			begun := time.Now()
			err := sinks[name].Send(ctx, t)
			answers[n] = answer{Sink: name, OK: err == nil, Seconds: time.Since(begun).Round(time.Millisecond).Seconds()}
			if err != nil {
				answers[n].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return answers
}

// printAnswers returns how many sinks did not take the alert.
func printAnswers(a *app, answers []answer) (failed int) {
	s := &term.Sheet{}
	for _, x := range answers {
		text := fmt.Sprintf("took it in %.3f s", x.Seconds)
		if !x.OK {
			failed++
			text = "FAILED: " + x.Error
		}
		if a.JSON {
			a.Object(x)
		} else {
			s.Put(x.Sink, text)
		}
	}
	a.Sheet(s)
	return failed
}
