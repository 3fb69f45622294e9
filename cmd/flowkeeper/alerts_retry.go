package main

import (
	"context"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
)

func newAlertsRetryCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "retry ID", Short: "Have the daemon send an alert again to each sink that has not taken it",
		Args: oneArg("the ID of an alert, or its beginning (see `flowkeeper alerts list --failed`)"),
		Long: `Make an alert due now for each sink that has not taken it, given up or not; the
daemon sends it within a second. Repair the sink first:
` + "`flowkeeper alerts show`" + ` prints its last answer, and ` + "`flowkeeper alerts test`" + `
shows whether it takes alerts now.`,
		Example:           "  flowkeeper alerts retry alrt_ply4guf2",
		ValidArgsFunction: firstArg(completeAlerts(a, true)),
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
