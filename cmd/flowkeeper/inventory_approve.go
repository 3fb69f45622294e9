package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

func newApproveCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object a line, for each flow log that is no longer held", &cobra.Command{
		Use: "approve DESTINATION...", Short: "Protect flow logs that are held because of where they deliver",
		Args: someArgs(1, 0, "the ARN of a bucket, or of a destination (see `flowkeeper inventory list --held`)"),
		Long: `A flow log that appears after the first refresh, and delivers to an S3 bucket to
which no protected flow log delivers, or to a log group or stream of an account
to which none does, is held: it may be an attacker's. There is an alert, and it
is not restored when it is deleted.

If the place is yours, approve the ARN of the bucket or of the destination: that
approves the whole bucket, or all log groups and streams of that account. All
flow logs that deliver there are protected from then on, in every account and
Region. What is gone by then stays gone: ` + "`flowkeeper restore ID`" + ` restores it.

To approve places before they are used, list them in inventory.destinations.`,
		Example: `  flowkeeper inventory list --held
  flowkeeper inventory approve arn:aws:s3:::flow-logs-archive`,
		ValidArgsFunction: a.completeFromState(offerHeld),
		RunE:              a.onState(approveDestinations),
	})
}

// notADestination says what to approve instead. The ID of a flow log does not approve its destination:
// an attacker may have chosen the destination, so an operator must name it.
func (s state) notADestination(ctx context.Context, word string) error {
	row, ok, err := s.FindFlowLog(ctx, word)
	arn := inventory.ApprovalOf(row.Destination(row.Scope))
	switch {
	case err != nil:
		return err
	case ok && !row.Held:
		return usagef("%s is a flow log that is not held: there is nothing to approve", word)
	case ok && arn != "":
		return usagef("%s is a flow log: approve where it delivers: flowkeeper inventory approve %s", word, arn)
	}
	return usagef("%q is not the ARN of a bucket, log group or stream: `flowkeeper inventory list --held` shows where flow logs deliver", word)
}

func approveDestinations(ctx context.Context, s state, destinations []string) error {
	for n, arg := range destinations {
		d := strings.TrimSuffix(arg, ":*")
		if inventory.ApprovalOf(d) == "" || string(inventory.RecipientOf(d)) == d {
			return s.notADestination(ctx, arg)
		}
		destinations[n] = d
	}
	rem, err := s.remediator(ctx, withoutAWS{})
	if err != nil {
		return err
	}
	rows, err := rem.Approve(ctx, destinations)
	if err != nil {
		return err
	}
	printChanged(s.app, rows)
	for _, d := range destinations {
		s.Note("approved: %s", inventory.RecipientOf(d))
	}
	live := 0
	for _, row := range rows {
		if row.State == inventory.Live {
			live++
		}
	}
	if live > 0 {
		s.Note("%s no longer held", alert.Plural(live, "flow log"))
	}
	return nil
}

// offerHeld finds the destinations of flow logs that are held.
func offerHeld(ctx context.Context, s state, prefix string) (out []string, err error) {
	seen := map[string]bool{}
	err = s.FindFlowLogs(ctx, store.Filter{Held: true}, func(r inventory.Row, _ store.Fate) error {
		arn := inventory.ApprovalOf(r.Destination(r.Scope))
		if arn != "" && strings.HasPrefix(arn, prefix) && !seen[arn] && len(out) < maxCompletions {
			seen[arn] = true
			out = append(out, cobra.CompletionWithDesc(arn, r.ID+" of "+r.ResourceID))
		}
		return nil
	})
	return out, err
}
