package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/configs"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

func newInventoryCommand(a *app) *cobra.Command {
	return newGroup("inventory", "The snapshot: every flow log ever seen, and what it is restored from",
		newInventoryListCommand(a),
		newInventoryShowCommand(a),
		newRefreshCommand(a),
		newReleaseCommand(a),
		newExportCommand(a),
		newImportCommand(a),
	)
}

func jsonFlag(c *cobra.Command, v *bool, what string) {
	c.Flags().BoolVar(v, "json", false, what)
}

func newInventoryListCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the flow logs of the snapshot", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withState(c.Context(), func(_ configs.Config, s *store.Store) error {
				return a.listFlowLogs(c.Context(), s, asJSON)
			})
		},
	}
	jsonFlag(c, &asJSON, "one JSON object a line")
	return c
}

func (a *app) listFlowLogs(ctx context.Context, s *store.Store, asJSON bool) error {
	rehearsed, err := s.Rehearsed(ctx)
	if err != nil {
		return err
	}
	n := 0
	var restorable tally
	err = a.print(func(w io.Writer) error {
		if asJSON {
			return s.FlowLogs(ctx, func(r inventory.Row) error { return writeJSON(w, toListedJSON(r, rehearsed)) })
		}
		t := a.table(w, "FLOW LOG", "RESOURCE", "TRAFFIC", "DESTINATION", "ACCOUNT", "REGION", "STATE")
		err := s.FlowLogs(ctx, func(r inventory.Row) error {
			n++
			last, tried := rehearsed(r)
			restorable.count(r, last, tried)
			return t.add(plain(r.ID), plain(r.ResourceID), plain(r.TrafficType), plain(shortARN(r.Destination(r.Scope))),
				plain(r.Scope.Account), plain(r.Scope.Region), a.stateOf(r, last))
		})
		if err != nil {
			return err
		}
		return t.flush()
	})
	switch {
	case err != nil || asJSON:
	case n == 0:
		fmt.Fprintln(a.stderr, "the snapshot is empty: the daemon's first refresh fills it, or `flowkeeper inventory refresh`")
	default:
		fmt.Fprintln(a.stderr, restorable)
	}
	return err
}

// tally counts the protected flow logs, by what the last rehearsal said.
type tally struct{ protected, restorable, refused int }

func (t *tally) count(r inventory.Row, last remediate.Rehearsal, tried bool) {
	if !r.Rehearsable() {
		return
	}
	t.protected++
	switch {
	case tried && last.Reason == "":
		t.restorable++
	case tried:
		t.refused++
	}
}

func (t tally) String() string {
	out := plural(t.protected, "flow log") + " protected"
	if t.restorable > 0 {
		out += fmt.Sprintf(", %d restorable", t.restorable)
	}
	if t.refused > 0 {
		out += fmt.Sprintf(", %d not restorable", t.refused)
	}
	if rest := t.protected - t.restorable - t.refused; rest > 0 {
		out += fmt.Sprintf(", %d not rehearsed yet", rest)
	}
	return out
}

// stateOf is what matters of a row's state in a few words.
func (a *app) stateOf(r inventory.Row, last remediate.Rehearsal) cell {
	switch {
	case r.State == inventory.Gone:
		return cell{"gone " + a.ago(r.GoneAt), dim}
	case r.Released(a.now()):
		return cell{"live, released until " + r.ReleasedUntil.UTC().Format("2006-01-02 15:04 UTC"), yellow}
	case r.Excluded:
		return cell{"live, not protected (inventory.destinations)", yellow}
	case r.Imported:
		return cell{"imported, not seen in AWS yet", yellow}
	case !r.Protected:
		return cell{"live, not protected (a decoy)", red}
	case last.Reason != "":
		return cell{"live, not restorable (" + last.Reason + ")", red}
	}
	return cell{"live", green}
}

// shortARN makes an ARN fit a table: the service and its own last part.
func shortARN(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return arn
	}
	return parts[2] + " " + strings.TrimPrefix(strings.TrimPrefix(parts[5], "log-group:"), "deliverystream/")
}

func newInventoryShowCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show all that is known of one flow log", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFlowLogs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withState(c.Context(), func(_ configs.Config, s *store.Store) error {
				return a.showFlowLog(c.Context(), s, args[0], asJSON)
			})
		},
	}
	jsonFlag(c, &asJSON, "one JSON object")
	return c
}

func (a *app) showFlowLog(ctx context.Context, s *store.Store, id string, asJSON bool) error {
	r, ok, err := s.FindFlowLog(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return unknownFlowLog(id)
	}
	rehearsed, err := s.Rehearsed(ctx)
	if err != nil {
		return err
	}
	return a.print(func(w io.Writer) error {
		if asJSON {
			return writeJSON(w, toListedJSON(r, rehearsed))
		}
		last, tried := rehearsed(r)
		return a.flowLogSheet(r, last, tried).write(w)
	})
}

func unknownFlowLog(id string) error {
	return fmt.Errorf("the snapshot never saw a flow log %q: see `flowkeeper inventory list`", id)
}

func (a *app) flowLogSheet(r inventory.Row, last remediate.Rehearsal, tried bool) *sheet {
	s := &sheet{}
	s.put("flow log", r.ID)
	if r.RootID != r.ID {
		s.put("descends from", r.RootID)
	}
	s.put("account", r.Scope.Account)
	s.put("region", r.Scope.Region)
	s.put("resource", r.ResourceID)
	s.put("state", a.stateOf(r, last).text)
	switch {
	case tried && last.Reason == "":
		s.put("restorable", "yes, rehearsed "+a.ago(last.At))
	case tried:
		s.put("restorable", "no, rehearsed "+a.ago(last.At)+": "+last.Message)
		s.put("advice", last.Advice)
	}
	s.put("released because", r.ReleaseReason)
	putSettings(s, r.Settings)
	s.put("created by", r.CreatedBy)
	s.put("first seen", a.when(r.FirstSeenAt))
	s.put("last seen", a.when(r.LastSeenAt))
	s.put("gone since", a.when(r.GoneAt))
	return s
}

// putSettings adds what a create would set.
func putSettings(s *sheet, v inventory.Settings) {
	s.put("traffic type", v.TrafficType)
	s.put("destination type", v.LogDestinationType)
	s.put("destination", v.LogDestination)
	s.put("log group", v.LogGroupName)
	s.put("delivery role", v.DeliverLogsPermissionARN)
	s.put("cross-account role", v.DeliverCrossAccountRole)
	s.put("format", v.LogFormat)
	if v.MaxAggregationInterval != 0 {
		s.put("interval", fmt.Sprintf("%d s", v.MaxAggregationInterval))
	}
	if o := v.DestinationOptions; o != nil {
		s.put("file format", o.FileFormat)
		s.put("hive-compatible", fmt.Sprint(o.HiveCompatiblePartitions))
		s.put("per-hour partition", fmt.Sprint(o.PerHourPartition))
	}
	for _, t := range v.TagFieldSpecifications {
		s.put("tag fields", t.ResourceType+": "+strings.Join(t.TagKeys, ", "))
	}
	for _, k := range slices.Sorted(maps.Keys(v.Tags)) {
		s.put("tag", k+" = "+v.Tags[k])
	}
}
