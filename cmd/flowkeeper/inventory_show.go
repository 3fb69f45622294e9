package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

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
