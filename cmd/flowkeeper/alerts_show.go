package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
)

func newAlertsShowCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object: the alert, with its deliveries", &cobra.Command{
		Use: "show ID", Short: "Show one alert: its text, and what each sink answered",
		Args: oneArg("the ID of an alert, or its beginning (see `flowkeeper alerts list`)"),
		Long: `Show the text of one alert, and the state of its delivery to each sink with the
sink's last answer. The beginning of an ID is enough if it is unique.`,
		Example: `  flowkeeper alerts show alrt_ply4guf2
  flowkeeper alerts show alrt_ply4guf2 --json | jq .actor`,
		ValidArgsFunction: firstArg(completeAlerts(a, false)),
		RunE:              a.onState(showAlert),
	})
}

// alertPrefix is how much of an alert's ID a narrow terminal shows: it is almost
// certainly unique.
const alertPrefix = 14

// findAlert finds the alert with this ID, or the only one whose ID begins so.
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

// deliveryText is the state of an alert's delivery to one sink.
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
