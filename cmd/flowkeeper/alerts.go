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
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
)

func newAlertsCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use: "alerts", Short: "The alerts, and whether each sink has taken them",
		Long: `Each alert goes to the log and to every sink of the configuration that wants it,
and is sent again until the sink has taken it. After some days Flowkeeper gives
up, and alerts the other sinks.`,
		Example: `  flowkeeper alerts list --failed
  flowkeeper alerts test oncall-pager`,
		SuggestFor: []string{"notifications", "sinks", "outbox", "test", "retry"},
	}, newAlertsListCommand(a), newAlertsShowCommand(a), newAlertsTestCommand(a), newAlertsRetryCommand(a))
}

func newAlertsListCommand(a *app) *cobra.Command {
	c := a.withJSON("one JSON object a line: the alert, with its deliveries", &cobra.Command{
		Use: "list", Short: "List the alerts, the latest first, and the state of their deliveries", Args: noArgs,
		Long: `List the alerts, the latest first, with the state of the delivery to each sink:
pending, sent or given_up. ` + "`flowkeeper alerts show`" + ` prints one alert in full,
with each sink's last answer.`,
		Example: `  # What a sink has refused and not taken since
  flowkeeper alerts list --failed

  # What the pager has not taken yet
  flowkeeper alerts list --sink oncall-pager --state pending,given_up

  # The alerts of the last hour
  flowkeeper alerts list --since 1h`,
	})
	f := newFilters(a, c, []string{sink.Pending, sink.Sent, sink.GivenUp}, "only raised", terminalLimit)
	f.alerts = true
	f.choose("only those that went or are to go to this sink, by its `name`; --state is then its", among("sink", &f.Sinks, sinkNames))
	c.Flags().BoolVar(&f.Failed, "failed", false, "only those that a sink has refused and not taken since")
	c.RunE = f.list(listAlerts)
	return c
}

func listAlerts(ctx context.Context, s state, f *filters) error {
	t := s.Table(term.CutTo(alertPrefix, "ALERT"), term.Whole("TIME"), term.Whole("LEVEL").OrDrop(1), term.CutTo(14, "DELIVERY"), term.CutTo(24, "TITLE"))
	err := s.FindAlerts(ctx, f.Filter, func(x alert.Alert, ds []sink.Delivery) error {
		if f.next() {
			t.Add(toAlertJSON(x, ds), x.ID, s.ago(x.Time.Time), levelCell(x.Level), deliveriesCell(ds), x.Title)
		}
		return nil
	})
	t.Flush()
	if err != nil {
		return err
	}
	none := "no alerts yet"
	if f.Failed {
		none = "every sink has taken every alert so far"
	}
	f.summary("alerts", none)
	return nil
}

// deliveriesCell is the state of an alert's deliveries in the words of --state, the
// failed ones first.
func deliveriesCell(ds []sink.Delivery) term.Cell {
	var given, failing, waiting []string
	for _, d := range ds {
		switch state := d.State(); {
		case state == sink.GivenUp:
			given = append(given, d.Sink)
		case state == sink.Pending && d.Attempts > 0:
			failing = append(failing, d.Sink+" (failing)")
		case state == sink.Pending:
			waiting = append(waiting, d.Sink)
		}
	}
	var parts []string
	if len(given) > 0 {
		parts = append(parts, sink.GivenUp+": "+strings.Join(given, ", "))
	}
	if pending := append(failing, waiting...); len(pending) > 0 {
		parts = append(parts, sink.Pending+": "+strings.Join(pending, ", "))
	}
	switch {
	case len(ds) == 0:
		return term.Colored("to no sink", term.Dim)
	case len(parts) == 0:
		return term.Colored("sent", term.Green)
	case len(given) > 0:
		return term.Colored(strings.Join(parts, "; "), term.Red)
	}
	return term.Colored(strings.Join(parts, "; "), term.Yellow)
}

func newAlertsShowCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object: the alert, with its deliveries", &cobra.Command{
		Use: "show ID", Short: "Show one alert: its text, and what each sink answered",
		Args: oneArg("the ID of an alert, or its beginning (see `flowkeeper alerts list`)"),
		Long: `Show the text of one alert, and the state of its delivery to each sink with the
sink's last answer. The beginning of an ID is enough if it is unique.`,
		Example: `  flowkeeper alerts show alrt_ply4guf2
  flowkeeper alerts show alrt_ply4guf2 --json | jq .actor`,
		ValidArgsFunction: firstArg(a.completeFromState(offerAlerts(false))),
		RunE:              a.onState(showAlert),
	})
}

// alertPrefix is how much of an alert's ID a narrow terminal shows: it is almost
// certainly unique.
const alertPrefix = 14

// findAlert finds the alert with this ID, or the only alert whose ID begins with id.
func findAlert(ctx context.Context, s state, id string) (x alert.Alert, ds []sink.Delivery, err error) {
	n := 0
	err = s.FindAlerts(ctx, store.Filter{Begins: strings.TrimSuffix(id, "…"), Limit: 2}, func(y alert.Alert, its []sink.Delivery) error {
		if n++; n == 1 || y.ID == id {
			x, ds = y, its
		}
		return nil
	})
	switch {
	case err != nil:
	case n == 0:
		err = fmt.Errorf("there is no alert %q: see `flowkeeper alerts list`", id)
	case n > 1 && x.ID != id:
		err = fmt.Errorf("several alerts begin with %q: give more of the ID", id)
	}
	return x, ds, err
}

func showAlert(ctx context.Context, s state, args []string) error {
	x, ds, err := findAlert(ctx, s, args[0])
	if err != nil {
		return err
	}
	if s.JSON {
		s.Object(toAlertJSON(x, ds))
		return nil
	}
	sheet := &term.Sheet{}
	sheet.Put("alert", x.ID)
	sheet.Put("time", s.when(x.Time.Time))
	sheet.Put("level", string(x.Level))
	sheet.Put("title", x.Title)
	for _, d := range ds {
		sheet.Put("to "+d.Sink, deliveryText(s.app, d))
	}
	s.Sheet(sheet)
	for line := range strings.Lines("\n" + x.Text) {
		s.Printf("%s\n", term.Clean(strings.TrimRight(line, "\n")))
	}
	return nil
}

func levelCell(l alert.Level) term.Cell {
	switch {
	case l.AtLeast(alert.High):
		return term.Colored(string(l), term.Red)
	case l.AtLeast(alert.Medium):
		return term.Colored(string(l), term.Yellow)
	}
	return term.Cell{Text: string(l)}
}

func deliveryText(a *app, d sink.Delivery) string {
	switch d.State() {
	case sink.Sent:
		return "sent " + a.ago(d.SentAt)
	case sink.GivenUp:
		return fmt.Sprintf("given up after %s: %s", alert.Plural(d.Attempts, "try"), d.Error)
	}
	if d.Attempts == 0 {
		return "pending"
	}
	next := "due again"
	if d.NextAt.After(a.now()) {
		next = "again " + a.ago(d.NextAt)
	}
	return fmt.Sprintf("pending, failed %s, %s: %s", alert.Times(d.Attempts), next, d.Error)
}

func newAlertsRetryCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "retry ID", Short: "Have the daemon send an alert again to each sink that has not taken it",
		Args: oneArg("the ID of an alert, or its beginning (see `flowkeeper alerts list --failed`)"),
		Long: `Make an alert due now for each sink that has not taken it, given up or not; the
daemon sends it within a second. Repair the sink first:
` + "`flowkeeper alerts show`" + ` prints its last answer, and ` + "`flowkeeper alerts test`" + `
shows whether it takes alerts now.`,
		Example:           "  flowkeeper alerts retry alrt_ply4guf2",
		ValidArgsFunction: firstArg(a.completeFromState(offerAlerts(true))),
		RunE:              a.onState(retryAlert),
	})
}

func retryAlert(ctx context.Context, s state, args []string) error {
	x, _, err := findAlert(ctx, s, args[0])
	if err != nil {
		return err
	}
	n, err := s.Retry(ctx, x.ID)
	if err != nil {
		return err
	}
	text := "every sink has taken it already"
	if n > 0 {
		text = alert.Plural(int(n), "delivery") + " due now: a running daemon sends within a second"
	}
	s.Result(struct {
		ID    string `json:"id"`
		Retry int64  `json:"retried"`
	}{x.ID, n}, "%s", text)
	return nil
}

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
