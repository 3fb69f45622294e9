package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/term"
)

var deliveryStates = []string{sink.Pending, sink.Sent, sink.GivenUp}

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
	f := newFilters(a, c, deliveryStates, "only raised", terminalLimit)
	f.alerts = true
	f.choose("only those that went or are to go to this sink, by its `name`; --state is then its", choice{flag: "sink", values: &f.Sinks, known: sinkNames})
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
