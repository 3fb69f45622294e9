package main

import "github.com/spf13/cobra"

func newAlertsCommand(a *app) *cobra.Command {
	c := newGroup("alerts", "The alerts, and whether each sink has taken them",
		newAlertsListCommand(a),
		newAlertsShowCommand(a),
		newAlertsTestCommand(a),
		newAlertsRetryCommand(a),
	)
	c.Long = `Each alert goes to the log and to every sink of the configuration that wants it,
and is sent again until the sink has taken it. After some days Flowkeeper gives
up, and alerts the other sinks.`
	c.Example = `  flowkeeper alerts list --failed
  flowkeeper alerts test oncall-pager`
	c.SuggestFor = []string{"notifications", "sinks", "outbox", "test", "retry"}
	return c
}
