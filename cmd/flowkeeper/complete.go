package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/configs"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// maxCompletions is as many as a shell shows with sense.
const maxCompletions = 200

// completeFlowLogs offers the snapshot's IDs to the shell, each with its
// resource. Where the state file can't be read it offers nothing.
func (a *app) completeFlowLogs(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return a.complete(c, begun, func(ctx context.Context, s *store.Store, offer func(id, about string) error) error {
		return s.FlowLogs(ctx, func(r inventory.Row) error { return offer(r.ID, r.ResourceID+" "+string(r.State)) })
	})
}

// completeIncidents offers the IDs of flow logs that have an incident.
func (a *app) completeIncidents(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return a.complete(c, begun, func(ctx context.Context, s *store.Store, offer func(id, about string) error) error {
		return s.Incidents(ctx, func(i remediate.Incident) error { return offer(i.FlowLogID, i.ResourceID+" "+string(i.State)) })
	})
}

func (a *app) complete(c *cobra.Command, begun string, list func(context.Context, *store.Store, func(id, about string) error) error) ([]string, cobra.ShellCompDirective) {
	var out []string
	_ = a.withState(c.Context(), func(_ configs.Config, s *store.Store) error {
		return list(c.Context(), s, func(id, about string) error {
			if strings.HasPrefix(id, begun) {
				out = append(out, clean(id)+"\t"+clean(about))
			}
			if len(out) >= maxCompletions {
				return errTold
			}
			return nil
		})
	})
	return out, cobra.ShellCompDirectiveNoFileComp
}
