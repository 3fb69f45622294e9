package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

func newInventoryCommand(a *app) *cobra.Command {
	c := newGroup("inventory", "The snapshot: all flow logs that AWS ever listed",
		newInventoryListCommand(a),
		newInventoryShowCommand(a),
		newRefreshCommand(a),
		newReleaseCommand(a),
		newApproveCommand(a),
		newExportCommand(a),
		newImportCommand(a),
	)
	c.Long = `The snapshot holds all flow logs that AWS ever listed, with everything that is
needed to recreate them. A deleted one stays in it until its incident has ended
and inventory.retention has passed.`
	c.Example = `  flowkeeper inventory list --state gone
  flowkeeper inventory show fl-0123456789abcdef0
  flowkeeper inventory release fl-0123456789abcdef0 --for 1h`
	c.SuggestFor = []string{"snapshot", "flow-logs", "flowlogs", "ls", "refresh", "release", "approve", "export", "import"}
	return c
}

var flowLogStates = []string{string(inventory.Live), string(inventory.Gone)}

func newInventoryListCommand(a *app) *cobra.Command {
	c := a.withJSON("one JSON object a line", &cobra.Command{
		Use: "list", Short: "List the flow logs, and whether each can be restored", Args: noArgs,
		Long: `List the flow logs of the snapshot by account, Region and ID. The state of one
that is gone names its replacement, or says how long nothing has been recorded,
and why. stderr says how many of those listed are protected, how many of these
can be restored according to the last rehearsal, and how many are released. On
a narrow terminal some columns are left out, first those with the same value in
every row.`,
		Example: `  # What is gone, and what replaced it
  flowkeeper inventory list --state gone

  # What appeared or was deleted in the last day in one Region
  flowkeeper inventory list --since 1d --region eu-west-1

  # What is not protected until somebody approves its destination
  flowkeeper inventory list --held

  # What could not be restored now
  flowkeeper inventory list --json | jq -c 'select(.restorable == false)'`,
	})
	f := newFilters(a, c, flowLogStates, "only first seen or gone", 0)
	c.Flags().BoolVar(&f.Held, "held", false, "only those that are held: nobody has approved where they deliver")
	c.RunE = f.list(listFlowLogs)
	return c
}

func listFlowLogs(ctx context.Context, s state, f *filters) error {
	rehearsed, err := s.Rehearsed(ctx)
	if err != nil {
		return err
	}
	count := tally{some: f.filtered() || f.Limit > 0}
	progress := s.Progress("reading flow logs", 0)
	t := s.Table(term.Whole("FLOW LOG"), term.Whole("RESOURCE").OrDrop(5), term.Whole("TRAFFIC").OrDrop(1), term.CutTo(14, "DESTINATION").OrDrop(2),
		term.Whole("ACCOUNT").OrDrop(4), term.Whole("REGION").OrDrop(3), term.CutTo(stateWidth, "STATE"))
	err = s.FindFlowLogs(ctx, f.Filter, func(r inventory.Row, fate store.Fate) error {
		f.next()
		progress.Step()
		last, tried := rehearsed(r)
		count.count(r, fate, last, tried, s.now())
		t.Add(toListedJSON(r, fate, last, tried), r.ID, r.ResourceID, r.TrafficType, term.ShortARN(r.Destination(r.Scope)), r.Scope.Account, r.Scope.Region, stateOf(s.app, r, fate, last))
		return nil
	})
	t.Flush()
	progress.End()
	if err != nil {
		return err
	}
	f.summary("flow logs", "the snapshot is empty: the daemon's first refresh fills it, or `flowkeeper inventory refresh`")
	if f.n > 0 && !s.JSON {
		s.Note("%s", count)
	}
	return nil
}

// stateWidth is wide enough for the end of a release, or the ID of a replacement.
const stateWidth = len("released until 2026-03-01 12:00 UTC")

// tally counts what is listed: the protected flow logs, by the result of the last
// rehearsal, those that are released, and those that are gone without a replacement
// yet.
type tally struct {
	some                                            bool // there is a filter
	listed                                          int
	protected, restorable, refused, released, blind int
	until                                           time.Time // the last release's end
}

func (t *tally) count(r inventory.Row, fate store.Fate, last rehearse.Rehearsal, tried bool, now time.Time) {
	t.listed++
	if isBlind(r, fate) {
		t.blind++
	}
	switch {
	case !r.Rehearsable():
		return
	case r.Released(now):
		t.released++
		if r.ReleasedUntil.After(t.until) {
			t.until = r.ReleasedUntil
		}
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
	out := alert.Plural(t.protected, "flow log") + " protected"
	if t.some {
		out = alert.Plural(t.listed, "flow log") + " listed"
		if t.protected > 0 {
			out += fmt.Sprintf(", %d protected", t.protected)
		}
	}
	for _, part := range []struct {
		n    int
		what string
	}{{t.restorable, "restorable"}, {t.refused, "not restorable"}, {t.protected - t.restorable - t.refused, "not rehearsed yet"}, {t.released, "RELEASED until " + term.Minute(t.until)}} {
		if part.n > 0 {
			out += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	if t.blind > 0 {
		out += fmt.Sprintf("; %d gone without a replacement", t.blind)
	}
	return out
}

// isBlind reports whether a flow log is gone without a replacement yet.
func isBlind(r inventory.Row, f store.Fate) bool {
	return r.State == inventory.Gone && (f.State == incident.Open || f.State == incident.Blocked)
}

// stateOf is a row's state in a few words, the most important first: a narrow
// terminal cuts the rest.
func stateOf(a *app, r inventory.Row, f store.Fate, last rehearse.Rehearsal) term.Cell {
	switch {
	case isBlind(r, f):
		return term.Colored("blind "+term.Span(a.now().Sub(r.GoneAt))+": "+strings.TrimSpace(string(f.State)+" "+f.Reason), term.Red)
	case r.State == inventory.Gone && f.NewID != "":
		return term.Colored("replaced by "+f.NewID+" "+a.ago(r.GoneAt), term.Dim)
	case r.State == inventory.Gone && f.Reason != "":
		return term.Colored("gone "+a.ago(r.GoneAt)+": "+f.Reason, term.Dim)
	case r.State == inventory.Gone:
		return term.Colored("gone "+a.ago(r.GoneAt), term.Dim)
	case r.Released(a.now()):
		return term.Colored("released until "+term.Minute(r.ReleasedUntil), term.Yellow)
	case r.Excluded:
		return term.Colored("not protected: inventory.destinations", term.Yellow)
	case r.Held:
		return term.Colored("held: destination not approved", term.Red)
	case r.Imported:
		return term.Colored("imported, not seen in AWS yet", term.Yellow)
	case !r.Protected:
		return term.Colored("not protected: a decoy", term.Red)
	case last.Reason != "":
		return term.Colored("not restorable: "+last.Reason, term.Red)
	}
	return term.Colored("live", term.Green)
}

func newInventoryShowCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "show ID", Short: "Show everything that is known of one flow log",
		Args: oneArg("the ID of a flow log (see `flowkeeper inventory list`)"),
		Long: `Show everything that is known of one flow log: each setting and tag that a
restore sets, which flow log it replaced first, whether it can be restored
according to the last rehearsal and what to do if not, when AWS first and last
listed it.`,
		Example: `  flowkeeper inventory show fl-0123456789abcdef0
  flowkeeper inventory show fl-0123456789abcdef0 --json | jq .tags`,
		ValidArgsFunction: firstArg(completeFlowLogs(a)),
		RunE:              a.onState(showFlowLog),
	})
}

func showFlowLog(ctx context.Context, s state, args []string) error {
	id := args[0]
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
	i, _, _, err := s.FindIncident(ctx, id)
	if err != nil {
		return err
	}
	fate := store.Fate{State: i.State, Reason: i.Reason, NewID: i.NewID}
	last, tried := rehearsed(r)
	if s.JSON {
		s.Object(toListedJSON(r, fate, last, tried))
	} else {
		s.Sheet(flowLogSheet(s.app, r, fate, last, tried))
	}
	return nil
}

func unknownFlowLog(id string) error {
	return fmt.Errorf("there is no flow log %q in the snapshot: see `flowkeeper inventory list`", id)
}

func flowLogSheet(a *app, r inventory.Row, fate store.Fate, last rehearse.Rehearsal, tried bool) *term.Sheet {
	s := &term.Sheet{}
	putFlowLog(s, r.ID, r.RootID, r.Scope, r.ResourceID)
	s.Put("state", stateOf(a, r, fate, last).Text)
	switch {
	case tried && last.Reason == "":
		s.Put("restorable", "yes, rehearsed "+a.ago(last.At))
	case tried:
		s.Put("restorable", "no, rehearsed "+a.ago(last.At)+": "+last.Message)
		s.Put("advice", last.Advice)
	}
	s.Put("released because", r.ReleaseReason)
	putSettings(s, r.Settings)
	s.Put("created by", r.CreatedBy)
	s.Put("first seen", a.when(r.FirstSeenAt))
	s.Put("last seen", a.when(r.LastSeenAt))
	s.Put("gone since", a.when(r.GoneAt))
	return s
}

// putFlowLog adds which flow log a sheet is about.
func putFlowLog(s *term.Sheet, id, rootID string, scope inventory.Scope, resourceID string) {
	s.Put("flow log", id)
	if rootID != id {
		s.Put("descends from", rootID)
	}
	s.Put("account", scope.Account)
	s.Put("region", scope.Region)
	s.Put("resource", resourceID)
}

// putSettings adds the settings that a create sets.
func putSettings(s *term.Sheet, v inventory.Settings) {
	s.Put("traffic type", v.TrafficType)
	s.Put("destination type", v.LogDestinationType)
	s.Put("destination", v.LogDestination)
	s.Put("log group", v.LogGroupName)
	s.Put("delivery role", v.DeliverLogsPermissionARN)
	s.Put("cross-account role", v.DeliverCrossAccountRole)
	s.Put("format", v.LogFormat)
	if v.MaxAggregationInterval != 0 {
		s.Put("interval", fmt.Sprintf("%d s", v.MaxAggregationInterval))
	}
	if o := v.DestinationOptions; o != nil {
		s.Put("file format", o.FileFormat)
		s.Put("hive-compatible", fmt.Sprint(o.HiveCompatiblePartitions))
		s.Put("per-hour partition", fmt.Sprint(o.PerHourPartition))
	}
	for _, t := range v.TagFieldSpecifications {
		s.Put("tag fields", t.ResourceType+": "+strings.Join(t.TagKeys, ", "))
	}
	for _, k := range slices.Sorted(maps.Keys(v.Tags)) {
		s.Put("tag", k+" = "+v.Tags[k])
	}
}
