package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/exportfile"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

func newInventoryCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use: "inventory", Short: "The snapshot: all flow logs that AWS ever listed",
		Long: `The snapshot holds all flow logs that AWS ever listed, with everything that is
needed to recreate them. A deleted one stays in it until its incident has ended
and inventory.retention has passed.`,
		Example: `  flowkeeper inventory list --state gone
  flowkeeper inventory show fl-0123456789abcdef0
  flowkeeper inventory release fl-0123456789abcdef0 --for 1h`,
		SuggestFor: []string{"snapshot", "flow-logs", "flowlogs", "ls", "refresh", "release", "approve", "export", "import"},
	}, newInventoryListCommand(a), newInventoryShowCommand(a), newRefreshCommand(a), newReleaseCommand(a), newApproveCommand(a),
		newExportCommand(a), newImportCommand(a))
}

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

  # Of one VPC, or of all that have this tag Name
  flowkeeper inventory list --resource vpc-0123456789abcdef0
  flowkeeper inventory list --resource payments --account payments-prod

  # What is not protected until somebody approves its destination
  flowkeeper inventory list --held

  # What could not be restored now
  flowkeeper inventory list --json | jq -c 'select(.restorable == false)'`,
	})
	f := newFilters(a, c, []string{string(inventory.Live), string(inventory.Gone)}, "only first seen or gone", 0)
	c.Flags().BoolVar(&f.Held, "held", false, "only those that are held: nobody has approved where they deliver")
	c.RunE = f.list(listFlowLogs)
	return c
}

func listFlowLogs(ctx context.Context, s state, f *filters) error {
	describe, err := s.describer(ctx)
	if err != nil {
		return err
	}
	count := tally{partial: f.filtered() || f.Limit > 0}
	progress := s.Progress("reading flow logs", 0)
	t := s.Table(term.Whole("FLOW LOG"), term.CutTo(resourceWidth, "RESOURCE").OrDrop(5), term.Whole("TRAFFIC").OrDrop(1), term.CutTo(14, "DESTINATION").OrDrop(2),
		term.CutTo(accountWidth, "ACCOUNT").KeepEnd().OrDrop(4), term.Whole("REGION").OrDrop(3), term.CutTo(stateWidth, "STATE"))
	err = s.FindFlowLogs(ctx, f.Filter, func(row inventory.Row, fate store.Fate) error {
		if !f.next() {
			return nil
		}
		progress.Step()
		x, err := describe(row, fate)
		if err != nil {
			return err
		}
		count.add(x, s.now())
		t.Add(x.json(), x.ID, alert.WithResource(x.ResourceID, x.resourceName), x.TrafficType, x.shortDestination(), alert.WithAccount(x.Scope.Account, x.accountName), x.Scope.Region, x.state(s.app))
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

// A narrow terminal shows at least the ID of a resource, which stands before its name, and the number of an
// account, which stands after its name.
const (
	resourceWidth = len("tgw-attach-0123456789abcdef0")
	accountWidth  = len("-(111122223333)") // with the mark that it is cut
)

// flowLog is a row of the snapshot with what else commands print about it.
type flowLog struct {
	inventory.Row
	fate store.Fate
	last *rehearse.Rehearsal // nil: none yet

	accountName, resourceName string // empty: not known
}

// describer returns a function that adds the last rehearsal and the names to a row.
func (s state) describer(ctx context.Context) (func(inventory.Row, store.Fate) (flowLog, error), error) {
	rehearsed, err := s.Rehearsed(ctx)
	lookup, namesErr := s.names(ctx)
	return func(row inventory.Row, fate store.Fate) (x flowLog, err error) {
		x = flowLog{Row: row, fate: fate, accountName: lookup.nameOf(row.Scope.Account)}
		if last, ok := rehearsed(row); ok {
			x.last = &last
		}
		x.resourceName, err = lookup.resource(ctx, row.Scope, row.ResourceID)
		return x, err
	}, errors.Join(err, namesErr)
}

// json is the exported flow log with the result of the last rehearsal and, if it is gone,
// its replacement.
func (x flowLog) json() exportfile.FlowLog {
	out := exportfile.New(x.Row)
	out.AccountName, out.ResourceName = x.accountName, x.resourceName
	if x.last != nil {
		out.Restorable = new(x.last.Allowed())
	}
	if x.State == inventory.Gone {
		out.NewFlowLogID = x.fate.NewID
	}
	return out
}

func (x flowLog) shortDestination() string { return term.ShortARN(x.Destination(x.Scope)) }

// inGap reports whether a flow log is gone without a replacement yet.
func (x flowLog) inGap() bool {
	return x.State == inventory.Gone && (x.fate.State == incident.Open || x.fate.State == incident.Blocked)
}

// stateWidth is wide enough for the time when a release ends, and for the ID of a replacement.
const stateWidth = len("released until 2026-03-01 12:00 UTC")

// state is the state in a few words. The most important comes first, because a narrow
// terminal cuts the end.
func (x flowLog) state(a *app) term.Cell {
	switch {
	case x.inGap():
		return term.Colored("gap of "+term.Span(a.now().Sub(x.GoneAt))+": "+strings.TrimSpace(string(x.fate.State)+" "+string(x.fate.Reason)), term.Red)
	case x.State == inventory.Gone && x.fate.NewID != "":
		return term.Colored("replaced by "+x.fate.NewID+" "+a.ago(x.GoneAt), term.Dim)
	case x.State == inventory.Gone && x.fate.Reason != "":
		return term.Colored("gone "+a.ago(x.GoneAt)+": "+string(x.fate.Reason), term.Dim)
	case x.State == inventory.Gone:
		return term.Colored("gone "+a.ago(x.GoneAt), term.Dim)
	case x.Released(a.now()):
		return term.Colored("released until "+term.Minute(x.ReleasedUntil), term.Yellow)
	case x.Excluded:
		return term.Colored("not protected: inventory.destinations", term.Yellow)
	case x.Held:
		return term.Colored("held: destination not approved", term.Red)
	case x.Imported:
		return term.Colored("imported, not seen in AWS yet", term.Yellow)
	case !x.Protected:
		return term.Colored("not protected: a decoy", term.Red)
	case x.last != nil && !x.last.Allowed():
		return term.Colored("not restorable: "+string(x.last.Reason), term.Red)
	}
	return term.Colored("live", term.Green)
}

func printChanged(a *app, rows []inventory.Row) {
	t := a.Table(term.Whole("FLOW LOG"), term.Whole("RESOURCE"), term.CutTo(14, "DESTINATION").OrDrop(1), term.CutTo(stateWidth, "STATE"))
	for _, row := range rows {
		x := flowLog{Row: row}
		t.Add(x.json(), x.ID, x.ResourceID, x.shortDestination(), x.state(a))
	}
	t.Flush()
}

// tally counts what is listed: the protected flow logs, by the result of the last
// rehearsal, those that are released, and those that are gone without a replacement
// yet.
type tally struct {
	partial bool // a filter or a limit may leave out flow logs
	listed  int

	restorable, refused, notRehearsed int // protected
	released, inGap                   int
	until                             time.Time // when the last release ends
}

func (t *tally) add(x flowLog, now time.Time) {
	t.listed++
	if x.inGap() {
		t.inGap++
	}
	switch {
	case !x.Rehearsable():
	case x.Released(now):
		t.released++
		if x.ReleasedUntil.After(t.until) {
			t.until = x.ReleasedUntil
		}
	case x.last == nil:
		t.notRehearsed++
	case x.last.Allowed():
		t.restorable++
	default:
		t.refused++
	}
}

func (t tally) String() string {
	protected := t.restorable + t.refused + t.notRehearsed
	out := alert.Plural(protected, "flow log") + " protected"
	if t.partial {
		out = alert.Plural(t.listed, "flow log") + " listed"
		if protected > 0 {
			out += fmt.Sprintf(", %d protected", protected)
		}
	}
	for _, part := range []struct {
		n    int
		what string
	}{{t.restorable, "restorable"}, {t.refused, "not restorable"}, {t.notRehearsed, "not rehearsed yet"}, {t.released, "RELEASED until " + term.Minute(t.until)}} {
		if part.n > 0 {
			out += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	if t.inGap > 0 {
		out += fmt.Sprintf("; %d gone without a replacement", t.inGap)
	}
	return out
}

func newInventoryShowCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "show ID|RESOURCE", Short: "Show everything that is known of one flow log",
		Args: oneArg("the ID of a flow log, or of its resource (see `flowkeeper inventory list`)"),
		Long: `Show everything that is known of one flow log: each setting and tag that a
restore sets, which flow log it replaced first, whether it can be restored
according to the last rehearsal and what to do if not, when AWS first and last
listed it. With the ID or the tag Name of a resource, such as
vpc-0123456789abcdef0, it shows the only flow log of that resource, or lists
them if there are several.`,
		Example: `  flowkeeper inventory show fl-0123456789abcdef0
  flowkeeper inventory show vpc-0123456789abcdef0
  flowkeeper inventory show fl-0123456789abcdef0 --json | jq .tags`,
		ValidArgsFunction: firstArg(a.completeFromState(orResources(offerFlowLogs(), store.Resources))),
		RunE:              a.onState(showFlowLog),
	})
}

func showFlowLog(ctx context.Context, s state, args []string) error {
	row, err := s.meantFlowLog(ctx, args[0])
	if err != nil {
		return orList(ctx, s, err, listFlowLogs)
	}
	i, _, _, err := s.FindIncident(ctx, row.ID)
	describe, readErr := s.describer(ctx)
	if err = errors.Join(err, readErr); err != nil {
		return err
	}
	x, err := describe(row, store.Fate{State: i.State, Reason: i.Reason, NewID: i.NewID})
	if err != nil {
		return err
	}
	if s.JSON {
		s.Object(x.json())
	} else {
		s.Sheet(x.sheet(s.app))
	}
	return nil
}

func (s state) flowLog(ctx context.Context, id string) (inventory.Row, error) {
	row, ok, err := s.FindFlowLog(ctx, id)
	if err == nil && !ok {
		err = s.noFlowLog(ctx, id, store.FlowLogIDs)
	}
	return row, err
}

func (x flowLog) sheet(a *app) *term.Sheet {
	s := flowLogSheet(x.ID, x.RootID, alert.WithAccount(x.Scope.Account, x.accountName), x.Scope.Region, alert.WithResource(x.ResourceID, x.resourceName))
	s.Put("state", x.state(a).Text)
	switch {
	case x.last == nil:
	case x.last.Allowed():
		s.Put("restorable", "yes, rehearsed "+a.ago(x.last.At))
	default:
		s.Put("restorable", "no, rehearsed "+a.ago(x.last.At)+": "+x.last.Message)
		s.Put("advice", x.last.Advice)
	}
	s.Put("released because", x.ReleaseReason)
	putSettings(s, x.Settings)
	s.Put("created by", x.CreatedBy)
	s.Put("first seen", a.when(x.FirstSeenAt))
	s.Put("last seen", a.when(x.LastSeenAt))
	s.Put("gone since", a.when(x.GoneAt))
	return s
}

// flowLogSheet returns a sheet that begins with what flow log it is about. The account and the resource are labels:
// they have their names, if these are known.
func flowLogSheet(id, rootID, account, region, resource string) *term.Sheet {
	s := &term.Sheet{}
	s.Put("flow log", id)
	if rootID != id {
		s.Put("descends from", rootID)
	}
	s.Put("account", account)
	s.Put("region", region)
	s.Put("resource", resource)
	return s
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
