package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// release is one command line of `inventory release`.
type release struct {
	ids         []string
	resource    string
	destination string
	period      time.Duration
	reason      string
	undo        bool
}

const (
	defaultRelease = 2 * time.Hour
	maxRelease     = 90 * 24 * time.Hour
	maxReason      = 500
)

func newReleaseCommand(a *app) *cobra.Command {
	var r release
	c := a.withJSON("one JSON object a line, for each flow log changed", &cobra.Command{
		Use: "release ID... | --resource ID | --destination ARN", Short: "Let flow logs be deleted without being restored",
		Long: `For a time (--for, 2h by default, 90d at most) the named flow logs may be
deleted: Flowkeeper still alerts on the deletion, at the level informational,
but does not restore them. The time of a deletion is the time in its record.
--undo ends the release.

If a flow log is deleted already and its restore is blocked or waits, its
incident is closed and it is not restored. ` + "`flowkeeper restore`" + ` undoes that.

With --resource and --destination together: the live flow logs of that resource
that deliver to that destination.`,
		Example: `  flowkeeper inventory release fl-0123456789abcdef0 --for 1h --reason 'to S3'

  # Before a VPC is deleted, with all its flow logs
  flowkeeper inventory release --resource vpc-0123456789abcdef0 --for 30m

  # Protected again at once
  flowkeeper inventory release --resource vpc-0123456789abcdef0 --undo`,
		ValidArgsFunction: a.completeFromState(offerFlowLogs(string(inventory.Live))),
		RunE: func(c *cobra.Command, args []string) error {
			r.ids = args
			if err := r.check(c); err != nil {
				return err
			}
			return a.withState(c.Context(), func(s state) error { return releaseFlowLogs(c.Context(), s, r) })
		},
	})
	f := c.Flags()
	f.StringVar(&r.resource, "resource", "", "all live flow logs of this `resource` (vpc-…, subnet-…, eni-…, tgw-…, nat-…)")
	f.StringVar(&r.destination, "destination", "", "all live flow logs that deliver to this `ARN`")
	r.period = defaultRelease
	f.Func("for", "for this `duration` from now, such as 30m or 7d; at most 90d", func(v string) (err error) {
		r.period, err = readSpan(v)
		return err
	})
	f.Lookup("for").DefValue = configs.Tidy(defaultRelease)
	f.StringVar(&r.reason, "reason", "", "why, for the record")
	f.BoolVar(&r.undo, "undo", false, "protect them again")
	completeFlag(c, "resource", a.completeFromState(wordsOf(store.LiveResources)))
	completeFlag(c, "destination", a.completeFromState(wordsOf(store.Destinations)))
	completeFlag(c, "for", cobra.FixedCompletions([]string{"30m", "2h", "8h", "24h"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// check refuses arguments that don't fit together.
func (r release) check(c *cobra.Command) error {
	if err := refuseEmpty(c, "resource", "destination"); err != nil {
		return err
	}
	chosen := r.resource != "" || r.destination != ""
	switch {
	case len(r.ids) == 0 && !chosen:
		return usagef("name the flow logs: their IDs, --resource or --destination")
	case len(r.ids) > 0 && chosen:
		return usagef("give either IDs, or --resource and --destination (with both: flow logs of that resource to that destination)")
	case r.undo && (c.Flags().Changed("for") || c.Flags().Changed("reason")):
		return usagef("--undo ends the release now: it takes neither --for nor --reason")
	case r.period <= 0 || r.period > maxRelease:
		return usagef("--for %s: more than 0s, at most 90d", configs.Tidy(r.period))
	case len(r.reason) > maxReason:
		return usagef("--reason: at most %d bytes", maxReason)
	}
	return nil
}

// matches reports whether a row is live and chosen.
func (r release) matches(row inventory.Row) bool {
	if row.State != inventory.Live {
		return false
	}
	if len(r.ids) > 0 {
		return slices.Contains(r.ids, row.ID)
	}
	return (r.resource == "" || r.resource == row.ResourceID) &&
		(r.destination == "" || strings.TrimSuffix(r.destination, ":*") == row.Destination(row.Scope))
}

// apply releases or protects a row, and reports whether that changed it.
func (r release) apply(row *inventory.Row, now time.Time) bool {
	if r.undo {
		return row.EndRelease()
	}
	row.Release(now, now.Add(r.period), r.reason)
	return true
}

func releaseFlowLogs(ctx context.Context, s state, r release) error {
	gone, err := r.goneRows(ctx, s)
	if err != nil {
		return err
	}
	now := s.now()
	var found int
	var changed []inventory.Row
	n, err := s.ChangeRows(ctx, func(row *inventory.Row) bool {
		if !r.matches(*row) {
			return false
		}
		found++
		if !r.apply(row, now) {
			return false
		}
		changed = append(changed, *row)
		return true
	})
	switch {
	case err != nil && n > 0:
		printReleased(s.app, r, changed[:n], nil)
		return fmt.Errorf("only these were changed; run it again for the rest: %w", err)
	case err != nil:
		return err
	case found+len(gone) == 0:
		return fmt.Errorf("no live flow log matches, nothing was changed: %s", s.suggestOr(ctx, r.resource, "see `flowkeeper inventory list`", store.LiveResources))
	}
	rem, err := s.remediator(ctx, withoutAWS{})
	if err != nil {
		return err
	}
	for n, row := range gone {
		if _, err := rem.CloseReleased(ctx, row.Scope, row.ID, r.reason); err != nil {
			printReleased(s.app, r, changed, gone[:n])
			return err
		}
	}
	printReleased(s.app, r, changed, gone)
	return nil
}

// goneRows returns the rows of r.ids that are gone and whose incident can be closed. It refuses
// IDs that can't be released, before anything is changed.
func (r release) goneRows(ctx context.Context, s state) (rows []inventory.Row, err error) {
	for _, id := range r.ids {
		row, err := s.flowLog(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("%w (nothing was changed)", s.orResource(ctx, id, err))
		}
		if row.State != inventory.Gone {
			continue
		}
		i, _, ok, err := s.FindIncident(ctx, id)
		if err != nil {
			return nil, err
		}
		if r.undo || !ok || !i.Pending() {
			return nil, fmt.Errorf("%s is gone already, nothing was changed: %s", id, adviceOnceGone(id, i, ok))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// adviceOnceGone says what to do about a flow log that is gone; known: it has an incident.
func adviceOnceGone(id string, i incident.Incident, known bool) string {
	switch {
	case !known:
		return fmt.Sprintf("`flowkeeper inventory show %s` prints what is known of it", id)
	case i.NewID != "":
		return i.NewID + " replaced it"
	}
	return fmt.Sprintf("nothing replaced it; `flowkeeper incidents show %s` says why, `flowkeeper restore %s` restores it", id, id)
}

// daysOf is a length of time as --for takes it, with days if it is two days or more.
func daysOf(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 2*day:
		return configs.Tidy(d)
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	return fmt.Sprintf("%dd%s", d/day, configs.Tidy(d%day))
}

func printReleased(a *app, r release, live, gone []inventory.Row) {
	printChanged(a, slices.Concat(live, gone))
	if len(gone) > 0 {
		a.Note("%s released: no more attempts to restore", alert.Plural(len(gone), "flow log"))
	}
	switch {
	case r.undo:
		a.Note("%s protected again", alert.Plural(len(live), "flow log"))
	case len(live) > 0:
		a.Note("%s may be deleted for %s without being restored", alert.Plural(len(live), "flow log"), daysOf(r.period))
	}
}

// orResource returns err, which is about an ID that no flow log has. If a resource has that ID, the error
// says how to release its flow logs instead: only --resource selects all of them.
func (s state) orResource(ctx context.Context, id string, err error) error {
	resources, readErr := s.Resources(ctx, id)
	if readErr != nil || len(resources) == 0 {
		return err
	}
	return fmt.Errorf("%s is no flow log but a resource: `--resource %s` chooses all of its live flow logs", term.Clean(id), resources[0])
}
