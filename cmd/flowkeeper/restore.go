package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/spf13/cobra"

	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

func newRestoreCommand(a *app) *cobra.Command {
	var dry bool
	c := a.withJSON("the incident as one JSON object, or the flow log if it is alive", &cobra.Command{
		Use: "restore ID|RESOURCE", Short: "Recreate one flow log by hand, with or without a running daemon", Args: oneArg("the ID of a flow log, or of its resource (see `flowkeeper inventory list --state gone`)"),
		Long: `Recreate one flow log of the snapshot now, whatever rules, releases and
remediate.mode say, and print the new one's ID.

If it was replaced before, the command is about the last replacement: if that is
alive, there is nothing to do, and its ID is printed. With the ID of a resource,
such as vpc-0123456789abcdef0, it is about the only flow log of that resource
that is gone and not back. AWS creates only one flow
log even if the daemon restores the same one at the same moment.

AWS may not show a flow log that is younger than inventory.settle. If nothing
has reported its loss, the command restores it only after that time.`,
		Example: `  # What would be called, with which parameters
  flowkeeper restore fl-0123456789abcdef0 --dry-run

  flowkeeper restore fl-0123456789abcdef0`,
		ValidArgsFunction: firstArg(a.completeFromState(orResources(offerFlowLogs(), store.LostResources))),
		RunE: a.onState(func(ctx context.Context, s state, args []string) error {
			if dry {
				return planRestore(ctx, s, args[0])
			}
			return restoreFlowLog(ctx, s, args[0])
		}),
	})
	c.Flags().BoolVar(&dry, "dry-run", false, "print the CreateFlowLogs call, without making it")
	return c
}

// plannedRestore finds the flow log to restore: the last of its chain of replacements.
func plannedRestore(ctx context.Context, s state, id string) (incident.Incident, error) {
	row, err := s.lostFlowLog(ctx, id)
	if err != nil {
		return incident.Incident{}, err
	}
	return remediate.PlanByHand(ctx, s.Remediation(), row.Scope, row.ID, s.now())
}

// planRestore prints the call as JSON: the parameters' names are the SDK's. The ClientToken is
// left out: whoever knows it can use it for another call before the restore. There is no placeholder,
// because people who pass the parameters to the AWS CLI would send it as the token.
func planRestore(ctx context.Context, s state, id string) error {
	i, err := plannedRestore(ctx, s, id)
	if err != nil {
		return err
	}
	if row, ok, err := s.FindFlowLog(ctx, i.FlowLogID); err != nil {
		return err
	} else if ok && row.State == inventory.Live && !row.Imported {
		s.complain(i.FlowLogID + " was alive at the last refresh: while it is, the command without --dry-run creates nothing")
	}
	in := incident.CreateInput(i, "")
	in.ClientToken = nil
	b, err := json.MarshalIndent(map[string]any{
		"Account": i.Scope.Account, "Region": i.Scope.Region, "CreateFlowLogs": setFields(reflect.ValueOf(in)),
	}, "", "  ")
	if err != nil {
		return err
	}
	s.Printf("%s\n", term.EscapeInvisible(b))
	s.complain("without the ClientToken: the command without --dry-run adds one that is made with a secret key")
	return nil
}

// setFields returns the parameters of a call that are set, as values for JSON.
func setFields(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		return setFields(v.Elem())
	case reflect.Slice:
		out := make([]any, v.Len())
		for n := range out {
			out[n] = setFields(v.Index(n))
		}
		return out
	case reflect.Struct:
		out := map[string]any{}
		for n := range v.NumField() {
			if f := v.Type().Field(n); f.IsExported() && !v.Field(n).IsZero() {
				out[f.Name] = setFields(v.Field(n))
			}
		}
		return out
	}
	return v.Interface()
}

func restoreFlowLog(ctx context.Context, s state, id string) error {
	plan, err := plannedRestore(ctx, s, id)
	if err != nil {
		return err
	}
	i, alive, err := restoreNow(ctx, s, plan)
	if err != nil {
		return err
	}
	if alive {
		s.complain(plan.FlowLogID + " is alive: nothing to do")
		if s.JSON {
			return showFlowLog(ctx, s, []string{plan.FlowLogID})
		}
		s.Result(nil, "%s", plan.FlowLogID)
		return nil
	}
	if i.HasReplacement() || s.JSON {
		s.Result(toIncidentJSON(i, nil), "%s", i.NewID)
	}
	switch {
	case i.HasReplacement():
		return nil
	case i.Advice != "":
		return fmt.Errorf("%s is not restored (%s %s): %s", i.FlowLogID, i.State, i.Reason, i.Advice)
	}
	return fmt.Errorf("%s is not restored yet (%s): the daemon tries again, see `flowkeeper incidents show %s`", i.FlowLogID, i.State, i.FlowLogID)
}

func restoreNow(ctx context.Context, s state, plan incident.Incident) (incident.Incident, bool, error) {
	fleet, err := s.connect(ctx)
	if err != nil {
		return plan, false, err
	}
	progress := s.Progress("waiting for AWS", 0)
	defer progress.End()
	r, err := s.remediator(ctx, fleet)
	if err != nil {
		return plan, false, err
	}
	return r.RestoreByHand(ctx, plan.Scope, plan.FlowLogID)
}
