package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
)

func newAlertsCommand(a *app) *cobra.Command {
	c := newGroup("alerts", "What people were told, and whether it reached them",
		newAlertsListCommand(a),
		newAlertsShowCommand(a),
		newAlertsTestCommand(a),
		newAlertsRetryCommand(a),
	)
	c.Long = `Each alert goes to the log and to every sink of the configuration that wants it,
and is tried again until the sink has it. After some days it is given up, and
the other sinks are told.`
	c.Example = `  flowkeeper alerts list --failed
  flowkeeper alerts test oncall-pager`
	c.SuggestFor = []string{"notifications", "sinks", "outbox", "test", "retry"}
	return c
}

var deliveryStates = []string{store.Pending, store.Sent, store.GivenUp}

func newAlertsListCommand(a *app) *cobra.Command {
	var failed bool
	c := &cobra.Command{
		Use: "list", Short: "List the alerts, the latest first, and how far each is delivered", Args: noArgs,
		Long: `List the alerts, the latest first, and how far each is on its way to the sinks:
pending, sent or given_up. ` + "`flowkeeper alerts show`" + ` has one with all it says,
and each sink's last answer.`,
		Example: `  # What some sink refused, or has not taken for long
  flowkeeper alerts list --failed

  # What the pager has not got yet
  flowkeeper alerts list --sink oncall-pager --state pending,given_up

  # What was told in the last hour
  flowkeeper alerts list --since 1h`,
	}
	f := a.filterFlags(c, deliveryStates, "only raised", usualLimit)
	f.alerts = true
	f.sinks = f.choice("sink", "only those that went or are to go to this sink, by its `name`; --state is then its", sinkNames)
	c.Flags().BoolVar(&failed, "failed", false, "only those that a sink has refused and not taken since")
	c.RunE = f.list(func(ctx context.Context, s state, filter store.Filter) error {
		filter.Failed = failed
		return a.listAlerts(ctx, s, f, filter)
	})
	a.jsonFlag(c, "one JSON object a line: the alert, with its deliveries")
	return c
}

func (a *app) listAlerts(ctx context.Context, s state, f *filters, filter store.Filter) error {
	t := a.table(cutTo(alertPrefix, "ALERT"), whole("TIME"), whole("LEVEL").orDrop(1), cutTo(14, "DELIVERY"), cutTo(24, "TITLE"))
	err := s.FindAlerts(ctx, filter, func(x alert.Alert, ds []alert.Delivery) error {
		if !f.next() {
			return nil
		}
		return t.add(toAlertJSON(x, ds), x.ID, a.ago(x.Time.Time), levelCell(x.Level), a.deliveriesCell(ds), x.Title)
	})
	t.flush()
	if err != nil {
		return err
	}
	none := "nobody was told anything yet"
	if filter.Failed {
		none = "every sink has taken every alert so far"
	}
	f.summary("alerts", none)
	return nil
}

// deliveriesCell is how far an alert is on its way to all its sinks, in the
// words of --state: what is wrong comes first.
func (a *app) deliveriesCell(ds []alert.Delivery) cell {
	var given, failing, waiting []string
	for _, d := range ds {
		switch state := store.DeliveryState(d); {
		case state == store.GivenUp:
			given = append(given, d.Sink)
		case state == store.Pending && d.Attempts > 0:
			failing = append(failing, d.Sink+" (failing)")
		case state == store.Pending:
			waiting = append(waiting, d.Sink)
		}
	}
	var parts []string
	if len(given) > 0 {
		parts = append(parts, store.GivenUp+": "+strings.Join(given, ", "))
	}
	if pending := append(failing, waiting...); len(pending) > 0 {
		parts = append(parts, store.Pending+": "+strings.Join(pending, ", "))
	}
	switch {
	case len(ds) == 0:
		return cell{"to no sink", dim}
	case len(parts) == 0:
		return cell{"sent", green}
	case len(given) > 0:
		return cell{strings.Join(parts, "; "), red}
	}
	return cell{strings.Join(parts, "; "), yellow}
}

func newAlertsShowCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "show ID", Short: "Show one alert: what people read, and what each sink answered",
		Args: oneArg("the ID of an alert, or its beginning (`flowkeeper alerts list` has them)"),
		Long: `Show one alert as people read it, and how far it is on its way to each sink,
with the sink's last answer. The beginning of an ID is enough where only one has
it.`,
		Example: `  flowkeeper alerts show alrt_ply4guf2
  flowkeeper alerts show alrt_ply4guf2 --json | jq .actor`,
		ValidArgsFunction: first(a.completeAlerts(false)),
		RunE:              a.onState(a.showAlert),
	}
	a.jsonFlag(c, "one JSON object: the alert, with its deliveries")
	return c
}

// alertPrefix is how much of an alert's ID a narrow terminal shows: enough to
// name it.
const alertPrefix = 14

// findAlert finds the alert of an ID, or of its beginning.
func findAlert(ctx context.Context, s state, id string) (x alert.Alert, ds []alert.Delivery, err error) {
	n := 0
	err = s.FindAlerts(ctx, store.Filter{Begins: strings.TrimSuffix(id, "…"), Limit: 2}, func(y alert.Alert, its []alert.Delivery) error {
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
		err = fmt.Errorf("several alerts begin with %q: write more of it", id)
	}
	return x, ds, err
}

func (a *app) showAlert(ctx context.Context, s state, args []string) error {
	x, ds, err := findAlert(ctx, s, args[0])
	if err != nil {
		return err
	}
	if a.json {
		return a.object(toAlertJSON(x, ds))
	}
	sheet := &sheet{}
	sheet.put("alert", x.ID)
	sheet.put("time", a.when(x.Time.Time))
	sheet.put("level", string(x.Level))
	sheet.put("title", x.Title)
	for _, d := range ds {
		sheet.put("to "+d.Sink, a.deliveryText(d))
	}
	a.writeSheet(sheet)
	for line := range strings.Lines("\n" + x.Text) {
		fmt.Fprintln(a.out(), clean(strings.TrimRight(line, "\n")))
	}
	return nil
}

func levelCell(l alert.Level) cell {
	switch {
	case l.AtLeast(alert.High):
		return cell{string(l), red}
	case l.AtLeast(alert.Medium):
		return cell{string(l), yellow}
	}
	return cell{text: string(l)}
}

// deliveryText is how far an alert is on its way to one sink.
func (a *app) deliveryText(d alert.Delivery) string {
	switch store.DeliveryState(d) {
	case store.Sent:
		return "sent " + a.ago(d.SentAt)
	case store.GivenUp:
		return fmt.Sprintf("given up after %s: %s", plural(d.Attempts, "try"), d.Error)
	}
	if d.Attempts == 0 {
		return "pending"
	}
	next := "due again"
	if d.NextAt.After(a.now()) {
		next = "again " + a.ago(d.NextAt)
	}
	return fmt.Sprintf("pending, failed %s, %s: %s", times(d.Attempts), next, d.Error)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func newAlertsRetryCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "retry ID", Short: "Have the daemon send an alert again to each sink that has not taken it",
		Args: oneArg("the ID of an alert, or its beginning (`flowkeeper alerts list --failed` has those that failed)"),
		Long: `Make an alert due at once for each sink that has not taken it, given up or not;
the daemon sends it within a second. Mend the sink first:
` + "`flowkeeper alerts show`" + ` says what it answered, and ` + "`flowkeeper alerts test`" + `
whether it takes alerts now.`,
		Example:           "  flowkeeper alerts retry alrt_ply4guf2",
		ValidArgsFunction: first(a.completeAlerts(true)),
		RunE:              a.onState(a.retryAlert),
	}
	a.jsonFlag(c, "one JSON object")
	return c
}

func (a *app) retryAlert(ctx context.Context, s state, args []string) error {
	x, _, err := findAlert(ctx, s, args[0])
	if err != nil {
		return err
	}
	n, err := s.Retry(ctx, x.ID)
	if err != nil {
		return err
	}
	text := "every sink has it already"
	if n > 0 {
		text = plural(int(n), "delivery") + " due now: a running daemon sends within a second"
	}
	return a.result(struct {
		ID    string `json:"id"`
		Retry int64  `json:"retried"`
	}{x.ID, n}, "%s", text)
}
